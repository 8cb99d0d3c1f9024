output "volumes" {
  description = "Access point → what ecs-service's `volumes` takes."
  value = {
    for name, point in aws_efs_access_point.this : name => {
      file_system_id   = aws_efs_file_system.this.id
      file_system_arn  = aws_efs_file_system.this.arn
      access_point_id  = point.id
      access_point_arn = point.arn
    }
  }
}

output "arn" {
  description = "The file system, for backup plans."
  value       = aws_efs_file_system.this.arn
}

output "mount_target_ids" {
  description = "What must be there before a task starts."
  value       = aws_efs_mount_target.this[*].id
}

output "bill" {
  description = "What it is billed for."
  value = concat(
    [{ what = "Shared files", sku = "efs.standard", quantity = var.usage.stored_gb, basis = "assumed: usage.stored_gb" }],
    var.throughput_mode != "elastic" ? [] : [
      { what = "Shared files, read", sku = "efs.elastic.read", quantity = var.usage.read_gb, basis = "assumed: usage.read_gb" },
      { what = "Shared files, written", sku = "efs.elastic.write", quantity = var.usage.write_gb, basis = "assumed: usage.write_gb" },
    ],
  )
}
