# The alarms of the documents, at the documents' thresholds, all reaching a person.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name                = "shop-dev"
  region              = "us-east-1"
  account             = "123456789012"
  service             = { cluster = "shop-dev", service = "shop-dev-api" }
  load_balancer       = { suffix = "app/shop-dev/0123456789abcdef", target_groups = { api = "targetgroup/api/0123456789abcdef" } }
  database            = "shop-dev"
  has                 = { service = true, load_balancer = true, database = true }
  target_group_keys   = ["api"]
  error_log_group     = "/ecs/shop-dev-api"
  has_error_log_group = true
  emails              = ["oncall@example.com"]
}

run "cpu_goes_off_at_80" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.simple["cpu"].threshold == 80
    error_message = "CPU alarm at 80 %."
  }
}

run "memory_goes_off_at_80" {
  command = plan
  assert {
    condition     = aws_cloudwatch_metric_alarm.simple["memory"].threshold == 80
    error_message = "Memory alarm at 80 %."
  }
}

run "errors_go_off_at_5_percent_of_requests_and_not_when_nobody_calls" {
  command = plan
  assert {
    condition     = aws_cloudwatch_metric_alarm.maths["error-rate"].threshold == 5 && one([for q in aws_cloudwatch_metric_alarm.maths["error-rate"].metric_query : startswith(q.expression, "IF(requests > 0") if q.id == "result"])
    error_message = "Error rate at 5 % of requests, 0 without requests."
  }
}

run "slow_answers_go_off_at_2_seconds_and_p95_at_half_a_second" {
  command = plan
  assert {
    condition     = aws_cloudwatch_metric_alarm.simple["response-time"].threshold == 2 && aws_cloudwatch_metric_alarm.simple["p95"].threshold == 0.5 && aws_cloudwatch_metric_alarm.simple["p95"].extended_statistic == "p95"
    error_message = "Response time at 2 s, p95 at 500 ms."
  }
}

run "one_unhealthy_host_is_enough" {
  command = plan
  assert {
    condition     = aws_cloudwatch_metric_alarm.simple["unhealthy-api"].threshold == 1
    error_message = "Unhealthy hosts: from one on."
  }
}

run "availability_below_99_percent_goes_off" {
  command = plan
  assert {
    condition     = aws_cloudwatch_metric_alarm.maths["availability"].threshold == 99 && aws_cloudwatch_metric_alarm.maths["availability"].comparison_operator == "LessThanThreshold"
    error_message = "Availability alarm below 99 %."
  }
}

run "a_database_that_refuses_connections_is_seen" {
  command = plan
  assert {
    condition     = aws_cloudwatch_metric_alarm.simple["database-connections"].threshold == 60
    error_message = "Connections alarm below what a micro instance takes."
  }
}

run "every_alarm_reaches_someone_and_says_when_it_is_over" {
  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.simple), values(aws_cloudwatch_metric_alarm.maths)) :
      contains(alarm.alarm_actions, aws_sns_topic.alarms.arn) && contains(alarm.ok_actions, aws_sns_topic.alarms.arn) && startswith(alarm.alarm_name, "shop-dev-")
    ]) && aws_sns_topic_subscription.email["oncall@example.com"].protocol == "email"
    error_message = "All alarms go to the topic, the topic to a person, and their names begin with the prefix."
  }
}

run "alarms_reach_slack_and_a_pager" {
  command = plan
  variables {
    slack                = { team_id = "T0123456789", channel_id = "C0123456789" }
    https_endpoints      = { pagerduty = "https://events.pagerduty.com/integration/0/enqueue" }
    https_endpoint_names = ["pagerduty"]
  }
  assert {
    condition     = aws_chatbot_slack_channel_configuration.this[0].slack_channel_id == "C0123456789" && aws_sns_topic_subscription.https["pagerduty"].protocol == "https"
    error_message = "The topic must lead to the Slack channel and to the webhook."
  }
}

run "a_bad_release_is_stopped_by_errors_and_slowness" {
  command = plan
  assert {
    condition     = jsonencode(output.deployment_alarm_names) == jsonencode(["shop-dev-error-rate", "shop-dev-response-time"])
    error_message = "Error rate and response time roll a release back."
  }
}

run "the_dashboard_shows_the_alarms_lines" {
  assert {
    condition     = length([for w in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : w if try(w.properties.annotations.horizontal[0].value, 0) == 80]) >= 1
    error_message = "The CPU graph shows the line at 80."
  }
}

run "an_alarm_over_three_metrics_costs_three" {
  command = plan
  assert {
    condition     = output.bill[0].quantity == 15
    error_message = "Nine simple alarms and two over three metrics each are billed as fifteen."
  }
}

run "an_address_without_an_at_is_refused" {
  command = plan
  variables {
    emails = ["oncall"]
  }
  expect_failures = [var.emails]
}
