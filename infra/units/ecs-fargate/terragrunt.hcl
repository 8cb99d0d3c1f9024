# The stack ecs-fargate as a unit: the environment's stack file gives it its values.

include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  # The whole catalogue is copied, since stacks refer to modules beside them; tests name mocks outside and stay behind.
  source = "${get_repo_root()}/infra//stacks/ecs-fargate"

  exclude_from_copy = ["**/tests/**"]
}

inputs = values.inputs
