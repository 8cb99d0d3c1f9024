# Included by every unit: provider, state and the settings of account, region and environment. Nothing else is only here:
# each unit is a stack that plain Terraform can apply.

locals {
  account     = read_terragrunt_config(find_in_parent_folders("account.hcl")).locals
  region      = read_terragrunt_config(find_in_parent_folders("region.hcl")).locals
  environment = read_terragrunt_config(find_in_parent_folders("env.hcl")).locals
}

generate "provider" {
  path      = "provider.tf"
  if_exists = "overwrite"
  contents  = <<-HCL
    provider "aws" {
      region              = "${local.region.region}"
      allowed_account_ids = ["${local.account.account_id}"]

      default_tags {
        tags = module.context.tags
      }
    }
  HCL
}

# One key per unit: two environments cannot share one.
remote_state {
  backend = "s3"

  generate = {
    path      = "backend.tf"
    if_exists = "overwrite"
  }

  config = {
    bucket       = "${local.account.name}-live-tfstate-${local.account.account_id}"
    key          = "${path_relative_to_include()}/terraform.tfstate"
    region       = local.account.state_region
    encrypt      = true
    use_lockfile = true
  }
}

inputs = {
  name        = local.account.name
  account_id  = local.account.account_id
  region      = local.region.region
  environment = local.environment.environment
}
