# Terragrunt writes its own file of this name (root.hcl); plain Terraform uses this one.

provider "aws" {
  region = var.region

  # Nothing is ever made in another account, whatever credentials happen to be set.
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = module.context.tags
  }
}
