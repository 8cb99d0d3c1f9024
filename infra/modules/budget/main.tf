# Says when a month gets too dear: at 50 and 80 % spent, and when the forecast passes the limit.

locals {
  notices = {
    "half"     = { kind = "ACTUAL", percent = 50 }
    "most"     = { kind = "ACTUAL", percent = 80 }
    "forecast" = { kind = "FORECASTED", percent = 100 }
  }
}

resource "aws_budgets_budget" "this" {
  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.limit_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:%s$%s", var.cost_tag.key, var.cost_tag.value)]
  }

  dynamic "notification" {
    for_each = local.notices
    content {
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value.percent
      threshold_type             = "PERCENTAGE"
      notification_type          = notification.value.kind
      subscriber_email_addresses = var.emails
      subscriber_sns_topic_arns  = var.has_topic ? [var.topic_arn] : []
    }
  }
}

resource "aws_ce_cost_allocation_tag" "this" {
  for_each = var.activate_cost_tags ? toset(["System", "Environment", "Owner", "CostCenter", "CostScope"]) : toset([])

  tag_key = each.value
  status  = "Active"
}
