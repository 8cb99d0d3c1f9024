# Once per account: who did what (CloudTrail) and what looks like an intruder (GuardDuty).

module "bucket" {
  source = "../s3-buckets"

  name    = var.name
  account = var.account
  buckets = { trail = { expire_days = var.trail_days, trail_logs = true } }
}

resource "aws_cloudtrail" "this" {
  #checkov:skip=CKV2_AWS_10:the trail is read from S3 with Athena; a second copy in CloudWatch costs USD 0.50 a GB
  #checkov:skip=CKV_AWS_252:nobody acts on single log files; findings come from GuardDuty
  name                          = var.name
  s3_bucket_name                = module.bucket.names["trail"]
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  kms_key_id                    = var.kms_key_arn
}

resource "aws_guardduty_detector" "this" {
  #checkov:skip=CKV2_AWS_3:one account; an organisation turns guardduty off here and on there
  count = var.guardduty ? 1 : 0

  enable                       = true
  finding_publishing_frequency = "FIFTEEN_MINUTES"
}

resource "aws_cloudwatch_event_rule" "findings" {
  count = var.guardduty && var.has_topic ? 1 : 0

  name        = "${var.name}-findings"
  description = "GuardDuty findings of medium severity and above"
  event_pattern = jsonencode({
    source      = ["aws.guardduty"]
    detail-type = ["GuardDuty Finding"]
    detail      = { severity = [{ numeric = [">=", 4] }] }
  })
}

resource "aws_cloudwatch_event_target" "findings" {
  count = var.guardduty && var.has_topic ? 1 : 0

  rule = aws_cloudwatch_event_rule.findings[0].name
  arn  = var.topic_arn
}

# Nobody reads a public bucket of this account, whatever a single bucket says.
resource "aws_s3_account_public_access_block" "this" {
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_ebs_encryption_by_default" "this" {
  enabled = true
}
