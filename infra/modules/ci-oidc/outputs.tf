output "role_arns" {
  description = "plan and apply → role ARN, for the workflow."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}
