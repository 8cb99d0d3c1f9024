# No provider: it computes, and calls nothing.
terraform {
  required_version = ">= 1.9"
}
