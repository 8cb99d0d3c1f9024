# Every AWS call the console makes, by the feature that makes it. infra/checks/console_actions.py compares this table
# with the console's source: a call without a row, or a row without a call, fails.

locals {
  # feature → what it needs. `scope` names the resources in main.tf.
  read_only = {
    "who am I (doctor, account guard)"        = { scope = "any", actions = ["sts:GetCallerIdentity"] }
    "environments and service screens"        = { scope = "service", actions = ["ecs:DescribeServices"] }
    "init: find services"                     = { scope = "any", actions = ["ecs:ListClusters", "ecs:ListServices"] }
    "tasks and why they stopped"              = { scope = "tasks", actions = ["ecs:DescribeTasks"] }
    "tasks of a service"                      = { scope = "any", actions = ["ecs:ListTasks"] }
    "revisions, differences, bill"            = { scope = "any", actions = ["ecs:DescribeTaskDefinition"] }
    "rollouts, history, known-good"           = { scope = "deployments", actions = ["ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions", "ecs:ListServiceDeployments"] }
    "releases"                                = { scope = "repositories", actions = ["ecr:DescribeImages", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] }
    "logs"                                    = { scope = "logs", actions = ["logs:FilterLogEvents"] }
    "find log groups"                         = { scope = "any", actions = ["logs:DescribeLogGroups"] }
    "metrics and alarms"                      = { scope = "any", actions = ["cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms"] }
    "targets and their health"                = { scope = "any", actions = ["elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth", "elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeListeners"] }
    "autoscaling bounds, off-hours, the bill" = { scope = "any", actions = ["application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScheduledActions", "application-autoscaling:DescribeScalingPolicies"] }
    "blue/green by CodeDeploy"                = { scope = "codedeploy", actions = ["codedeploy:GetDeployment", "codedeploy:GetDeploymentGroup", "codedeploy:ListDeployments", "codedeploy:BatchGetDeploymentGroups", "codedeploy:GetDeploymentTarget", "codedeploy:ListDeploymentTargets"] }
    "who holds the lock"                      = { scope = "lock", actions = ["s3:GetObject"] }
    # Without it S3 answers "forbidden" instead of "not there", and no lock looks like no rights.
    "that there is no lock"                    = { scope = "lock_bucket", actions = ["s3:ListBucket"] }
    "read what the environment's key encrypts" = { scope = "key", actions = ["kms:Decrypt"] }
  }

  operator = {
    "deploy, rollback, restart, scale"          = { scope = "service", actions = ["ecs:UpdateService"] }
    "register a revision to deploy"             = { scope = "any", actions = ["ecs:RegisterTaskDefinition"] }
    "give the revision its roles"               = { scope = "roles", actions = ["iam:PassRole"] }
    "stop a rollout"                            = { scope = "deployments", actions = ["ecs:StopServiceDeployment"] }
    "stop-task"                                 = { scope = "tasks", actions = ["ecs:StopTask"] }
    "deploy, rollback, stop with CodeDeploy"    = { scope = "codedeploy", actions = ["codedeploy:CreateDeployment", "codedeploy:StopDeployment", "codedeploy:ContinueDeployment", "codedeploy:RegisterApplicationRevision", "codedeploy:GetApplicationRevision", "codedeploy:GetDeploymentConfig"] }
    "deploy on EC2 over SSM"                    = { scope = "instances", actions = ["ssm:SendCommand"] }
    "result of a command on EC2"                = { scope = "any", actions = ["ssm:GetCommandInvocation", "ssm:ListCommandInvocations", "ssm:DescribeInstanceInformation"] }
    "take and release the lock"                 = { scope = "lock", actions = ["s3:PutObject", "s3:DeleteObject"] }
    "write what the environment's key encrypts" = { scope = "key", actions = ["kms:GenerateDataKey"] }
  }
}
