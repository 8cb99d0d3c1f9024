# Two Lambdas that CodeDeploy calls on the way: `migrate` before the new tasks start, `validate` before anyone but the
# test listener reaches them. Either can stop the deployment.

locals {
  hooks = var.hooks == null ? {} : {
    migrate = {
      handler = "migrate.handler"
      timeout = 900
      environment = {
        CLUSTER         = var.cluster_name
        TASK_FAMILY     = var.hooks.task_family
        CONTAINER       = var.hooks.container
        COMMAND         = jsonencode(var.hooks.migrate_command)
        SUBNETS         = join(",", var.hooks.subnet_ids)
        SECURITY_GROUPS = join(",", var.hooks.security_group_ids)
      }
    }
    validate = {
      handler     = "validate.handler"
      timeout     = 180
      environment = { TEST_URL = var.hooks.test_url }
    }
  }
}

resource "aws_security_group" "hooks" {
  count = var.hooks == null ? 0 : 1

  name        = "${var.name}-hooks"
  description = "Deployment hooks: out only"
  vpc_id      = var.hooks.vpc_id

  tags = { Name = "${var.name}-hooks" }
}

resource "aws_vpc_security_group_egress_rule" "hooks" {
  for_each = var.hooks == null ? {} : { https = 443, test = 8443 }

  security_group_id = aws_security_group.hooks[0].id
  description       = each.key
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_cloudwatch_log_group" "hook" {
  #checkov:skip=CKV_AWS_338:seven days are what the documents ask for; the retention is a variable
  for_each = local.hooks

  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = 7
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "hook" {
  for_each = local.hooks

  name = "${var.name}-hook-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "hook" {
  for_each = local.hooks

  name = "work"
  role = aws_iam_role.hook[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Logs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.hook[each.key].arn}:*"]
        },
        {
          Sid      = "Answer"
          Effect   = "Allow"
          Action   = ["codedeploy:PutLifecycleEventHookExecutionStatus"]
          Resource = ["arn:aws:codedeploy:${var.region}:${var.account}:deploymentgroup:${var.name}/${var.name}"]
        },
        {
          # Lambda makes its network interfaces itself and knows no resources for it.
          Sid      = "Network"
          Effect   = "Allow"
          Action   = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"]
          Resource = ["*"]
        },
      ],
      [for statement in [
        {
          Sid       = "RunMigration"
          Effect    = "Allow"
          Action    = ["ecs:RunTask"]
          Resource  = ["arn:aws:ecs:${var.region}:${var.account}:task-definition/${var.hooks.task_family}:*"]
          Condition = { ArnEquals = { "ecs:cluster" = "arn:aws:ecs:${var.region}:${var.account}:cluster/${var.cluster_name}" } }
        },
        {
          Sid      = "WatchMigration"
          Effect   = "Allow"
          Action   = ["ecs:DescribeTasks"]
          Resource = ["arn:aws:ecs:${var.region}:${var.account}:task/${var.cluster_name}/*"]
        },
        {
          # CodeDeploy tells the hook only its deployment: the revision is in it.
          Sid      = "FindRevision"
          Effect   = "Allow"
          Action   = ["codedeploy:GetDeployment", "codedeploy:GetApplicationRevision", "codedeploy:GetDeploymentConfig"]
          Resource = ["arn:aws:codedeploy:${var.region}:${var.account}:deploymentgroup:${var.name}/${var.name}", "arn:aws:codedeploy:${var.region}:${var.account}:application:${var.name}"]
        },
        {
          Sid       = "PassRoles"
          Effect    = "Allow"
          Action    = ["iam:PassRole"]
          Resource  = var.role_arns
          Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
        },
      ] : statement if each.key == "migrate"],
    )
  })
}

resource "aws_lambda_function" "hook" {
  #checkov:skip=CKV_AWS_115:CodeDeploy calls each hook once a deployment
  #checkov:skip=CKV_AWS_116:CodeDeploy itself waits for the answer; there is nothing to keep for later
  #checkov:skip=CKV_AWS_272:signed packages need a signing profile of the account; the package is built from this repository
  for_each = local.hooks

  function_name    = "${var.name}-${each.key}"
  description      = "CodeDeploy hook: ${each.key}"
  role             = aws_iam_role.hook[each.key].arn
  runtime          = "python3.13"
  architectures    = ["arm64"]
  handler          = each.value.handler
  filename         = var.hooks.package
  source_code_hash = filebase64sha256(var.hooks.package)
  timeout          = each.value.timeout
  kms_key_arn      = var.kms_key_arn

  environment {
    variables = each.value.environment
  }

  vpc_config {
    subnet_ids         = var.hooks.subnet_ids
    security_group_ids = aws_security_group.hooks[*].id
  }

  tracing_config {
    mode = "PassThrough"
  }

  depends_on = [aws_cloudwatch_log_group.hook, aws_iam_role_policy.hook]
}
