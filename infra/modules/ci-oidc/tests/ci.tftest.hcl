# A pull request can look, only a protected environment can apply, and no other repository can do either.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name             = "shop"
  account          = "123456789012"
  state_bucket_arn = "arn:aws:s3:::shop-tfstate-123456789012"
  subjects = {
    plan  = ["repo:example/shop:pull_request"]
    apply = ["repo:example/shop:environment:prod"]
  }
}

run "only_these_subjects_take_the_roles" {
  command = plan
  assert {
    condition = alltrue([for role in aws_iam_role.this : try(
      length(jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == 1 &&
    !can(jsondecode(role.assume_role_policy).Statement[0].Condition.StringLike), false)])
    error_message = "The sub claim must be compared literally."
  }
}

run "planning_writes_nothing_but_locks_and_reads_no_secret" {
  command = plan
  assert {
    condition = alltrue([
      for s in jsondecode(aws_iam_role_policy.state["plan"].policy).Statement :
      !contains(s.Action, "s3:PutObject") || alltrue([for r in s.Resource : endswith(r, ".tflock")])
    ]) && one([for s in jsondecode(aws_iam_role_policy.state["plan"].policy).Statement : s.Effect if s.Sid == "NoSecrets"]) == "Deny"
    error_message = "The plan role writes lock files only and is denied secrets."
  }
}

run "new_repositories_claims_are_understood" {
  command = plan
  variables {
    subjects = {
      plan  = ["repo:example@123/shop@456:pull_request"]
      apply = ["repo:example@123/shop@456:environment:prod"]
    }
  }
  assert {
    condition     = jsondecode(aws_iam_role.this["plan"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"][0] == "repo:example@123/shop@456:pull_request"
    error_message = "Immutable ids in the claim must be accepted."
  }
}

run "any_repository_is_refused" {
  command = plan
  variables {
    subjects = { plan = ["repo:example/*:pull_request"], apply = ["repo:example/shop:environment:prod"] }
  }
  expect_failures = [var.subjects]
}

run "applying_from_any_branch_is_refused" {
  command = plan
  variables {
    subjects = { plan = ["repo:example/shop:pull_request"], apply = ["repo:example/shop:ref:refs/heads/main"] }
  }
  expect_failures = [var.subjects]
}

run "an_administrator_pipeline_is_refused" {
  command = plan
  variables {
    apply_policy_arns = ["arn:aws:iam::aws:policy/AdministratorAccess"]
  }
  expect_failures = [var.apply_policy_arns]
}
