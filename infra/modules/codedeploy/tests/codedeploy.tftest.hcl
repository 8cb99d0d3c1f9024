# Requests move gradually, move back by themselves, and the old tasks wait.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name               = "shop-prod"
  account            = "123456789012"
  region             = "us-east-1"
  cluster_name       = "shop-prod"
  service_name       = "shop-prod-api"
  listener_arn       = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shop/0123456789abcdef/0123456789abcdef"
  test_listener_arn  = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shop/0123456789abcdef/fedcba9876543210"
  target_group_names = ["blue", "green"]
  role_arns          = ["arn:aws:iam::123456789012:role/task"]
  alarm_names        = ["shop-prod-error-rate"]
}

run "a_failed_deployment_and_an_alarm_both_roll_back" {
  command = plan
  assert {
    condition     = aws_codedeploy_deployment_group.this.auto_rollback_configuration[0].enabled && length(setsubtract(["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"], aws_codedeploy_deployment_group.this.auto_rollback_configuration[0].events)) == 0 && aws_codedeploy_deployment_group.this.alarm_configuration[0].enabled
    error_message = "Auto-rollback on failure and on alarms."
  }
}

run "requests_move_gradually" {
  command = plan
  assert {
    condition     = aws_codedeploy_deployment_group.this.deployment_config_name == "CodeDeployDefault.ECSLinear10PercentEvery1Minutes"
    error_message = "Ten percent a minute unless said otherwise."
  }
}

run "the_old_tasks_wait_half_an_hour_and_then_go" {
  command = plan
  assert {
    condition     = aws_codedeploy_deployment_group.this.blue_green_deployment_config[0].terminate_blue_instances_on_deployment_success[0].termination_wait_time_in_minutes == 30 && aws_codedeploy_deployment_group.this.blue_green_deployment_config[0].terminate_blue_instances_on_deployment_success[0].action == "TERMINATE"
    error_message = "Blue tasks end 30 minutes after the switch."
  }
}

run "it_may_touch_this_service_only" {
  command = plan
  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Sid == "Look" || !contains(s.Resource, "*")])
    error_message = "Only the Describe calls may name all resources."
  }
}

run "ending_the_old_tasks_at_once_is_refused" {
  command = plan
  variables {
    termination_wait_minutes = 0
  }
  expect_failures = [var.termination_wait_minutes]
}

run "a_hook_package_that_was_not_built_is_refused" {
  command = plan
  variables {
    hooks = { package = "/nonexistent.zip", subnet_ids = ["subnet-a"], vpc_id = "vpc-0123456789abcdef0", test_url = "https://x:8443/health", task_family = "api", container = "api", security_group_ids = ["sg-0123456789abcdef0"] }
  }
  expect_failures = [var.hooks]
}
