# Looking cannot change anything, and changing is confined to this environment.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name               = "shop-prod"
  account            = "123456789012"
  region             = "us-east-1"
  clusters           = ["shop-prod"]
  role_arns          = ["arn:aws:iam::123456789012:role/task"]
  repository_arns    = ["arn:aws:ecr:us-east-1:123456789012:repository/shop/api"]
  log_group_prefixes = ["/ecs/shop-prod"]
  lock_bucket        = "shop-prod-locks"
  has_lock           = true
  has_key            = true
  kms_key_arn        = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "looking_cannot_change_anything" {
  command = plan
  assert {
    condition     = alltrue(flatten([for s in jsondecode(aws_iam_policy.read_only.policy).Statement : [for a in s.Action : can(regex(":(Describe|List|Get|BatchGet|Filter)", a)) || a == "kms:Decrypt"]]))
    error_message = "The read-only policy holds a call that changes something."
  }
}

run "no_action_is_a_wildcard" {
  command = plan
  assert {
    condition     = alltrue(flatten([for s in jsondecode(aws_iam_policy.operator.policy).Statement : [for a in s.Action : !strcontains(a, "*")]]))
    error_message = "Actions are named one by one."
  }
}

run "every_change_but_registering_names_this_environment" {
  command = plan
  assert {
    condition = alltrue([
      for s in jsondecode(aws_iam_policy.operator.policy).Statement :
      !contains(s.Resource, "*") || length(setsubtract(s.Action, concat(["ecs:RegisterTaskDefinition"], flatten([for r in jsondecode(aws_iam_policy.read_only.policy).Statement : r.Action]), ["ssm:GetCommandInvocation", "ssm:ListCommandInvocations", "ssm:DescribeInstanceInformation"]))) == 0
    ])
    error_message = "A call that changes something may name all resources only where AWS knows none: RegisterTaskDefinition."
  }
}

run "roles_are_passed_to_tasks_only" {
  command = plan
  assert {
    condition     = one([for s in jsondecode(aws_iam_policy.operator.policy).Statement : s.Condition.StringEquals["iam:PassedToService"] if contains(s.Action, "iam:PassRole")]) == "ecs-tasks.amazonaws.com"
    error_message = "PassRole must be bound to ECS tasks."
  }
}

run "what_an_environment_lacks_gives_no_rights_to_everyone_elses" {
  command = plan
  assert {
    condition     = length([for s in jsondecode(aws_iam_policy.operator.policy).Statement : s if length(s.Resource) == 0 || contains(s.Action, "codedeploy:CreateDeployment") || contains(s.Action, "ssm:SendCommand")]) == 0
    error_message = "Without CodeDeploy and instances there must be no statement for them."
  }
}
