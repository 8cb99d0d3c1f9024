# Secrets can be brought back, rotate, and get no value from a variable.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name = "shop-dev"
  secrets = {
    postgres = { description = "Database password" }
    tavily   = { description = "Search API key" }
  }
}

run "a_deleted_secret_can_be_brought_back" {
  command = plan
  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.recovery_window_in_days >= 7])
    error_message = "Secrets are recoverable for at least seven days."
  }
}

run "rotation_is_every_thirty_days" {
  command = plan
  variables {
    rotation = { postgres = { lambda_arn = "arn:aws:lambda:us-east-1:123456789012:function:rotate" } }
  }
  assert {
    condition     = aws_secretsmanager_secret_rotation.this["postgres"].rotation_rules[0].automatically_after_days == 30
    error_message = "Rotation is every 30 days unless said otherwise."
  }
}

run "rotating_what_does_not_exist_is_refused" {
  command = plan
  variables {
    rotation = { nobody = { lambda_arn = "arn:aws:lambda:us-east-1:123456789012:function:rotate" } }
  }
  expect_failures = [var.rotation]
}
