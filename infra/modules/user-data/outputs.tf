output "user_data" {
  description = "The text for cloud-init."
  value       = local.user_data
}
