output "read_only_policy_arn" {
  description = "Look."
  value       = aws_iam_policy.read_only.arn
}

output "operator_policy_arn" {
  description = "Look and change."
  value       = aws_iam_policy.operator.arn
}

output "features" {
  description = "Feature → actions, for documentation."
  value       = { for feature, row in merge(local.read_only, local.operator) : feature => row.actions }
}
