output "endpoint" {
  description = "Host and port."
  value       = aws_db_instance.this.endpoint
}

output "address" {
  description = "Host."
  value       = aws_db_instance.this.address
}

output "identifier" {
  description = "The instance's name, for alarms and schedules."
  value       = aws_db_instance.this.identifier
}

output "arn" {
  description = "The instance, for backup plans."
  value       = aws_db_instance.this.arn
}

output "secret_arn" {
  description = "The secret with `username` and `password`, rotated by RDS every seven days."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "url" {
  description = "The database's URL without a password: programs take it from PGPASSWORD."
  value       = "postgres://${var.username}@${aws_db_instance.this.endpoint}/${var.database}?sslmode=require"
}

output "bill" {
  description = "What it is billed for. A standby doubles instance and storage."
  value = [
    { what = "Database ${var.instance_class}${local.multi_az ? ", two zones" : ""}", sku = "rds.pg.${var.instance_class}", quantity = local.multi_az ? 2 : 1, hours_per_month = var.hours_per_month, basis = "configured" },
    { what = "Database storage", sku = "rds.gp2gp3", quantity = var.storage_gb * (local.multi_az ? 2 : 1), hours_per_month = 730, basis = "configured" },
    { what = "Database backups", sku = "rds.backup", quantity = var.usage.backup_gb, hours_per_month = 730, basis = "assumed: usage.backup_gb beyond the free ${var.storage_gb} GB" },
    { what = "Database password", sku = "secret", quantity = 1, hours_per_month = 730, basis = "made by RDS" },
  ]
}
