# Runs only where a registry answers: the strategies need a 6.x provider.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name                   = "shop-prod-api"
  account                = "123456789012"
  cluster                = { name = "shop-prod", arn = "arn:aws:ecs:us-east-1:123456789012:cluster/shop-prod" }
  task_definition_arn    = "arn:aws:ecs:us-east-1:123456789012:task-definition/api:1"
  container              = { name = "api", port = 8000 }
  subnet_ids             = ["subnet-a", "subnet-b"]
  security_group_id      = "sg-0123456789abcdef0"
  blue_target_group_arn  = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/blue/0123456789abcdef"
  green_target_group_arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/green/0123456789abcdef"
  production_rule_arn    = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/x/0123456789abcdef/0123456789abcdef/0123456789abcdef"
}

run "a_canary_gets_a_tenth_and_a_failure_rolls_back" {
  command = plan
  assert {
    condition     = aws_ecs_service.this.deployment_configuration[0].canary_configuration[0].canary_percent == 10 && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "Canary of 10 % with the circuit breaker on."
  }
}

run "the_old_tasks_wait_half_an_hour" {
  command = plan
  variables {
    strategy = "BLUE_GREEN"
  }
  assert {
    condition     = aws_ecs_service.this.deployment_configuration[0].strategy == "BLUE_GREEN" && aws_ecs_service.this.deployment_configuration[0].bake_time_in_minutes == "30"
    error_message = "Blue/green bakes for 30 minutes."
  }
}

run "ending_the_old_tasks_at_once_is_refused" {
  command = plan
  variables {
    bake_minutes = 0
  }
  expect_failures = [var.bake_minutes]
}
