output "urls" {
  description = "Image → repository URL."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "arns" {
  description = "Image → repository ARN."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}

output "bill" {
  description = "What they are billed for."
  value       = [{ what = "Images", sku = "ecr.storage", quantity = length(var.repositories) * var.keep * var.usage.image_gb, basis = "assumed: ${var.keep} images of ${var.usage.image_gb} GB each" }]
}
