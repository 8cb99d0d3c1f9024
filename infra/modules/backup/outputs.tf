output "vault" {
  description = "The vault."
  value       = aws_backup_vault.this.name
}

output "role_arn" {
  description = "The role for restores."
  value       = aws_iam_role.this.arn
}

output "objectives" {
  description = "What is promised, in minutes: how much may be lost, how long bringing it back may take."
  value       = { rpo_minutes = 1440, rto_minutes = 60 }
}

output "bill" {
  description = "What it is billed for. The price book has no price for AWS Backup's storage of file systems."
  value       = [{ what = "Backups", sku = "backup.efs.warm", quantity = var.usage.stored_gb, basis = "assumed: usage.stored_gb" }]
}
