# The account of nonprod: put your own number here.
locals {
  name         = "shop"
  account_id   = "123456789012"
  state_region = "us-east-1"
}
