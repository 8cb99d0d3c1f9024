# Nothing else needs to know about the schedules.

output "schedule_names" {
  description = "The schedules."
  value       = [for name in sort(keys(local.calls)) : "${var.name}-${name}"]
}
