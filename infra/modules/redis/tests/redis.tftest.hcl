# The cache is private and encrypted.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name                      = "shop-dev"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-a", "subnet-b"]
  client_security_group_ids = { tasks = "sg-0123456789abcdef0" }
}

run "the_cache_is_encrypted_at_rest_and_on_the_wire_and_for_tasks_only" {
  command = plan
  assert {
    condition     = aws_elasticache_replication_group.this.at_rest_encryption_enabled == "true" && aws_elasticache_replication_group.this.transit_encryption_enabled && aws_vpc_security_group_ingress_rule.clients["tasks"].cidr_ipv4 == null
    error_message = "Encryption both ways, no address range."
  }
}

run "a_copy_in_another_zone_takes_over" {
  command = plan
  variables {
    replicas = 1
  }
  assert {
    condition     = aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.multi_az_enabled && output.bill[0].quantity == 2
    error_message = "A replica means failover, and is billed."
  }
}
