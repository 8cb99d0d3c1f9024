output "arn" {
  description = "The cluster."
  value       = aws_ecs_cluster.this.arn

  depends_on = [aws_ecs_cluster_capacity_providers.this]
}

output "name" {
  description = "Its name."
  value       = aws_ecs_cluster.this.name
}

output "exec_log_group_arn" {
  description = "The log group of commands run in containers."
  value       = aws_cloudwatch_log_group.exec.arn
}

output "bill" {
  description = "What it is billed for."
  value = var.container_insights == "disabled" ? [] : [{
    what     = "Container Insights (${var.container_insights}), metrics"
    sku      = var.container_insights == "enhanced" ? "cw.ci.enhanced" : "cw.custom.metric"
    quantity = var.usage.insights_metrics
    basis    = "assumed: usage.insights_metrics"
  }]
}
