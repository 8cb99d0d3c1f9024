# The provider is that of the modules it is made of.
terraform {
  required_version = ">= 1.9"
}
