# The key rotates and only this account and region use it.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name    = "shop-dev"
  account = "123456789012"
  region  = "us-east-1"
}

run "the_key_rotates_and_is_not_gone_at_once" {
  command = plan
  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key rotates and can be brought back for 30 days."
  }
}

run "services_use_it_only_for_this_account" {
  command = plan
  assert {
    condition     = alltrue([for s in jsondecode(aws_kms_key.this.policy).Statement : s.Sid == "AccountDecides" || length(try(s.Condition, {})) > 0])
    error_message = "Every service statement must be bound to this account by a condition."
  }
}
