# More tasks under load, none at night outside production.

locals {
  scales = var.deployment != "external" && var.scaling.max > var.scaling.min
  clock  = var.deployment != "external" && var.off_hours != null
}

resource "aws_appautoscaling_target" "this" {
  count = local.scales || local.clock ? 1 : 0

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster.name}/${local.service_name}"
  min_capacity       = var.scaling.min
  max_capacity       = var.scaling.max

  # Off-hours set both to 0 and back.
  lifecycle {
    ignore_changes = [min_capacity, max_capacity]
  }
}

resource "aws_appautoscaling_policy" "cpu" {
  count = local.scales ? 1 : 0

  name               = "${var.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.scaling.cpu
    scale_in_cooldown  = var.scaling.scale_in_wait_s
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

resource "aws_appautoscaling_policy" "memory" {
  count = local.scales ? 1 : 0

  name               = "${var.name}-memory"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.scaling.memory
    scale_in_cooldown  = var.scaling.scale_in_wait_s
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageMemoryUtilization"
    }
  }
}

resource "aws_appautoscaling_policy" "requests" {
  count = local.scales && var.scaling.requests != null ? 1 : 0

  name               = "${var.name}-requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.scaling.requests
    scale_in_cooldown  = var.scaling.scale_in_wait_s
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = var.scaling.resource_label
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "off" {
  count = local.clock ? 1 : 0

  name               = "${var.name}-off"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id
  schedule           = var.off_hours.stop_cron
  timezone           = var.off_hours.timezone

  scalable_target_action {
    min_capacity = 0
    max_capacity = 0
  }
}

resource "aws_appautoscaling_scheduled_action" "on" {
  count = local.clock ? 1 : 0

  name               = "${var.name}-on"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id
  schedule           = var.off_hours.start_cron
  timezone           = var.off_hours.timezone

  scalable_target_action {
    min_capacity = var.scaling.min
    max_capacity = var.scaling.max
  }

  # Application Auto Scaling takes one change of a target at a time.
  depends_on = [aws_appautoscaling_scheduled_action.off]
}
