output "security_group_id" {
  description = "The tasks' group, for the database that lets them in."
  value       = module.service.security_group_id
}

output "log_group" {
  description = "The log group."
  value       = module.service.log_group
}

output "bill" {
  description = "What it is billed for. The console watches another service, so these lines are the bill's alone."
  value       = [for line in module.service.bill : merge(line, { reported_by = "terraform" })]
}
