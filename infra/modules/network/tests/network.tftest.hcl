# The network of the documents, and what keeps each tier in its place.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name = "shop-dev"
  cidr = "10.0.0.0/16"
  subnets = {
    public  = ["10.0.1.0/24", "10.0.2.0/24"]
    private = ["10.0.11.0/24", "10.0.12.0/24"]
    data    = ["10.0.21.0/24", "10.0.22.0/24"]
  }
}

run "each_zone_has_its_own_nat_gateway" {
  command = plan
  assert {
    condition     = length(aws_nat_gateway.this) == 2 && length(aws_route.nat) == 2
    error_message = "nat = per-az must make one gateway and one route per zone."
  }
  assert {
    condition     = one([for line in output.bill : line.quantity if line.sku == "ipv4.public"]) == 2
    error_message = "Each NAT gateway's public address is billed."
  }
}

run "three_zones_share_one_nat_gateway_when_asked" {
  command = plan
  variables {
    nat = "single"
    subnets = {
      public  = ["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]
      private = ["10.0.11.0/24", "10.0.12.0/24", "10.0.13.0/24"]
    }
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 3 && length(aws_subnet.data) == 0
    error_message = "nat = single must make one gateway that all three private tables lead to."
  }
}

run "the_data_tier_has_no_way_out" {
  command = plan
  assert {
    condition     = length(aws_route_table.data) == 1 && length(aws_route_table_association.data) == 2 && alltrue([for rule in aws_network_acl_rule.data_in : rule.cidr_block == "10.0.0.0/16"])
    error_message = "Data subnets have a table without routes and take calls only from inside the VPC."
  }
}

run "no_network_acl_lets_the_world_reach_ssh_or_a_database" {
  command = plan
  assert {
    condition = alltrue([
      for rule in concat(values(aws_network_acl_rule.public_in), values(aws_network_acl_rule.private_in)) :
      rule.cidr_block != "0.0.0.0/0" || rule.from_port >= 1024 || contains([80, 443], rule.from_port)
    ])
    error_message = "From the world only 80, 443 and answers on ephemeral ports come in."
  }
}

run "nothing_gets_a_public_address_by_itself" {
  command = plan
  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "No subnet hands out public addresses."
  }
}

run "flow_logs_are_on_and_do_not_pile_up" {
  command = plan
  assert {
    condition     = aws_flow_log.this[0].traffic_type == "ALL" && aws_cloudwatch_log_group.flow[0].retention_in_days == 7
    error_message = "All traffic is logged and kept for seven days."
  }
}

run "the_default_security_group_is_empty" {
  assert {
    condition     = length(aws_default_security_group.this.ingress) == 0 && length(aws_default_security_group.this.egress) == 0
    error_message = "The default group must have no rules."
  }
}

run "no_nat_and_no_endpoints_strands_private_tasks" {
  command = plan
  variables {
    nat = "none"
  }
  expect_failures = [var.nat]
}

run "no_nat_works_with_the_endpoints_that_tasks_need" {
  command = plan
  variables {
    nat                 = "none"
    interface_endpoints = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_vpc_endpoint.interface) == 4 && one([for line in output.bill : line.quantity if line.sku == "vpce.if"]) == 8
    error_message = "Four endpoints in two zones, billed eight times, and no gateway."
  }
}

run "a_subnet_too_small_for_a_load_balancer_is_refused" {
  command = plan
  variables {
    subnets = {
      public  = ["10.0.1.0/28", "10.0.2.0/28"]
      private = ["10.0.11.0/28", "10.0.12.0/28"]
    }
  }
  expect_failures = [var.subnets]
}
