terraform {
  required_version = ">= 1.9"

  required_providers {
    # Used by the module it is made of; named here so that its tests can mock it.
    # tflint-ignore: terraform_unused_required_providers
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}
