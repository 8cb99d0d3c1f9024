# The state is locked while someone writes it, and old versions can be brought back.

mock_provider "aws" {
  source = "../../mocks/aws"

  mock_data "aws_elb_service_account" {
    defaults = { arn = "arn:aws:iam::127311923021:root" }
  }
}

variables {
  name    = "shop"
  account = "123456789012"
}

run "the_state_is_encrypted_and_locked_by_a_file" {
  assert {
    condition     = output.backend.encrypt && output.backend.use_lockfile && !can(output.backend.dynamodb_table)
    error_message = "encrypt and use_lockfile, no table unless asked for."
  }
}

run "a_lock_table_is_there_when_asked_for" {
  assert {
    condition     = length(aws_dynamodb_table.lock) == 1 && aws_dynamodb_table.lock[0].hash_key == "LockID" && aws_dynamodb_table.lock[0].point_in_time_recovery[0].enabled
    error_message = "The table is keyed by LockID."
  }
  variables {
    dynamodb_lock_table = true
  }
}
