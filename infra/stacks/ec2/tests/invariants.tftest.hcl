# The smallest system: one instance, one database, three buckets.

mock_provider "aws" {
  source = "../../mocks/aws"

  mock_data "aws_elb_service_account" {
    defaults = { arn = "arn:aws:iam::127311923021:root" }
  }
}

variables {
  name        = "shop"
  environment = "dev"
  region      = "us-east-1"
  account_id  = "123456789012"
  release     = "1.5.0"
}

run "it_says_where_it_answers_and_where_its_database_is" {
  assert {
    condition     = endswith(output.app_url, ":8000") && endswith(output.rds_endpoint, ":5432") && output.opsconsole.target.systemd_unit == "opsconsole-api.service"
    error_message = "app_url on port 8000, rds_endpoint on 5432."
  }
  assert {
    condition     = length(setsubtract(["ec2.t3.micro", "rds.pg.db.t3.micro", "ebs.gp3", "ipv4.public", "s3.standard"], output.opsconsole.bill.lines[*].sku)) == 0 && length([for line in output.opsconsole.bill.lines : line if startswith(line.sku, "nat.") || startswith(line.sku, "alb.")]) == 0
    error_message = "Instance, database, disk, address and buckets are billed; there is no NAT gateway and no load balancer."
  }
}

run "it_lives_in_the_network_that_is_there_and_builds_none" {
  assert {
    condition     = data.aws_vpc.default.default && one([for filter in data.aws_subnets.default.filter : filter.values if filter.name == "vpc-id"]) == toset([data.aws_vpc.default.id])
    error_message = "The account's default VPC and its subnets."
  }
}
