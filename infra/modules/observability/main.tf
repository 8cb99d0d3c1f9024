# Alarms with the documents' thresholds, one topic they all go to, and a dashboard of the same metrics.


resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "budgets.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_sns_topic_subscription" "https" {
  for_each = var.https_endpoint_names

  topic_arn              = aws_sns_topic.alarms.arn
  protocol               = "https"
  endpoint               = var.https_endpoints[each.value]
  endpoint_auto_confirms = true
}

resource "aws_iam_role" "chat" {
  count = var.slack == null ? 0 : 1

  name = "${var.name}-chat"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "chatbot.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_chatbot_slack_channel_configuration" "this" {
  count = var.slack == null ? 0 : 1

  configuration_name    = var.name
  slack_team_id         = var.slack.team_id
  slack_channel_id      = var.slack.channel_id
  iam_role_arn          = aws_iam_role.chat[0].arn
  sns_topic_arns        = [aws_sns_topic.alarms.arn]
  guardrail_policy_arns = ["arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"]
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  count = var.has_error_log_group ? 1 : 0

  name           = "${var.name}-error-lines"
  log_group_name = var.error_log_group
  pattern        = "{ $.level = \"ERROR\" || $.level = \"error\" }"

  metric_transformation {
    namespace     = "opsconsole"
    name          = "${var.name}-error-lines"
    value         = "1"
    default_value = 0
  }
}
