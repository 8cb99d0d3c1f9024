# Blue/green by CodeDeploy: requests move gradually, alarms move them back, the old tasks wait before they go.

locals {
  configurations = {
    all-at-once                       = "CodeDeployDefault.ECSAllAtOnce"
    canary-10-percent-5-minutes       = "CodeDeployDefault.ECSCanary10Percent5Minutes"
    canary-10-percent-15-minutes      = "CodeDeployDefault.ECSCanary10Percent15Minutes"
    linear-10-percent-every-1-minute  = "CodeDeployDefault.ECSLinear10PercentEvery1Minutes"
    linear-10-percent-every-3-minutes = "CodeDeployDefault.ECSLinear10PercentEvery3Minutes"
  }
}

resource "aws_iam_role" "this" {
  name = "${var.name}-codedeploy"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "codedeploy.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

# AWS's own AWSCodeDeployRoleForECS may call every Lambda and read every bucket: this names what is needed.
resource "aws_iam_role_policy" "this" {
  name = "shift-traffic"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Service"
          Effect   = "Allow"
          Action   = ["ecs:DescribeServices", "ecs:CreateTaskSet", "ecs:UpdateServicePrimaryTaskSet", "ecs:DeleteTaskSet"]
          Resource = ["arn:aws:ecs:${var.region}:${var.account}:service/${var.cluster_name}/${var.service_name}", "arn:aws:ecs:${var.region}:${var.account}:task-set/${var.cluster_name}/${var.service_name}/*"]
        },
        {
          # Elastic Load Balancing and CloudWatch know no resources for their Describe calls.
          Sid      = "Look"
          Effect   = "Allow"
          Action   = ["elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeRules", "cloudwatch:DescribeAlarms"]
          Resource = ["*"]
        },
        {
          Sid      = "Shift"
          Effect   = "Allow"
          Action   = ["elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule"]
          Resource = [var.listener_arn, var.test_listener_arn, "${replace(var.listener_arn, ":listener/", ":listener-rule/")}/*"]
        },
        {
          Sid       = "PassRoles"
          Effect    = "Allow"
          Action    = ["iam:PassRole"]
          Resource  = var.role_arns
          Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
        },
      ],
      var.hooks == null ? [] : [{
        Sid      = "Hooks"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [for hook in aws_lambda_function.hook : hook.arn]
      }],
    )
  })
}

resource "aws_codedeploy_app" "this" {
  name             = var.name
  compute_platform = "ECS"
}

resource "aws_codedeploy_deployment_group" "this" {
  app_name               = aws_codedeploy_app.this.name
  deployment_group_name  = var.name
  service_role_arn       = aws_iam_role.this.arn
  deployment_config_name = local.configurations[var.traffic]

  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }

  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]
  }

  alarm_configuration {
    enabled = length(var.alarm_names) > 0
    alarms  = var.alarm_names
  }

  blue_green_deployment_config {
    deployment_ready_option {
      action_on_timeout = "CONTINUE_DEPLOYMENT"
    }

    terminate_blue_instances_on_deployment_success {
      action                           = "TERMINATE"
      termination_wait_time_in_minutes = var.termination_wait_minutes
    }
  }

  ecs_service {
    cluster_name = var.cluster_name
    service_name = var.service_name
  }

  load_balancer_info {
    target_group_pair_info {
      prod_traffic_route {
        listener_arns = [var.listener_arn]
      }

      test_traffic_route {
        listener_arns = [var.test_listener_arn]
      }

      target_group {
        name = var.target_group_names[0]
      }

      target_group {
        name = var.target_group_names[1]
      }
    }
  }
}
