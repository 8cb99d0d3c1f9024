# The database: encrypted, private, TLS only, restorable, and in production hard to lose.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name                      = "shop-prod"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-a", "subnet-b"]
  client_security_group_ids = { tasks = "sg-0123456789abcdef0" }
  is_production             = true
}

run "data_is_encrypted_and_not_on_the_internet" {
  command = plan
  assert {
    condition     = aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible
    error_message = "Storage must be encrypted and the instance private."
  }
}

run "connections_must_use_tls" {
  command = plan
  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "rds.force_ssl"]) == "1"
    error_message = "rds.force_ssl must be 1."
  }
}

run "it_is_postgres_16_on_a_micro_unless_said_otherwise" {
  command = plan
  assert {
    condition     = aws_db_instance.this.engine_version == "16" && aws_db_instance.this.instance_class == "db.t3.micro"
    error_message = "Default: Postgres 16 on db.t3.micro."
  }
}

run "production_cannot_be_deleted_and_can_be_restored" {
  command = plan
  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.backup_retention_period >= 7 && aws_db_instance.this.multi_az
    error_message = "Production: deletion protection, final snapshot, a week of backups, two zones."
  }
}

run "nobody_knows_the_password" {
  command = plan
  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "RDS makes, keeps and rotates the password."
  }
}

run "only_the_program_connects" {
  command = plan
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.clients : rule.cidr_ipv4 == null && rule.from_port == 5432])
    error_message = "Postgres is open to security groups only."
  }
}

run "a_standby_doubles_the_bill" {
  assert {
    condition     = output.bill[0].quantity == 2 && output.bill[1].quantity == 40
    error_message = "Two zones: two instances and two disks."
  }
}

run "production_with_three_days_of_backups_is_refused" {
  command = plan
  variables {
    backup_days = 3
  }
  expect_failures = [var.backup_days]
}
