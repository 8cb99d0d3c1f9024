# The cluster reports itself and knows Spot.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name = "shop-dev"
}

run "container_insights_are_on_and_billed" {
  command = plan
  assert {
    condition     = one([for setting in aws_ecs_cluster.this.setting : setting.value if setting.name == "containerInsights"]) == "enabled" && output.bill[0].sku == "cw.custom.metric"
    error_message = "Container Insights must be on, and its metrics on the bill."
  }
}

run "fargate_and_spot_are_both_there" {
  command = plan
  assert {
    condition     = toset(aws_ecs_cluster_capacity_providers.this.capacity_providers) == toset(["FARGATE", "FARGATE_SPOT"])
    error_message = "Both capacity providers must be attached."
  }
}

run "commands_run_in_containers_are_logged" {
  command = plan
  assert {
    condition     = aws_ecs_cluster.this.configuration[0].execute_command_configuration[0].logging == "OVERRIDE" && aws_cloudwatch_log_group.exec.retention_in_days == 7
    error_message = "ECS exec sessions go to a log group that keeps a week."
  }
}
