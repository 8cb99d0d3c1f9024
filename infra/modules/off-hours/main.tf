# Switches instances and databases off at night and on in the morning, without a program of our own: EventBridge
# Scheduler makes the calls itself.

locals {
  calls = merge(concat([
    for name, id in var.instance_ids : {
      "${name}-stop"  = { when = var.off_hours.stop_cron, call = "ec2:stopInstances", input = jsonencode({ InstanceIds = [id] }) }
      "${name}-start" = { when = var.off_hours.start_cron, call = "ec2:startInstances", input = jsonencode({ InstanceIds = [id] }) }
    }
    ], [
    for name, id in var.database_identifiers : {
      "${name}-stop"  = { when = var.off_hours.stop_cron, call = "rds:stopDBInstance", input = jsonencode({ DbInstanceIdentifier = id }) }
      "${name}-start" = { when = var.off_hours.start_cron, call = "rds:startDBInstance", input = jsonencode({ DbInstanceIdentifier = id }) }
    }
  ])...)
}

resource "aws_iam_role" "this" {
  name = "${var.name}-off-hours"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "switch"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for s in [
      {
        when     = length(var.instance_ids) > 0
        Sid      = "Instances"
        Action   = ["ec2:StartInstances", "ec2:StopInstances"]
        Resource = [for id in values(var.instance_ids) : "arn:aws:ec2:${var.region}:${var.account}:instance/${id}"]
      },
      {
        when     = length(var.database_identifiers) > 0
        Sid      = "Databases"
        Action   = ["rds:StartDBInstance", "rds:StopDBInstance"]
        Resource = [for id in values(var.database_identifiers) : "arn:aws:rds:${var.region}:${var.account}:db:${id}"]
      },
    ] : { Sid = s.Sid, Effect = "Allow", Action = s.Action, Resource = s.Resource } if s.when]
  })
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:a schedule holds the names of instances, which are no secret
  for_each = local.calls

  name                         = "${var.name}-${each.key}"
  schedule_expression          = each.value.when
  schedule_expression_timezone = var.off_hours.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:aws:scheduler:::aws-sdk:${each.value.call}"
    role_arn = aws_iam_role.this.arn
    input    = each.value.input
  }
}
