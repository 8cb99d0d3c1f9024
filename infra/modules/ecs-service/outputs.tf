output "name" {
  description = "The service."
  value       = local.service_name
}

output "container" {
  description = "The container that carries the release."
  value       = local.primary
}

output "container_port" {
  description = "Its port."
  value       = var.containers[0].port
}

output "task_family" {
  description = "The task definition's family."
  value       = aws_ecs_task_definition.this.family
}

output "task_definition_arn" {
  description = "The revision that Terraform registered."
  value       = aws_ecs_task_definition.this.arn
}

output "security_group_id" {
  description = "The tasks' group, for databases and file systems that let them in."
  value       = aws_security_group.this.id
}

output "execution_role_arn" {
  description = "The role that starts tasks."
  value       = aws_iam_role.execution.arn
}

output "task_role_arn" {
  description = "The program's role."
  value       = aws_iam_role.task.arn
}

output "log_group" {
  description = "The log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "deployment" {
  description = "Who rolls out."
  value       = var.deployment
}

output "bill" {
  description = "What it is billed for. CPU and memory are reported by the platform too, so that a reader can count them once."
  value = concat(
    [for part in [
      { what = "vCPU", key = "vcpu", each = var.cpu / 1024 },
      { what = "GB", key = "gb", each = var.memory / 1024 },
      ] : {
      what            = "Fargate ${part.what} of ${var.name}, ${var.scaling.desired} × ${part.each}${var.spot.spot_weight > 0 ? ", Spot" : ""}"
      sku             = "fargate.linux.${var.architecture == "ARM64" ? "arm" : "x86"}.${part.key}${var.spot.spot_weight > 0 && var.spot.on_demand_base + var.spot.on_demand_weight == 0 ? ".spot" : ""}"
      quantity        = part.each * var.scaling.desired
      min             = part.each * var.scaling.min
      max             = part.each * var.scaling.max
      hours_per_month = var.hours_per_month
      basis           = "task definition × task count"
      reported_by     = "platform"
    }],
    var.ephemeral_gb <= 20 ? [] : [{
      what            = "Fargate scratch space above 20 GB"
      sku             = "fargate.ephemeral.over20gb"
      quantity        = (var.ephemeral_gb - 20) * var.scaling.desired
      min             = (var.ephemeral_gb - 20) * var.scaling.min
      max             = (var.ephemeral_gb - 20) * var.scaling.max
      hours_per_month = var.hours_per_month
      basis           = "task definition × task count"
      reported_by     = "platform"
    }],
    [
      { what = "Logs of ${var.name}, ingestion", sku = "cw.logs.ingest", quantity = var.usage.log_gb, min = null, max = null, hours_per_month = 730, basis = "assumed: usage.log_gb", reported_by = "platform" },
      { what = "Logs of ${var.name}, storage", sku = "cw.logs.store", quantity = var.usage.log_gb * min(1, var.log_retention_days / 30), min = null, max = null, hours_per_month = 730, basis = "assumed: usage.log_gb kept ${var.log_retention_days} days", reported_by = "platform" },
    ],
  )
}
