# What is switched off is switched on again, and the role can switch nothing else.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name                 = "shop-dev"
  account              = "123456789012"
  region               = "us-east-1"
  off_hours            = { start_cron = "cron(0 7 ? * MON-FRI *)", stop_cron = "cron(0 19 ? * MON-FRI *)", timezone = "Etc/UTC" }
  instance_ids         = { app = "i-0123456789abcdef0" }
  database_identifiers = { db = "shop-dev" }
}

run "everything_that_stops_starts_again" {
  command = plan
  assert {
    condition     = length(aws_scheduler_schedule.this) == 4 && alltrue([for name in ["app", "db"] : aws_scheduler_schedule.this["${name}-stop"].schedule_expression == "cron(0 19 ? * MON-FRI *)" && aws_scheduler_schedule.this["${name}-start"].schedule_expression == "cron(0 7 ? * MON-FRI *)"])
    error_message = "Each instance and database has a stop and a start."
  }
}

run "the_clock_can_switch_these_only" {
  command = plan
  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : !contains(s.Resource, "*")])
    error_message = "The role names each instance and database."
  }
}
