output "names" {
  description = "Name → bucket."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.id }

  # A load balancer checks that it may write before it takes the bucket.
  depends_on = [aws_s3_bucket_policy.this]
}

output "arns" {
  description = "Name → ARN."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.arn }
}

output "bill" {
  description = "What they are billed for."
  value       = [{ what = "Object storage", sku = "s3.standard", quantity = length(var.buckets) * var.usage.stored_gb, basis = "assumed: ${length(var.buckets)} buckets of ${var.usage.stored_gb} GB" }]
}
