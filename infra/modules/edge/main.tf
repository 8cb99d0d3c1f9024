# A name, a certificate that renews itself, and a firewall.

locals {
  has_domain = var.domain_name != null
  zone_id    = var.create_zone ? one(aws_route53_zone.this[*].zone_id) : var.zone_id
  options    = local.has_domain ? aws_acm_certificate.this[0].domain_validation_options : []

  managed_rules = {
    AWSManagedRulesCommonRuleSet          = 10
    AWSManagedRulesKnownBadInputsRuleSet  = 20
    AWSManagedRulesAmazonIpReputationList = 30
  }
}

resource "aws_route53_zone" "this" {
  #checkov:skip=CKV2_AWS_38:DNSSEC needs a key in us-east-1 and a DS record at the registrar: a decision of the domain owner
  #checkov:skip=CKV2_AWS_39:query logs must be in us-east-1 and name every visitor
  count = var.create_zone && local.has_domain ? 1 : 0

  name = var.domain_name
}

resource "aws_acm_certificate" "this" {
  count = local.has_domain ? 1 : 0

  domain_name       = var.domain_name
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

# One name, one record: keyed by what is known in a plan.
resource "aws_route53_record" "validation" {
  count = local.has_domain ? 1 : 0

  zone_id         = local.zone_id
  name            = one([for option in local.options : option.resource_record_name if option.domain_name == var.domain_name])
  type            = one([for option in local.options : option.resource_record_type if option.domain_name == var.domain_name])
  records         = [for option in local.options : option.resource_record_value if option.domain_name == var.domain_name]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count = local.has_domain ? 1 : 0

  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = aws_route53_record.validation[*].fqdn
}

resource "aws_route53_record" "alias" {
  for_each = local.has_domain ? toset(["A", "AAAA"]) : toset([])

  zone_id = local.zone_id
  name    = var.domain_name
  type    = each.value

  alias {
    name                   = var.alias.dns_name
    zone_id                = var.alias.zone_id
    evaluate_target_health = true
  }
}

resource "aws_wafv2_web_acl" "this" {
  #checkov:skip=CKV_AWS_192:AWSManagedRulesKnownBadInputsRuleSet is in the dynamic block below
  count = var.waf == null ? 0 : 1

  name  = var.name
  scope = "REGIONAL"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 1

    action {
      block {}
    }

    statement {
      rate_based_statement {
        limit              = var.waf.rate_limit
        aggregate_key_type = "IP"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-rate"
      sampled_requests_enabled   = true
    }
  }

  dynamic "rule" {
    for_each = local.managed_rules
    content {
      name     = rule.key
      priority = rule.value

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          name        = rule.key
          vendor_name = "AWS"
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "${var.name}-${rule.key}"
        sampled_requests_enabled   = true
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = true
  }
}

# The name must begin like this, or WAF refuses it.
resource "aws_cloudwatch_log_group" "waf" {
  #checkov:skip=CKV_AWS_338:seven days are what the documents ask for; the retention is a variable
  count = var.waf == null ? 0 : 1

  name              = "aws-waf-logs-${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  count = var.waf == null ? 0 : 1

  resource_arn            = aws_wafv2_web_acl.this[0].arn
  log_destination_configs = [aws_cloudwatch_log_group.waf[0].arn]

  redacted_fields {
    single_header {
      name = "authorization"
    }
  }
}
