output "opsconsole" {
  description = "The stack's `opsconsole` output, version 1.0 of the contract."
  value       = local.opsconsole
}
