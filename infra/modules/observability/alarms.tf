# Every alarm, as one table: what it watches, when it goes off, for how long it must hold, and what silence means.

locals {
  lb = { LoadBalancer = try(var.load_balancer.suffix, "") }

  simple = merge(
    !var.has.service ? {} : {
      cpu = {
        text       = "Tasks use more than ${var.thresholds.cpu} % of their CPU"
        namespace  = "AWS/ECS", metric = "CPUUtilization", statistic = "Average", comparison = "GreaterThanThreshold"
        threshold  = var.thresholds.cpu, period = 60, periods = 5, missing = "notBreaching"
        dimensions = { ClusterName = var.service.cluster, ServiceName = var.service.service }
      }
      memory = {
        text       = "Tasks use more than ${var.thresholds.memory} % of their memory"
        namespace  = "AWS/ECS", metric = "MemoryUtilization", statistic = "Average", comparison = "GreaterThanThreshold"
        threshold  = var.thresholds.memory, period = 60, periods = 5, missing = "notBreaching"
        dimensions = { ClusterName = var.service.cluster, ServiceName = var.service.service }
      }
    },
    !var.has.load_balancer ? {} : {
      response-time = {
        text       = "Answers take longer than ${var.thresholds.response_time} s on average"
        namespace  = "AWS/ApplicationELB", metric = "TargetResponseTime", statistic = "Average", comparison = "GreaterThanThreshold"
        threshold  = var.thresholds.response_time, period = 60, periods = 3, missing = "notBreaching"
        dimensions = local.lb
      }
      p95 = {
        text       = "One answer in twenty takes longer than ${var.thresholds.p95} s"
        namespace  = "AWS/ApplicationELB", metric = "TargetResponseTime", statistic = "p95", comparison = "GreaterThanThreshold"
        threshold  = var.thresholds.p95, period = 300, periods = 2, missing = "notBreaching"
        dimensions = local.lb
      }
    },
    { for key in var.has.load_balancer ? var.target_group_keys : [] : "unhealthy-${key}" => {
      text       = "At least ${var.thresholds.unhealthy_hosts} target of ${key} fails its health check"
      namespace  = "AWS/ApplicationELB", metric = "UnHealthyHostCount", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold"
      threshold  = var.thresholds.unhealthy_hosts, period = 60, periods = 2, missing = "notBreaching"
      dimensions = merge(local.lb, { TargetGroup = var.load_balancer.target_groups[key] })
    } },
    !var.has.database ? {} : {
      database-cpu = {
        text       = "The database uses more than ${var.thresholds.database_cpu} % of its CPU"
        namespace  = "AWS/RDS", metric = "CPUUtilization", statistic = "Average", comparison = "GreaterThanThreshold"
        threshold  = var.thresholds.database_cpu, period = 300, periods = 3, missing = "notBreaching"
        dimensions = { DBInstanceIdentifier = var.database }
      }
      database-connections = {
        text       = "More than ${var.thresholds.database_clients} connections: the next ones will be refused"
        namespace  = "AWS/RDS", metric = "DatabaseConnections", statistic = "Maximum", comparison = "GreaterThanThreshold"
        threshold  = var.thresholds.database_clients, period = 60, periods = 3, missing = "notBreaching"
        dimensions = { DBInstanceIdentifier = var.database }
      }
      database-storage = {
        text       = "Less than ${var.thresholds.database_free_gb} GB of database storage are free"
        namespace  = "AWS/RDS", metric = "FreeStorageSpace", statistic = "Minimum", comparison = "LessThanThreshold"
        threshold  = var.thresholds.database_free_gb * 1073741824, period = 300, periods = 1, missing = "notBreaching"
        dimensions = { DBInstanceIdentifier = var.database }
      }
    },
    !var.has.instances ? {} : {
      instance-cpu = {
        text       = "Instances use more than ${var.thresholds.cpu} % of their CPU"
        namespace  = "AWS/EC2", metric = "CPUUtilization", statistic = "Average", comparison = "GreaterThanThreshold"
        threshold  = var.thresholds.cpu, period = 300, periods = 2, missing = "notBreaching"
        dimensions = { (var.instances.dimension) = var.instances.value }
      }
      instance-status = {
        text       = "An instance fails its status checks"
        namespace  = "AWS/EC2", metric = "StatusCheckFailed", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold"
        threshold  = 1, period = 60, periods = 2, missing = "notBreaching"
        dimensions = { (var.instances.dimension) = var.instances.value }
      }
    },
    !var.has_error_log_group ? {} : {
      error-lines = {
        text       = "More than ${var.thresholds.error_lines} error lines in five minutes"
        namespace  = "opsconsole", metric = "${var.name}-error-lines", statistic = "Sum", comparison = "GreaterThanThreshold"
        threshold  = var.thresholds.error_lines, period = 300, periods = 1, missing = "notBreaching"
        dimensions = {}
      }
    },
  )

  # Shares of requests; nobody calling is neither an error nor an outage.
  errors_expression       = "IF(requests > 0, 100 * (FILL(target5xx, 0) + FILL(elb5xx, 0)) / requests, 0)"
  availability_expression = "IF(requests > 0, 100 - 100 * (FILL(target5xx, 0) + FILL(elb5xx, 0)) / requests, 100)"
  maths = !var.has.load_balancer ? {} : {
    error-rate = {
      text       = "More than ${var.thresholds.error_rate} % of requests end in a server error"
      expression = local.errors_expression, comparison = "GreaterThanThreshold", threshold = var.thresholds.error_rate, periods = 2
    }
    availability = {
      text       = "Less than ${var.thresholds.availability} % of requests are answered well over fifteen minutes"
      expression = local.availability_expression, comparison = "LessThanThreshold", threshold = var.thresholds.availability, periods = 15
    }
  }

  math_metrics = { requests = "RequestCount", target5xx = "HTTPCode_Target_5XX_Count", elb5xx = "HTTPCode_ELB_5XX_Count" }

  alarm_names = sort(concat([for key in keys(local.simple) : "${var.name}-${key}"], [for key in keys(local.maths) : "${var.name}-${key}"]))
}

resource "aws_cloudwatch_metric_alarm" "simple" {
  for_each = local.simple

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "maths" {
  for_each = local.maths

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "result"
    label       = each.value.text
    expression  = each.value.expression
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.math_metrics
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = local.lb
        period      = 60
        stat        = "Sum"
      }
    }
  }
}
