output "arns" {
  description = "Name → ARN."
  value       = module.secrets.arns

  # A task that starts before the value is there fails.
  depends_on = [aws_secretsmanager_secret_version.this]
}

output "bill" {
  description = "What they are billed for."
  value       = module.secrets.bill
}
