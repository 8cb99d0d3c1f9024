locals {
  environment = "account"
}
