# What must hold of the whole stack, named for what a person would care about.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name         = "shop"
  environment  = "prod"
  region       = "us-east-1"
  account_id   = "123456789012"
  image_tag    = "1.5.0"
  alarm_emails = ["oncall@example.com"]
  budget_usd   = 200
  domain_name  = "example.com"
  zone_id      = "Z0123456789ABCDEFGHIJ"
  waf          = {}
  database     = {}
}

run "dev_is_off_at_night_and_costs_a_third" {
  command = plan
  variables {
    environment = "dev"
    domain_name = null
    zone_id     = null
    off_hours   = {}
  }
  assert {
    condition     = alltrue([for line in output.opsconsole.bill.lines : floor(line.hours_per_month) == 260 if startswith(line.sku, "fargate.")])
    error_message = "12×5: the tasks run 260 hours a month."
  }
}

run "the_console_gets_everything_it_needs" {
  assert {
    condition     = output.opsconsole.contract == "1.0" && output.opsconsole.target.cluster == "shop-prod" && output.opsconsole.target.service == "shop-prod-api" && output.opsconsole.urls.health == "https://example.com/health" && output.opsconsole.lock.bucket != null && length(output.opsconsole.alarms.names) >= 8
    error_message = "Cluster, service, health URL, lock and alarms must be in the output."
  }
  assert {
    condition     = length(setsubtract(["fargate.linux.x86.vcpu", "fargate.linux.x86.gb", "alb.hour", "alb.lcu", "nat.hour", "nat.gb", "ipv4.public", "cw.alarm.standard", "cw.dashboard", "rds.pg.db.t3.micro", "waf.acl"], output.opsconsole.bill.lines[*].sku)) == 0
    error_message = "Every billed thing must be on the bill."
  }
  assert {
    condition     = sum([for line in output.opsconsole.bill.lines : line.quantity if line.sku == "ipv4.public"]) == 4
    error_message = "Two zones: two addresses of the load balancer and two of the NAT gateways."
  }
}

run "traced_requests_are_on_the_bill" {
  command = plan
  variables {
    tracing = {}
  }
  assert {
    condition     = length(module.tracing) == 1 && contains(output.opsconsole.bill.lines[*].sku, "xray.traces")
    error_message = "Tracing brings its collector, and its price is not hidden."
  }
}

run "production_rules_hold_in_production" {
  command = plan
  assert {
    condition     = module.contract.opsconsole.production && module.contract.opsconsole.urls.app == "https://example.com"
    error_message = "prod is production and answers over TLS."
  }
}
