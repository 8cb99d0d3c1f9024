# Someone hears before the money is gone.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name      = "shop-dev"
  limit_usd = 150
  cost_tag  = { key = "CostScope", value = "shop-dev" }
  emails    = ["owner@example.com"]
}

run "someone_hears_at_half_at_80_percent_and_when_the_forecast_passes_the_limit" {
  command = plan
  assert {
    condition     = toset([for n in aws_budgets_budget.this.notification : "${n.notification_type} ${n.threshold}"]) == toset(["ACTUAL 50", "ACTUAL 80", "FORECASTED 100"])
    error_message = "Three notices: 50 % and 80 % spent, 100 % forecast."
  }
}

run "only_this_environment_counts" {
  command = plan
  assert {
    condition     = tolist(aws_budgets_budget.this.cost_filter)[0].values[0] == "user:CostScope$shop-dev"
    error_message = "The budget must count this environment's tag only."
  }
}

run "a_budget_that_tells_nobody_is_refused" {
  command = plan
  variables {
    emails = []
  }
  expect_failures = [var.has_topic]
}
