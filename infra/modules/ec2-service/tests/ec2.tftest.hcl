# The instance reaches three buckets and no other, keeps its secrets out of user_data and lets nobody in by SSH.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name          = "shop-dev"
  region        = "us-east-1"
  vpc_id        = "vpc-0123456789abcdef0"
  subnet_ids    = ["subnet-a", "subnet-b"]
  release       = "1.5.0"
  buckets       = { logs = "shop-dev-logs-1", artifacts = "shop-dev-artifacts-1", content = "shop-dev-content-1" }
  database      = { url = "postgres://app@db.example.com:5432/app?sslmode=require", secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds-AbCdEf" }
  secrets       = { TAVILY_API_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tavily-AbCdEf" }
  ingress_cidrs = ["0.0.0.0/0"]
}

run "it_may_use_its_three_buckets_and_no_other" {
  assert {
    condition = toset(flatten([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : [for r in s.Resource : r if startswith(r, "arn:aws:s3")]])) == toset(flatten([
      for b in ["logs", "artifacts", "content"] : ["arn:aws:s3:::shop-dev-${b}-1", "arn:aws:s3:::shop-dev-${b}-1/*"]
    ]))
    error_message = "S3 rights must name the three buckets."
  }
  assert {
    condition     = alltrue(flatten([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : concat([for a in s.Action : !strcontains(a, "*")], [for r in s.Resource : r != "*"])]))
    error_message = "No wildcard action, no wildcard resource."
  }
}

run "ssh_is_closed" {
  command = plan
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.ssh) == 0 && endswith(aws_iam_role_policy_attachment.ssm.policy_arn, "AmazonSSMManagedInstanceCore")
    error_message = "No SSH rule; Session Manager instead."
  }
}

run "no_secret_is_in_user_data" {
  assert {
    condition     = strcontains(aws_instance.this[0].user_data, "PGPASSWORD arn:aws:secretsmanager") && !strcontains(aws_instance.this[0].user_data, "PASSWORD=")
    error_message = "user_data names secrets by ARN only."
  }
}

run "the_service_runs_under_systemd_on_port_8000" {
  assert {
    condition     = strcontains(output.user_data, "OPSCONSOLE_API_LISTEN=0.0.0.0:8000") && strcontains(output.user_data, "/etc/systemd/system/opsconsole-api.service") && aws_vpc_security_group_ingress_rule.app["0.0.0.0/0"].from_port == 8000
    error_message = "A systemd unit on port 8000."
  }
}

run "its_disk_is_encrypted_and_its_metadata_needs_a_token" {
  command = plan
  assert {
    condition     = aws_instance.this[0].root_block_device[0].encrypted && aws_instance.this[0].metadata_options[0].http_tokens == "required"
    error_message = "Encrypted disk, IMDSv2."
  }
}

run "a_group_is_reached_through_its_load_balancer_only" {
  command = plan
  variables {
    scaling = { min = 2, max = 4, target_group_arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/app/0123456789abcdef", load_balancer_security_group_id = "sg-0123456789abcdef0" }
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.app) == 0 && aws_vpc_security_group_ingress_rule.load_balancer[0].referenced_security_group_id == "sg-0123456789abcdef0" && aws_autoscaling_group.this[0].health_check_type == "ELB" && length(aws_instance.this) == 0
    error_message = "With a group the only way in is the load balancer."
  }
}

run "ssh_for_the_world_is_refused" {
  command = plan
  variables {
    ssh_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.ssh_cidrs]
}

run "plain_http_to_the_world_in_production_is_refused" {
  command = plan
  variables {
    is_production = true
  }
  expect_failures = [aws_vpc_security_group_ingress_rule.app]
}

run "a_program_for_another_processor_is_refused" {
  command = plan
  variables {
    architecture = "arm64"
  }
  expect_failures = [var.architecture]
}
