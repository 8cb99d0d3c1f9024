output "bucket" {
  description = "The bucket."
  value       = module.bucket.names["tfstate"]
}

output "lock_table" {
  description = "The lock table, where there is one."
  value       = one(aws_dynamodb_table.lock[*].name)
}

output "backend" {
  description = "The lines of a backend.hcl."
  value = merge(
    { bucket = module.bucket.names["tfstate"], encrypt = true, use_lockfile = true },
    var.dynamodb_lock_table ? { dynamodb_table = aws_dynamodb_table.lock[0].name } : {},
  )
}

output "bill" {
  description = "What it is billed for."
  value       = module.bucket.bill
}
