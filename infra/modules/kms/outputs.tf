output "arn" {
  description = "The key."
  value       = aws_kms_key.this.arn

  depends_on = [aws_kms_alias.this]
}

output "bill" {
  description = "What it is billed for."
  value       = [{ what = "Encryption key", sku = "kms.key", quantity = 1, basis = "configured" }]
}
