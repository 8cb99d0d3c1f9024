# One service on Fargate: n containers, rolled out by ECS with circuit breaker and alarms, or by CodeDeploy.

locals {
  primary = var.containers[0].name
  by_name = { for c in var.containers : c.name => c }

  definitions = [for c in var.containers : {
    for key, value in {
      name                   = c.name
      image                  = c.image
      essential              = c.essential
      cpu                    = c.cpu
      memory                 = c.memory
      entryPoint             = c.entry_point
      command                = c.command
      user                   = c.user
      readonlyRootFilesystem = c.read_only_root
      stopTimeout            = c.stop_timeout
      environment            = [for name in sort(keys(c.environment)) : { name = name, value = c.environment[name] }]
      secrets                = [for name in sort(keys(c.secrets)) : { name = name, valueFrom = c.secrets[name] }]
      portMappings           = c.port == null ? [] : [{ containerPort = c.port, hostPort = c.port, protocol = "tcp" }]
      mountPoints = concat(
        [for volume in sort(keys(c.mounts)) : { sourceVolume = volume, containerPath = c.mounts[volume], readOnly = false }],
        [for path in c.tmpfs : { sourceVolume = "scratch", containerPath = path, readOnly = false }],
      )
      dependsOn   = [for name in sort(keys(c.after)) : { containerName = name, condition = c.after[name] }]
      healthCheck = c.health_command == null ? null : { command = c.health_command, interval = 15, timeout = 5, retries = 3, startPeriod = c.health_start_wait }
      linuxParameters = {
        initProcessEnabled = true
        capabilities       = { add = [], drop = ["ALL"] }
      }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = aws_cloudwatch_log_group.this.name
          "awslogs-region"        = var.region
          "awslogs-stream-prefix" = c.name
        }
      }
    } : key => value if value != null
  }]

  # Spot only where it is asked for; without it the service has a launch type instead of a strategy.
  on_demand = var.spot.on_demand_base + var.spot.on_demand_weight > 0
  strategy = { for provider, share in {
    FARGATE_SPOT = { base = 0, weight = var.spot.spot_weight, when = var.spot.spot_weight > 0 }
    FARGATE      = { base = var.spot.on_demand_base, weight = var.spot.on_demand_weight, when = var.spot.spot_weight > 0 && local.on_demand }
  } : provider => share if share.when }

  service_name = one(concat(aws_ecs_service.rolling[*].name, aws_ecs_service.codedeploy[*].name, var.deployment == "external" ? [var.name] : []))
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:seven days are what the documents ask for; the retention is a variable
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode(local.definitions)

  # Old revisions stay registered: they are what a rollback goes to.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  dynamic "ephemeral_storage" {
    for_each = var.ephemeral_gb > 20 ? [var.ephemeral_gb] : []
    content {
      size_in_gib = ephemeral_storage.value
    }
  }

  dynamic "volume" {
    for_each = length(flatten(var.containers[*].tmpfs)) > 0 ? ["scratch"] : []
    content {
      name = volume.value
    }
  }

  dynamic "volume" {
    for_each = var.volumes
    content {
      name = volume.key
      efs_volume_configuration {
        file_system_id     = volume.value.file_system_id
        transit_encryption = "ENABLED"
        authorization_config {
          access_point_id = volume.value.access_point_id
          iam             = "ENABLED"
        }
      }
    }
  }
}

# Terraform makes the service; people and pipelines roll out revisions with `opsconsole deploy` (ADR 0105). So both
# resources ignore what a rollout changes: otherwise the next apply would silently roll production back.
resource "aws_ecs_service" "rolling" {
  count = var.deployment == "rolling" ? 1 : 0

  name                    = var.name
  cluster                 = var.cluster.arn
  task_definition         = aws_ecs_task_definition.this.arn
  desired_count           = var.scaling.desired
  launch_type             = var.spot.spot_weight == 0 ? "FARGATE" : null
  platform_version        = "LATEST"
  propagate_tags          = "SERVICE"
  enable_ecs_managed_tags = true
  enable_execute_command  = var.exec

  # One task that owns its data is stopped before its successor starts.
  deployment_minimum_healthy_percent = var.exclusive ? 0 : 100
  deployment_maximum_percent         = var.exclusive ? 100 : 200
  health_check_grace_period_seconds  = length(var.load_balancers) > 0 ? 60 : null

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "alarms" {
    for_each = length(var.alarm_names) > 0 ? [var.alarm_names] : []
    content {
      alarm_names = alarms.value
      enable      = true
      rollback    = true
    }
  }

  dynamic "capacity_provider_strategy" {
    for_each = local.strategy
    content {
      capacity_provider = capacity_provider_strategy.key
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = var.load_balancers
    content {
      target_group_arn = load_balancer.value
      container_name   = load_balancer.key
      container_port   = local.by_name[load_balancer.key].port
    }
  }

  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }

  depends_on = [aws_iam_role_policy.execution, aws_iam_role_policy.task]
}

resource "aws_ecs_service" "codedeploy" {
  count = var.deployment == "codedeploy" ? 1 : 0

  name                              = var.name
  cluster                           = var.cluster.arn
  task_definition                   = aws_ecs_task_definition.this.arn
  desired_count                     = var.scaling.desired
  launch_type                       = var.spot.spot_weight == 0 ? "FARGATE" : null
  platform_version                  = "LATEST"
  propagate_tags                    = "SERVICE"
  enable_ecs_managed_tags           = true
  enable_execute_command            = var.exec
  health_check_grace_period_seconds = length(var.load_balancers) > 0 ? 60 : null

  deployment_controller {
    type = "CODE_DEPLOY"
  }

  dynamic "capacity_provider_strategy" {
    for_each = local.strategy
    content {
      capacity_provider = capacity_provider_strategy.key
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = var.load_balancers
    content {
      target_group_arn = load_balancer.value
      container_name   = load_balancer.key
      container_port   = local.by_name[load_balancer.key].port
    }
  }

  lifecycle {
    # CodeDeploy moves the target group and the revision.
    ignore_changes = [task_definition, desired_count, load_balancer, network_configuration, capacity_provider_strategy]
  }

  depends_on = [aws_iam_role_policy.execution, aws_iam_role_policy.task]
}
