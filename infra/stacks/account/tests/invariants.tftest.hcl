# State is encrypted and locked, and a pipeline gets a role only when someone says which repository.

mock_provider "aws" {
  source = "../../mocks/aws"

  mock_data "aws_elb_service_account" {
    defaults = { arn = "arn:aws:iam::127311923021:root" }
  }
}

variables {
  name       = "shop"
  region     = "us-east-1"
  account_id = "123456789012"
}

run "state_is_encrypted_and_locked_and_no_pipeline_has_a_role_by_default" {
  assert {
    condition     = output.backend.encrypt && output.backend.use_lockfile && length(output.ci_role_arns) == 0
    error_message = "encrypt, use_lockfile, no roles."
  }
}
