# Where Terraform keeps what it knows: encrypted, versioned, not deletable by accident, locked by a file beside it.

module "bucket" {
  source = "../s3-buckets"

  name        = var.name
  account     = var.account
  buckets     = { tfstate = {} }
  kms_key_arn = var.kms_key_arn
}

resource "aws_dynamodb_table" "lock" {
  count = var.dynamodb_lock_table ? 1 : 0

  name         = "${var.name}-tfstate-lock"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "LockID"

  attribute {
    name = "LockID"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}
