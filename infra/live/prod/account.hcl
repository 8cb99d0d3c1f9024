# The account of prod: put your own number here.
locals {
  name         = "shop"
  account_id   = "210987654321"
  state_region = "us-east-1"
}
