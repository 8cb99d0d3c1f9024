# The output that the console reads is whole, or there is none.

variables {
  stack       = "ecs-fargate"
  name        = "shop"
  environment = "dev"
  production  = false
  region      = "us-east-1"
  account     = "123456789012"
  platform    = "ecs"
  target      = { cluster = "shop-dev", service = "api", deployment = "rolling" }
  bill = [
    { what = "NAT gateway", sku = "nat.hour", quantity = 2, basis = "configured" },
    { what = "Fargate vCPU", sku = "fargate.linux.x86.vcpu", quantity = 1, min = 1, max = 2, hours_per_month = 260, basis = "task definition", reported_by = "platform" },
    { what = "nothing", sku = "alb.lcu", quantity = 0, basis = "assumed" },
  ]
}

run "bounds_default_to_the_quantity_and_free_lines_are_left_out" {
  command = plan
  assert {
    condition     = output.opsconsole.bill.lines[0].min == 2 && output.opsconsole.bill.lines[0].max == 2 && output.opsconsole.bill.lines[0].hours_per_month == 730 && length(output.opsconsole.bill.lines) == 2
    error_message = "A line without bounds has its quantity as both; a line of zero is left out."
  }
  assert {
    condition     = output.opsconsole.contract == "1.0" && output.opsconsole.alarms.prefix == "shop-dev-"
    error_message = "The contract names its version and an alarm prefix."
  }
}

run "an_ecs_target_without_a_service_is_refused" {
  command = plan
  variables {
    target = { cluster = "shop-dev", deployment = "rolling" }
  }
  expect_failures = [var.target]
}

run "codedeploy_without_its_group_is_refused" {
  command = plan
  variables {
    target = { cluster = "shop-dev", service = "api", deployment = "codedeploy" }
  }
  expect_failures = [var.target]
}

run "bounds_that_do_not_hold_the_quantity_are_refused" {
  command = plan
  variables {
    bill = [{ what = "x", sku = "nat.hour", quantity = 3, max = 2, basis = "configured" }]
  }
  expect_failures = [var.bill]
}

run "an_account_is_twelve_digits" {
  command = plan
  variables {
    account = "1234"
  }
  expect_failures = [var.account]
}
