# No bucket is public, unencrypted or open without TLS.

mock_provider "aws" {
  source = "../../mocks/aws"

  mock_data "aws_elb_service_account" {
    defaults = { arn = "arn:aws:iam::127311923021:root" }
  }
}

variables {
  name    = "shop-dev"
  account = "123456789012"
  buckets = {
    logs      = { expire_days = 30, load_balancer_logs = true }
    artifacts = { expire_days = 90 }
    content   = {}
  }
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "every_bucket_blocks_public_access" {
  command = plan
  assert {
    condition = toset(keys(aws_s3_bucket_public_access_block.this)) == toset(["artifacts", "content", "logs"]) && alltrue([
      for block in aws_s3_bucket_public_access_block.this :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ])
    error_message = "All four public access blocks on every bucket."
  }
}

run "every_bucket_is_encrypted_and_versioned" {
  command = plan
  assert {
    condition     = length(aws_s3_bucket_server_side_encryption_configuration.this) == 3 && one([for rule in aws_s3_bucket_server_side_encryption_configuration.this["content"].rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm]) == "aws:kms" && alltrue([for v in aws_s3_bucket_versioning.this : v.versioning_configuration[0].status == "Enabled"])
    error_message = "Encryption with the environment's key and versions on every bucket."
  }
}

run "no_bucket_answers_without_tls" {
  assert {
    condition     = alltrue([for policy in aws_s3_bucket_policy.this : jsondecode(policy.policy).Statement[0].Effect == "Deny" && jsondecode(policy.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"])
    error_message = "Each policy denies what is not TLS."
  }
}

run "old_logs_and_artifacts_go_and_content_stays" {
  command = plan
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this["logs"].rule[0].expiration[0].days == 30 && length(aws_s3_bucket_lifecycle_configuration.this["content"].rule[0].expiration) == 0
    error_message = "Logs expire after 30 days, content never."
  }
}

run "load_balancers_can_write_their_logs_with_the_only_key_they_know" {
  command = plan
  assert {
    condition     = one([for rule in aws_s3_bucket_server_side_encryption_configuration.this["logs"].rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm]) == "AES256"
    error_message = "A load balancer cannot write to a bucket with a customer key."
  }
}
