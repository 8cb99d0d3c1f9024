# Two roles: ECS itself (pull this image, write these logs, read these secrets) and the program (what it is given).

locals {
  assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })

  execution_statements = concat(
    [
      {
        Sid    = "Logs"
        Effect = "Allow"
        Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
        # Only this service's group.
        Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
      },
      {
        # AWS knows no resource for it: a registry token is for the whole account.
        Sid      = "RegistryToken"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"]
      },
    ],
    length(var.repository_arns) == 0 ? [] : [{
      Sid      = "Pull"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = var.repository_arns
    }],
    length(var.secret_arns) == 0 ? [] : [{
      Sid      = "Secrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue", "ssm:GetParameters"]
      Resource = var.secret_arns
    }],
    length(var.secret_arns) == 0 || var.kms_key_arn == null ? [] : [{
      Sid      = "SecretsKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = [var.kms_key_arn]
    }],
  )

  task_statements = concat(
    [for s in var.task_statements : { Sid = s.sid, Effect = "Allow", Action = s.actions, Resource = s.resources }],
    [for name, volume in var.volumes : {
      Sid       = "Volume${title(name)}"
      Effect    = "Allow"
      Action    = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
      Resource  = [volume.file_system_arn]
      Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = volume.access_point_arn } }
    }],
    var.exec ? [{
      # AWS knows no resources for a session's channels.
      Sid      = "ExecChannel"
      Effect   = "Allow"
      Action   = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]
      Resource = ["*"]
    }] : [],
    var.exec && var.exec_log_group_arn != null ? [{
      Sid      = "ExecLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = ["${var.exec_log_group_arn}:*"]
    }] : [],
  )
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-tasks"
  role   = aws_iam_role.execution.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.execution_statements })
}

resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy" "task" {
  count = length(var.task_statements) + length(var.volumes) + (var.exec ? 1 : 0) > 0 ? 1 : 0

  name   = "work"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.task_statements })
}
