# The text is what cloud-init takes, and names secrets instead of holding them. infra/checks/user_data.sh goes on from
# here: cloud-init's schema, systemd's own check, and the scripts at work.

variables {
  region    = "us-east-1"
  release   = "1.5.0"
  log_group = "/ec2/shop-dev"
  buckets   = { logs = "shop-logs", artifacts = "shop-artifacts", content = "shop-content" }
  database  = { url = "postgres://app@db.example.com:5432/app?sslmode=require", secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds-AbCdEf" }
  secrets   = { TAVILY_API_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tavily-AbCdEf" }
}

run "it_is_a_cloud_config_that_fits" {
  assert {
    condition     = startswith(output.user_data, "#cloud-config\n") && length(output.user_data) < 16384 && can(jsondecode(trimprefix(output.user_data, "#cloud-config\n")))
    error_message = "cloud-init takes it, and EC2 takes 16 KiB at most."
  }
}

run "secrets_are_named_and_not_held" {
  assert {
    condition = one([
      for f in jsondecode(trimprefix(output.user_data, "#cloud-config\n")).write_files : f.permissions if f.path == "/etc/opsconsole-api/secrets"
    ]) == "0600" && strcontains(output.user_data, "TAVILY_API_KEY arn:aws:secretsmanager")
    error_message = "The list of secrets holds ARNs and is for root only."
  }
}

run "a_release_that_is_a_path_is_refused" {
  command = plan
  variables {
    release = "../../etc"
  }
  expect_failures = [var.release]
}
