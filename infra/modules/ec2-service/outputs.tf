output "instance_id" {
  description = "The instance; null with a group."
  value       = one(aws_instance.this[*].id)
}

output "group_name" {
  description = "The Auto Scaling group; null with one instance."
  value       = one(aws_autoscaling_group.this[*].name)
}

output "url" {
  description = "Where the one instance answers; null with a group, which answers at its load balancer."
  value       = local.scales ? null : "http://${aws_instance.this[0].public_ip}:${var.port}"
}

output "security_group_id" {
  description = "The instances' group, for the database that lets them in."
  value       = aws_security_group.this.id
}

output "log_group" {
  description = "The log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "user_data" {
  description = "What cloud-init gets; holds no secret."
  value       = module.user_data.user_data
}

output "systemd_unit" {
  description = "The service."
  value       = "opsconsole-api.service"
}

output "bill" {
  description = "What it is billed for."
  value = [for line in [
    { what = "Instance ${var.instance_type}", sku = "ec2.${var.instance_type}", quantity = try(var.scaling.min, 1), min = try(var.scaling.min, 1), max = try(var.scaling.max, 1), hours_per_month = var.hours_per_month, basis = "configured", reported_by = "platform" },
    { what = "Disk", sku = "ebs.gp3", quantity = var.disk_gb * try(var.scaling.min, 1), min = var.disk_gb * try(var.scaling.min, 1), max = var.disk_gb * try(var.scaling.max, 1), hours_per_month = 730, basis = "configured", reported_by = "terraform" },
    { what = "Public IPv4 of the instance", sku = "ipv4.public", quantity = local.scales ? 0 : 1, min = null, max = null, hours_per_month = var.hours_per_month, basis = "configured", reported_by = "terraform" },
    { what = "Logs, ingestion", sku = "cw.logs.ingest", quantity = var.usage.log_gb, min = null, max = null, hours_per_month = 730, basis = "assumed: usage.log_gb", reported_by = "terraform" },
    { what = "Data to the internet", sku = "dt.out", quantity = var.usage.data_out_gb, min = null, max = null, hours_per_month = 730, basis = "assumed: usage.data_out_gb", reported_by = "terraform" },
    { what = "Detailed monitoring, metrics", sku = "cw.custom.metric", quantity = 7 * try(var.scaling.min, 1), min = null, max = null, hours_per_month = 730, basis = "configured: 7 metrics an instance", reported_by = "terraform" },
  ] : line]
}
