output "backend" {
  description = "The lines of infra/backend.hcl: terraform output -json backend."
  value       = merge(module.state.backend, { region = var.region })
}

output "ci_role_arns" {
  description = "plan and apply → role, for the workflow."
  value       = try(module.ci[0].role_arns, {})
}
