output "opsconsole" {
  description = "What the console needs to know: opsconsole init --from-terraform reads it (docs/reference/terraform-contract.md)."
  value       = module.contract.opsconsole
}

output "url" {
  description = "Where it answers."
  value       = local.url
}

output "state_key" {
  description = "Where this environment's state belongs."
  value       = module.context.state_key
}
