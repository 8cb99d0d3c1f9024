# The cluster is closed to the world, its secrets are encrypted, its logs end, and Spot never stands alone in production.

mock_provider "aws" {
  source = "../../mocks/aws"

  mock_resource "aws_eks_node_group" {
    defaults = {
      resources = [{ autoscaling_groups = [{ name = "eks-spot" }], remote_access_security_group_id = "" }]
    }
  }
}

variables {
  name        = "shop-dev"
  account     = "123456789012"
  subnet_ids  = ["subnet-a", "subnet-b"]
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  node_pools  = ["system"]
  spot_nodes  = {}
  off_hours   = { start_unix = "0 7 * * MON-FRI", stop_unix = "0 19 * * MON-FRI", timezone = "Etc/UTC" }
  access      = { operator = { role_arn = "arn:aws:iam::123456789012:role/operator", level = "edit", namespaces = ["shop"] } }
}

run "the_api_server_is_not_on_the_internet" {
  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].endpoint_private_access
    error_message = "The API server must be private unless addresses are named."
  }
}

run "kubernetes_secrets_are_encrypted_with_our_key" {
  command = plan
  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].resources == toset(["secrets"])
    error_message = "Secrets need envelope encryption."
  }
}

run "who_did_what_in_the_cluster_is_logged_and_kept_a_week" {
  command = plan
  assert {
    condition     = contains(aws_eks_cluster.this.enabled_cluster_log_types, "audit") && aws_cloudwatch_log_group.this.retention_in_days == 7
    error_message = "Audit logs on, kept 7 days."
  }
}

run "nobody_is_administrator_by_having_created_it" {
  command = plan
  assert {
    condition     = !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions && aws_eks_access_policy_association.this["operator"].access_scope[0].type == "namespace"
    error_message = "Access comes from entries only, and the operator's ends at its namespace."
  }
}

run "spot_nodes_are_off_at_night" {
  assert {
    condition     = aws_autoscaling_schedule.off[0].max_size == 0 && aws_autoscaling_schedule.on[0].desired_capacity == 2 && aws_eks_node_group.spot[0].capacity_type == "SPOT"
    error_message = "Spot nodes go to zero at 19:00 and come back at 07:00."
  }
}

run "nodes_cannot_be_asked_for_credentials_by_pods" {
  command = plan
  assert {
    condition     = aws_launch_template.spot[0].metadata_options[0].http_tokens == "required" && aws_launch_template.spot[0].metadata_options[0].http_put_response_hop_limit == 1
    error_message = "Instance metadata needs a token and does not reach pods."
  }
}

run "extended_support_is_refused" {
  command = plan
  variables {
    kubernetes_version = "1.29"
  }
  expect_failures = [var.kubernetes_version]
}

run "an_api_server_for_the_world_is_refused" {
  command = plan
  variables {
    endpoint_public_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.endpoint_public_cidrs]
}

run "spot_alone_in_production_is_refused" {
  command = plan
  variables {
    is_production = true
    off_hours     = null
  }
  expect_failures = [var.spot_nodes]
}
