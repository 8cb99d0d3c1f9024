# The metrics behind the alarms, each graph with the line at which the alarm goes off.

locals {
  cluster  = try(var.service.cluster, "")
  service  = try(var.service.service, "")
  suffix   = try(var.load_balancer.suffix, "")
  instance = try([var.instances.dimension, var.instances.value], ["InstanceId", ""])

  targets = [for pair in setproduct(sort(tolist(var.target_group_keys)), ["HealthyHostCount", "UnHealthyHostCount"]) :
    ["AWS/ApplicationELB", pair[1], "TargetGroup", try(var.load_balancer.target_groups[pair[0]], ""), "LoadBalancer", local.suffix]
  ]

  all_graphs = [
    { when = var.has.service, title = "CPU and memory of the tasks, %", stat = "Average", line = var.thresholds.cpu, metrics = [["AWS/ECS", "CPUUtilization", "ClusterName", local.cluster, "ServiceName", local.service], [".", "MemoryUtilization", ".", ".", ".", "."]] },
    { when = var.has.service, title = "Tasks", stat = "Average", line = null, metrics = [["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", local.cluster, "ServiceName", local.service], [".", "DesiredTaskCount", ".", ".", ".", "."]] },
    { when = var.has.load_balancer, title = "Requests", stat = "Sum", line = null, metrics = [["AWS/ApplicationELB", "RequestCount", "LoadBalancer", local.suffix]] },
    { when = var.has.load_balancer, title = "Errors by status", stat = "Sum", line = null, metrics = [["AWS/ApplicationELB", "HTTPCode_Target_4XX_Count", "LoadBalancer", local.suffix], [".", "HTTPCode_Target_5XX_Count", ".", "."], [".", "HTTPCode_ELB_5XX_Count", ".", "."]] },
    { when = var.has.load_balancer, title = "Response time, s", stat = "Average", line = var.thresholds.response_time, metrics = [["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", local.suffix, { stat = "p50" }], ["...", { stat = "p95" }], ["...", { stat = "p99" }]] },
    { when = var.has.load_balancer, title = "Healthy and unhealthy targets", stat = "Maximum", line = null, metrics = local.targets },
    { when = var.has.database, title = "Database: CPU % and connections", stat = "Average", line = var.thresholds.database_cpu, metrics = [["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.database], [".", "DatabaseConnections", ".", "."]] },
    { when = var.has.instances, title = "Instances: CPU %", stat = "Average", line = var.thresholds.cpu, metrics = [["AWS/EC2", "CPUUtilization", local.instance[0], local.instance[1]]] },
  ]

  graphs = [for graph in local.all_graphs : graph if graph.when]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard ? 1 : 0

  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 3
        properties = { title = "Alarms", alarms = [for alarm in concat(values(aws_cloudwatch_metric_alarm.simple), values(aws_cloudwatch_metric_alarm.maths)) : alarm.arn] }
      }],
      [for index, graph in local.graphs : {
        type = "metric", x = (index % 2) * 12, y = 3 + floor(index / 2) * 6, width = 12, height = 6
        properties = {
          title       = graph.title
          region      = var.region
          view        = "timeSeries"
          stat        = graph.stat
          period      = 60
          metrics     = graph.metrics
          annotations = graph.line == null ? {} : { horizontal = [{ label = "alarm", value = graph.line }] }
        }
      }],
    )
  })
}
