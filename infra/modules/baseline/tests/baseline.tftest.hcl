# Who did what can be told, and that the telling was not altered.

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

run "every_region_is_on_the_trail_and_the_trail_cannot_be_altered_unseen" {
  command = plan
  assert {
    condition     = aws_cloudtrail.this.is_multi_region_trail && aws_cloudtrail.this.enable_log_file_validation && aws_cloudtrail.this.include_global_service_events
    error_message = "The trail covers every region and validates its files."
  }
}

run "threats_are_looked_for" {
  command = plan
  assert {
    condition     = aws_guardduty_detector.this[0].enable && aws_ebs_encryption_by_default.this.enabled && aws_s3_account_public_access_block.this.restrict_public_buckets
    error_message = "GuardDuty, disk encryption by default and the account's public access block."
  }
}

run "a_trail_of_a_month_is_refused" {
  command = plan
  variables {
    trail_days = 30
  }
  expect_failures = [var.trail_days]
}
