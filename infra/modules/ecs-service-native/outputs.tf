output "name" {
  description = "The service."
  value       = aws_ecs_service.this.name
}

output "deployment" {
  description = "For the contract."
  value       = "native"
}
