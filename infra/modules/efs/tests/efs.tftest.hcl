# Shared files are encrypted at rest and on the wire, reachable in every zone and only by the tasks.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name                      = "shop-dev"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-a", "subnet-b", "subnet-c"]
  client_security_group_ids = { tasks = "sg-0123456789abcdef0" }
  access_points = {
    postgres   = { path = "/postgres", uid = 70, gid = 70, permissions = "0700" }
    prometheus = { path = "/prometheus", uid = 65534, gid = 65534 }
    grafana    = { path = "/grafana", uid = 472, gid = 472 }
  }
}

run "it_is_encrypted_at_rest_and_refuses_what_is_not_tls" {
  assert {
    condition     = aws_efs_file_system.this.encrypted && jsondecode(aws_efs_file_system_policy.this.policy).Statement[0].Effect == "Deny" && jsondecode(aws_efs_file_system_policy.this.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "Encrypted at rest, and mounting without TLS denied."
  }
}

run "each_zone_has_a_mount_target_and_each_program_its_own_directory" {
  command = plan
  assert {
    condition     = length(aws_efs_mount_target.this) == 3 && length(distinct([for point in aws_efs_access_point.this : point.root_directory[0].path])) == 3
    error_message = "Three mount targets, three directories."
  }
}

run "only_the_tasks_may_mount_it" {
  command = plan
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.clients : rule.cidr_ipv4 == null && rule.from_port == 2049])
    error_message = "NFS is open to security groups only, never to an address range."
  }
}

run "it_is_backed_up" {
  command = plan
  assert {
    condition     = aws_efs_backup_policy.this.backup_policy[0].status == "ENABLED"
    error_message = "The backup policy must be on."
  }
}

run "elastic_throughput_is_on_the_bill" {
  command = plan
  variables {
    throughput_mode = "elastic"
    usage           = { read_gb = 20, write_gb = 5 }
  }
  assert {
    condition     = [for line in output.bill : line.quantity] == [10, 20, 5]
    error_message = "Elastic throughput bills every GB read and written."
  }
}

run "a_shared_root_is_refused" {
  command = plan
  variables {
    access_points = { all = { path = "/", uid = 0, gid = 0 } }
  }
  expect_failures = [var.access_points]
}
