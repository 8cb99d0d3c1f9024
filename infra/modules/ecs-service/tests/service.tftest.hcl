# A service that undoes a bad release by itself, that only its load balancer reaches, and that may do little.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name       = "shop-dev-api"
  region     = "us-east-1"
  account    = "123456789012"
  cluster    = { name = "shop-dev", arn = "arn:aws:ecs:us-east-1:123456789012:cluster/shop-dev" }
  vpc_id     = "vpc-0123456789abcdef0"
  subnet_ids = ["subnet-a", "subnet-b"]
  cpu        = 512
  memory     = 1024
  containers = [{
    name    = "api"
    image   = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/api:1.5.0"
    port    = 8080
    secrets = { TAVILY_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tavily-AbCdEf" }
    tmpfs   = ["/tmp"]
  }]
  load_balancers                  = { api = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/0123456789abcdef" }
  load_balancer_security_group_id = "sg-0123456789abcdef0"
  repository_arns                 = ["arn:aws:ecr:us-east-1:123456789012:repository/shop/api"]
  secret_arns                     = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:tavily-AbCdEf"]
  alarm_names                     = ["shop-dev-5xx"]
  scaling                         = { min = 2, desired = 2, max = 10 }
  off_hours                       = { start_cron = "cron(0 7 ? * MON-FRI *)", stop_cron = "cron(0 19 ? * MON-FRI *)", timezone = "Europe/Berlin" }
}

run "a_release_that_fails_is_rolled_back_by_the_circuit_breaker" {
  assert {
    condition     = aws_ecs_service.rolling[0].deployment_circuit_breaker[0].enable && aws_ecs_service.rolling[0].deployment_circuit_breaker[0].rollback
    error_message = "The circuit breaker must be on and roll back."
  }
}

run "an_alarm_rolls_a_release_back" {
  assert {
    condition     = aws_ecs_service.rolling[0].alarms[0].rollback && contains(aws_ecs_service.rolling[0].alarms[0].alarm_names, "shop-dev-5xx")
    error_message = "The deployment must watch its alarms and roll back on them."
  }
}

run "tasks_are_reachable_from_the_load_balancer_only" {
  assert {
    condition     = aws_vpc_security_group_ingress_rule.load_balancer["api"].referenced_security_group_id == "sg-0123456789abcdef0" && aws_vpc_security_group_ingress_rule.load_balancer["api"].cidr_ipv4 == null && !aws_ecs_service.rolling[0].network_configuration[0].assign_public_ip
    error_message = "Tasks take calls from the load balancer's group only and have no public address."
  }
}

run "no_policy_says_every_action" {
  assert {
    condition = alltrue(flatten([
      for s in concat(jsondecode(aws_iam_role_policy.execution.policy).Statement) : [for a in s.Action : !strcontains(a, "*")]
    ]))
    error_message = "Actions are named one by one."
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Sid == "RegistryToken" || !contains(s.Resource, "*")])
    error_message = "Resource * only where AWS knows none: the registry token."
  }
}

run "containers_cannot_write_their_image_or_gain_rights" {
  assert {
    condition = alltrue([
      for c in jsondecode(aws_ecs_task_definition.this.container_definitions) :
      c.readonlyRootFilesystem && c.linuxParameters.capabilities.drop == ["ALL"] && c.logConfiguration.logDriver == "awslogs"
    ])
    error_message = "Every container has a read-only root, no capabilities and a log."
  }
}

run "secrets_are_references" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets[0].valueFrom == "arn:aws:secretsmanager:us-east-1:123456789012:secret:tavily-AbCdEf" && length(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment) == 0
    error_message = "A secret is named by its ARN and its value is in no environment variable."
  }
}

run "logs_are_kept_a_week" {
  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 7
    error_message = "Retention must be 7 days."
  }
}

run "it_scales_on_cpu_at_seventy_percent" {
  assert {
    condition     = aws_appautoscaling_policy.cpu[0].target_tracking_scaling_policy_configuration[0].target_value == 70 && aws_appautoscaling_target.this[0].max_capacity == 10
    error_message = "Target tracking at 70 % CPU up to ten tasks."
  }
}

