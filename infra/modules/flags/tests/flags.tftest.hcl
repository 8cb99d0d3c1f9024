# Unleash runs a version someone chose and keeps its password out of its environment.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name                            = "shop-dev"
  region                          = "us-east-1"
  account                         = "123456789012"
  cluster                         = { name = "shop-dev", arn = "arn:aws:ecs:us-east-1:123456789012:cluster/shop-dev" }
  vpc_id                          = "vpc-0123456789abcdef0"
  vpc_cidr                        = "10.0.0.0/16"
  subnet_ids                      = ["subnet-a", "subnet-b"]
  database                        = { host = "db", name = "unleash", username = "unleash", secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:flags-AbCdEf" }
  target_group_arn                = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/flags/0123456789abcdef"
  load_balancer_security_group_id = "sg-0123456789abcdef0"
}

run "the_flags_server_is_on_the_bill_once" {
  assert {
    condition     = alltrue([for line in output.bill : line.reported_by == "terraform"]) && output.bill[0].quantity == 0.25
    error_message = "A quarter of a vCPU that no screen of the console reports."
  }
}

run "an_unleash_without_a_version_is_refused" {
  command = plan
  variables {
    image = "unleashorg/unleash-server:latest"
  }
  expect_failures = [var.image]
}
