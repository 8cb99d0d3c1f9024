# Data can be brought back.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name          = "shop-prod"
  account       = "123456789012"
  resource_arns = { files = "arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-0123456789abcdef0" }
}

run "it_is_backed_up_every_day_and_every_week" {
  assert {
    condition     = toset([for rule in aws_backup_plan.this.rule : "${rule.rule_name} ${rule.lifecycle[0].delete_after}"]) == toset(["daily 14", "weekly 56"]) && contains(aws_backup_selection.this.resources, "arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-0123456789abcdef0")
    error_message = "Daily for 14 days and weekly for 56, of what was named."
  }
}

run "the_objectives_are_stated" {
  command = plan
  assert {
    condition     = output.objectives.rpo_minutes == 1440 && output.objectives.rto_minutes == 60
    error_message = "RPO 24 h, RTO 1 h."
  }
}

run "backups_for_less_than_a_week_are_refused" {
  command = plan
  variables {
    retention_days = 3
  }
  expect_failures = [var.retention_days]
}
