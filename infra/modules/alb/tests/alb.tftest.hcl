# The front door: what is open, where requests go, and that production is never plain HTTP.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name       = "shop-prod"
  vpc_id     = "vpc-0123456789abcdef0"
  vpc_cidr   = "10.0.0.0/16"
  subnet_ids = ["subnet-a", "subnet-b"]
  target_groups = {
    api        = { port = 8080, green = true }
    prometheus = { port = 9090, path_patterns = ["/prometheus", "/prometheus/*"], priority = 20, health_path = "/prometheus/-/healthy" }
    grafana    = { port = 3000, path_patterns = ["/grafana", "/grafana/*"], priority = 10, health_path = "/grafana/api/health" }
  }
  certificate_arn    = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  is_production      = true
  test_ingress_cidrs = ["192.0.2.10/32"]
}

run "http_leads_to_https" {
  command = plan
  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "redirect" && aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301"
    error_message = "Port 80 must only redirect."
  }
}

run "tls_is_1_2_at_least" {
  command = plan
  assert {
    condition     = aws_lb_listener.https[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06" && aws_lb_listener.test[0].protocol == "HTTPS"
    error_message = "The HTTPS listeners must refuse TLS below 1.2."
  }
}

run "each_path_has_its_target_group" {
  command = plan
  assert {
    condition     = length(aws_lb_target_group.this) == 3 && length(aws_lb_listener_rule.path) == 2 && aws_lb_target_group.this["api"].health_check[0].path == "/health"
    error_message = "Three groups, two of them by path, health on /health."
  }
}

run "a_long_name_does_not_make_two_target_groups_one" {
  command = plan
  variables {
    name = "customer-accounts-api-production"
  }
  assert {
    condition     = length(toset(concat(values(aws_lb_target_group.this)[*].name, values(aws_lb_target_group.green)[*].name))) == 4 && alltrue([for group in values(aws_lb_target_group.this) : length(group.name) <= 32]) && endswith(aws_lb_target_group.green["api"].name, "-api-green") && length(aws_lb_target_group.green["api"].name) <= 32
    error_message = "Blue and green need names of their own, of 32 characters at most."
  }
}

run "only_80_and_443_are_open_to_the_world" {
  command = plan
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.public : rule.from_port]) == toset([80, 443]) && alltrue([for rule in aws_vpc_security_group_ingress_rule.test : rule.cidr_ipv4 != "0.0.0.0/0"])
    error_message = "The world reaches 80 and 443; the test port is for the hooks' addresses."
  }
}

run "it_calls_only_tasks_in_the_vpc" {
  command = plan
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.targets : rule.cidr_ipv4 == "10.0.0.0/16"]) && length(aws_vpc_security_group_egress_rule.targets) == 3
    error_message = "Out of the load balancer: the VPC, on the groups' ports."
  }
}

run "production_cannot_be_deleted_by_accident_and_balances_across_zones" {
  command = plan
  assert {
    condition     = aws_lb.this.enable_deletion_protection && aws_lb.this.enable_cross_zone_load_balancing && aws_lb.this.drop_invalid_header_fields
    error_message = "Deletion protection, cross-zone balancing and dropping bad headers must be on."
  }
}

run "each_zones_public_address_is_billed" {
  command = plan
  assert {
    condition     = one([for line in output.bill : line.quantity if line.sku == "ipv4.public"]) == 2
    error_message = "An internet-facing load balancer has one billed address per zone."
  }
}

run "production_without_tls_is_refused" {
  command = plan
  variables {
    certificate_arn = null
  }
  expect_failures = [var.is_production]
}

run "old_tls_is_refused" {
  command = plan
  variables {
    tls_policy = "ELBSecurityPolicy-2016-08"
  }
  expect_failures = [var.tls_policy]
}

run "two_defaults_are_refused" {
  command = plan
  variables {
    target_groups = { a = { port = 80 }, b = { port = 81 } }
  }
  expect_failures = [var.target_groups]
}
