# Buckets nobody outside can see: encrypted, TLS only, versioned, tidied up.

data "aws_elb_service_account" "this" {}

locals {
  services = { for name, bucket in var.buckets : name => bucket.load_balancer_logs || bucket.trail_logs }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV2_AWS_62:nothing listens to these buckets
  #checkov:skip=CKV_AWS_144:multi-region is out of scope (README)
  #checkov:skip=CKV_AWS_18:CloudTrail says who changed them; access logs would need a bucket for the log bucket
  #checkov:skip=CKV_AWS_21:versioned by aws_s3_bucket_versioning.this, whose status depends on a variable
  for_each = var.buckets

  bucket        = "${var.name}-${each.key}-${var.account}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = var.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = var.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = var.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null || local.services[each.key] ? "AES256" : "aws:kms"
      kms_master_key_id = local.services[each.key] ? null : var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = var.buckets

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = each.value.versioned ? "Enabled" : "Suspended"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = var.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "tidy"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    dynamic "expiration" {
      for_each = each.value.expire_days > 0 ? [each.value.expire_days] : []
      content {
        days = expiration.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  for_each = var.buckets

  bucket = aws_s3_bucket.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      each.value.load_balancer_logs ? [
        {
          # Regions before August 2022 write with an account of AWS's, newer ones with a service.
          Sid       = "LoadBalancerLogs"
          Effect    = "Allow"
          Principal = { AWS = data.aws_elb_service_account.this.arn }
          Action    = "s3:PutObject"
          Resource  = "${aws_s3_bucket.this[each.key].arn}/alb/AWSLogs/${var.account}/*"
        },
        {
          Sid       = "LoadBalancerLogsByService"
          Effect    = "Allow"
          Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
          Action    = "s3:PutObject"
          Resource  = "${aws_s3_bucket.this[each.key].arn}/alb/AWSLogs/${var.account}/*"
        },
      ] : [],
      each.value.trail_logs ? [
        {
          Sid       = "TrailChecks"
          Effect    = "Allow"
          Principal = { Service = "cloudtrail.amazonaws.com" }
          Action    = "s3:GetBucketAcl"
          Resource  = aws_s3_bucket.this[each.key].arn
          Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
        },
        {
          Sid       = "TrailWrites"
          Effect    = "Allow"
          Principal = { Service = "cloudtrail.amazonaws.com" }
          Action    = "s3:PutObject"
          Resource  = "${aws_s3_bucket.this[each.key].arn}/AWSLogs/${var.account}/*"
          Condition = { StringEquals = { "aws:SourceAccount" = var.account, "s3:x-amz-acl" = "bucket-owner-full-control" } }
        },
      ] : [],
    )
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}
