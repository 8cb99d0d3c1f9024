# Secrets can be brought back and rotate. That a generated value is in neither plan nor state is shown against the
# simulator (infra/test.sh), since ephemeral resources cannot be mocked.

# The real provider with made-up keys: nothing here calls AWS.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  max_retries                 = 1
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

run "a_secret_that_people_fill_in_gets_no_value_from_here" {
  command = plan
  assert {
    condition     = length(aws_secretsmanager_secret_version.generated) == 0
    error_message = "Only generated secrets get a value."
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
