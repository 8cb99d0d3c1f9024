# Blue/green, linear and canary by ECS itself: no CodeDeploy, the same circuit breaker and alarms, and the console sees
# it through the ECS calls it makes anyway. Needs provider 6.21 or newer (blue/green came with 6.4, linear and canary with 6.21).

resource "aws_iam_role" "shift" {
  name = "${var.name}-shift"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "shift" {
  role       = aws_iam_role.shift.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"
}

resource "aws_iam_role_policy" "hooks" {
  count = length(var.hook_arns) > 0 ? 1 : 0

  name = "hooks"
  role = aws_iam_role.shift.id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "Hooks", Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = keys(var.hook_arns) }]
  })
}

resource "aws_ecs_service" "this" {
  name                              = var.name
  cluster                           = var.cluster.arn
  task_definition                   = var.task_definition_arn
  desired_count                     = var.desired
  launch_type                       = "FARGATE"
  propagate_tags                    = "SERVICE"
  enable_ecs_managed_tags           = true
  health_check_grace_period_seconds = 60

  deployment_configuration {
    strategy             = var.strategy
    bake_time_in_minutes = var.bake_minutes

    dynamic "linear_configuration" {
      for_each = var.strategy == "LINEAR" ? [1] : []
      content {
        step_percent              = var.step_percent
        step_bake_time_in_minutes = var.step_minutes
      }
    }

    dynamic "canary_configuration" {
      for_each = var.strategy == "CANARY" ? [1] : []
      content {
        canary_percent              = var.step_percent
        canary_bake_time_in_minutes = var.step_minutes
      }
    }

    dynamic "lifecycle_hook" {
      for_each = var.hook_arns
      content {
        hook_target_arn  = lifecycle_hook.key
        role_arn         = aws_iam_role.shift.arn
        lifecycle_stages = lifecycle_hook.value
      }
    }
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "alarms" {
    for_each = length(var.alarm_names) > 0 ? [var.alarm_names] : []
    content {
      alarm_names = alarms.value
      enable      = true
      rollback    = true
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = var.blue_target_group_arn
    container_name   = var.container.name
    container_port   = var.container.port

    advanced_configuration {
      alternate_target_group_arn = var.green_target_group_arn
      production_listener_rule   = var.production_rule_arn
      test_listener_rule         = var.test_rule_arn
      role_arn                   = aws_iam_role.shift.arn
    }
  }

  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }

  depends_on = [aws_iam_role_policy_attachment.shift]
}
