# A cluster that is off at night, backed up, and known to the console by namespace and release.

mock_provider "aws" {
  source = "../../mocks/aws"

  mock_resource "aws_eks_node_group" {
    defaults = {
      resources = [{ autoscaling_groups = [{ name = "eks-spot" }], remote_access_security_group_id = "" }]
    }
  }
}

variables {
  name        = "shop"
  environment = "dev"
  region      = "us-east-1"
  account_id  = "123456789012"
  node_pools  = ["system"]
  spot_nodes  = {}
  off_hours   = {}
  database    = {}
}

run "the_console_finds_the_helm_release" {
  assert {
    condition     = output.opsconsole.platform == "kubernetes" && output.opsconsole.target.namespace == "opsconsole-api" && output.opsconsole.target.release == "opsconsole-api"
    error_message = "Cluster, namespace and release."
  }
  assert {
    condition     = floor(one([for line in output.opsconsole.bill.lines : line.hours_per_month if startswith(line.sku, "ec2.spot.")])) == 260 && one([for line in output.opsconsole.bill.lines : line.quantity if line.sku == "eks.cluster"]) == 1
    error_message = "Spot nodes run 260 hours a month; the control plane always."
  }
  # On Kubernetes the console sees the nodes and the control plane, and no alarms.
  assert {
    condition     = toset([for line in output.opsconsole.bill.lines : line.sku if line.reported_by == "platform"]) == toset(["ec2.m5.large", "ec2.spot.m5.large", "eks.cluster"])
    error_message = "What the console sees itself must not go into its configuration too, where it would count twice; what it does not see must."
  }
}
