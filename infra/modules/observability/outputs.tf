output "topic_arn" {
  description = "Where alarms go."
  value       = aws_sns_topic.alarms.arn
}

output "alarm_names" {
  description = "All alarms; known in a first plan, so that a service can name them."
  value       = local.alarm_names
}

output "deployment_alarm_names" {
  description = "The alarms that a bad release sets off: those that roll it back."
  value       = [for name in local.alarm_names : name if endswith(name, "-error-rate") || endswith(name, "-response-time")]

  # ECS and CodeDeploy refuse an alarm that is not there yet.
  depends_on = [aws_cloudwatch_metric_alarm.simple, aws_cloudwatch_metric_alarm.maths]
}

output "dashboard_url" {
  description = "The dashboard."
  value       = var.dashboard ? "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${var.name}" : null
}

output "bill" {
  description = "What it is billed for. An alarm on metric maths is billed per metric: three each."
  value = concat(
    [{ what = "Alarms", sku = "cw.alarm.standard", quantity = length(local.simple) + length(local.maths) * length(local.math_metrics), basis = "configured: ${length(local.alarm_names)} alarms, ${length(local.maths)} of them over ${length(local.math_metrics)} metrics", reported_by = "platform" }],
    var.dashboard ? [{ what = "Dashboard", sku = "cw.dashboard", quantity = 1, basis = "configured" }] : [],
    var.has_error_log_group ? [{ what = "Error-line metric", sku = "cw.custom.metric", quantity = 1, basis = "configured" }] : [],
  )
}