run "it_is_off_at_night" {
  assert {
    condition     = aws_appautoscaling_scheduled_action.off[0].scalable_target_action[0].max_capacity == "0" && aws_appautoscaling_scheduled_action.on[0].scalable_target_action[0].min_capacity == "2" && aws_appautoscaling_scheduled_action.off[0].timezone == "Europe/Berlin"
    error_message = "Off-hours set the task count to zero, and back."
  }
}

run "the_bill_has_bounds_where_it_scales" {
  assert {
    condition     = output.bill[0].sku == "fargate.linux.x86.vcpu" && output.bill[0].min == 1 && output.bill[0].max == 5 && output.bill[1].quantity == 2
    error_message = "Half a vCPU and a GB: from 2 to 10 tasks."
  }
}

run "spot_and_arm_are_priced_as_such" {
  command = plan
  variables {
    architecture = "ARM64"
    spot         = { spot_weight = 1 }
  }
  assert {
    condition     = output.bill[0].sku == "fargate.linux.arm.vcpu.spot"
    error_message = "Spot on ARM64 has its own price."
  }
}

run "production_on_spot_keeps_a_floor_of_on_demand" {
  command = plan
  variables {
    is_production = true
    off_hours     = null
    spot          = { on_demand_base = 2, on_demand_weight = 1, spot_weight = 3 }
  }
  assert {
    condition     = one([for s in aws_ecs_service.rolling[0].capacity_provider_strategy : s.base if s.capacity_provider == "FARGATE"]) == 2
    error_message = "Two tasks On-Demand, the rest one to three."
  }
}

run "a_task_that_owns_its_data_is_never_there_twice" {
  command = plan
  variables {
    exclusive = true
    scaling   = {}
    off_hours = null
  }
  assert {
    condition     = aws_ecs_service.rolling[0].deployment_maximum_percent == 100 && aws_ecs_service.rolling[0].deployment_minimum_healthy_percent == 0
    error_message = "An exclusive task is stopped before its successor starts."
  }
}

run "codedeploy_owns_what_it_changes" {
  command = plan
  variables {
    deployment = "codedeploy"
  }
  assert {
    condition     = aws_ecs_service.codedeploy[0].deployment_controller[0].type == "CODE_DEPLOY" && length(aws_ecs_service.rolling) == 0
    error_message = "With CodeDeploy the controller is CODE_DEPLOY."
  }
}

run "scaling_out_a_task_that_owns_its_data_is_refused" {
  command = plan
  variables {
    exclusive = true
  }
  expect_failures = [var.exclusive]
}

run "latest_in_production_is_refused" {
  command = plan
  variables {
    is_production = true
    off_hours     = null
    containers    = [{ name = "api", image = "shop/api:latest", port = 8080 }]
  }
  expect_failures = [var.containers]
}

run "an_image_without_a_tag_in_production_is_refused" {
  command = plan
  variables {
    is_production = true
    off_hours     = null
    containers    = [{ name = "api", image = "registry:5000/shop/api", port = 8080 }]
  }
  expect_failures = [var.containers]
}

run "spot_in_production_without_a_fallback_is_refused" {
  command = plan
  variables {
    is_production = true
    off_hours     = null
    spot          = { spot_weight = 1 }
  }
  expect_failures = [var.spot]
}

run "switching_production_off_by_a_clock_is_refused" {
  command = plan
  variables {
    is_production = true
  }
  expect_failures = [var.off_hours]
}

run "memory_that_fargate_does_not_sell_is_refused" {
  command = plan
  variables {
    memory = 512
  }
  expect_failures = [var.memory]
}

run "a_wildcard_action_for_the_program_is_refused" {
  command = plan
  variables {
    task_statements = [{ sid = "All", actions = ["s3:*"], resources = ["arn:aws:s3:::x"] }]
  }
  expect_failures = [var.task_statements]
}
