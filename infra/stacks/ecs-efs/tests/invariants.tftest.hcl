# Needs an AWS to talk to, since its passwords are ephemeral: infra/test.sh runs it against the simulator.
# Four containers, one owner of the data, and no way to start a second Postgres on the same files.

variables {
  name        = "shop"
  environment = "dev"
  region      = "us-east-1"
  account_id  = "123456789012"
  image_tag   = "1.5.0"
}

run "autoscaling_a_task_that_holds_postgres_is_refused" {
  command = plan
  variables {
    autoscaling = {}
  }
  expect_failures = [var.autoscaling]
}

run "with_rds_the_api_scales_from_two_to_ten_and_the_rest_stays_one" {
  command = plan
  variables {
    database    = "rds"
    autoscaling = {}
  }
  assert {
    condition     = output.opsconsole.target.service == "shop-dev-api" && one([for line in output.opsconsole.bill.lines : "${line.min} ${line.max}" if line.sku == "fargate.linux.x86.vcpu" && line.reported_by == "platform"]) == "1 5"
    error_message = "The API alone scales: half a vCPU, two to ten tasks."
  }
}

run "the_lab_is_one_task_of_the_documents_size" {
  command = plan
  assert {
    condition     = one([for line in output.opsconsole.bill.lines : line.quantity if line.sku == "fargate.linux.x86.vcpu"]) == 1 && one([for line in output.opsconsole.bill.lines : line.quantity if line.sku == "fargate.linux.x86.gb"]) == 2
    error_message = "One task with 1 vCPU and 2 GB."
  }
  assert {
    condition     = toset(keys(output.opsconsole.target_groups)) == toset(["api", "prometheus", "grafana"]) && contains(keys(output.opsconsole.urls), "grafana")
    error_message = "Three target groups by path."
  }
  assert {
    condition     = one([for line in output.opsconsole.bill.lines : line.quantity if line.sku == "efs.standard"]) == 10 && one([for line in output.opsconsole.bill.lines : line.quantity if line.sku == "nat.hour"]) == 1
    error_message = "10 GB of files and one NAT gateway, as the document has them."
  }
}
