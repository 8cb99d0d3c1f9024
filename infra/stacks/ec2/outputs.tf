output "opsconsole" {
  description = "What the console needs to know: opsconsole init --from-terraform reads it (docs/reference/terraform-contract.md)."
  value       = module.contract.opsconsole
}

output "app_url" {
  description = "Where it answers."
  value       = local.url
}

output "rds_endpoint" {
  description = "The database's host and port."
  value       = module.database.endpoint
}

output "instance_id" {
  description = "The instance, for scripts/ssh.sh; null with a group."
  value       = module.service.instance_id
}

output "artifacts_bucket" {
  description = "Where scripts/deploy.sh puts releases."
  value       = module.buckets.names["artifacts"]
}

output "user_data" {
  description = "What cloud-init gets; holds no secret."
  value       = module.service.user_data
}

output "state_key" {
  description = "Where this environment's state belongs."
  value       = module.context.state_key
}
