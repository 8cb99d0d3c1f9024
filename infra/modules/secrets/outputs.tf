output "arns" {
  description = "Name → ARN."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}

output "bill" {
  description = "What they are billed for."
  value       = [{ what = "Secrets", sku = "secret", quantity = length(var.secrets), basis = "configured: ${join(", ", keys(var.secrets))}" }]
}
