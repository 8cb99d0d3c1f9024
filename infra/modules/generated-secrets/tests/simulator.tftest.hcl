# Needs an AWS to talk to: infra/test.sh runs it against the simulator.

variables {
  name    = "shop-dev"
  secrets = { postgres = "Database password" }
}

run "a_generated_value_is_in_no_state" {
  assert {
    condition     = aws_secretsmanager_secret_version.this["postgres"].secret_string == "" && startswith(module.secrets.arns["postgres"], "arn:aws:secretsmanager:")
    error_message = "The secret has a value, and the state has none of it."
  }
}
