# The stack ecs-fargate as a unit: the environment's stack file gives it its values.

include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  # The whole catalogue is copied, since stacks refer to modules beside them; tests name mocks outside and stay behind.
  source = "${get_repo_root()}/infra//stacks/ecs-fargate"

  # Nor what plain Terraform leaves in a stack: its state would be moved, its settings would win over these.
  exclude_from_copy = ["**/tests/**", "**/*.tfstate", "**/*.tfstate.*", "**/*.tfvars", "**/*.tfplan", "**/backend.tf", "**/.terraform/**", "**/.terraform.lock.hcl"]
}

inputs = values.inputs
