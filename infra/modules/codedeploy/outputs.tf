output "application" {
  description = "The CodeDeploy application."
  value       = aws_codedeploy_app.this.name
}

output "deployment_group" {
  description = "The deployment group."
  value       = aws_codedeploy_deployment_group.this.deployment_group_name
}

output "hook_names" {
  description = "Hook → Lambda, for appspec files."
  value       = { for name, hook in aws_lambda_function.hook : name => hook.function_name }
}
