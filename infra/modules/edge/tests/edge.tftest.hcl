# A name with a certificate, and a firewall that counts.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name        = "shop-prod"
  domain_name = "example.com"
  zone_id     = "Z0123456789ABCDEFGHIJ"
  alias       = { dns_name = "mock-1.us-east-1.elb.amazonaws.com", zone_id = "Z35SXDOTRQ7X7K" }
  waf         = {}
}

run "the_certificate_proves_itself_by_dns_so_it_renews_itself" {
  assert {
    condition     = aws_acm_certificate.this[0].validation_method == "DNS" && aws_route53_record.validation[0].name == "_mock.example.com." && output.url == "https://example.com"
    error_message = "DNS validation with its record."
  }
}

run "one_address_cannot_flood_it" {
  command = plan
  assert {
    condition     = one([for rule in aws_wafv2_web_acl.this[0].rule : rule.statement[0].rate_based_statement[0].limit if rule.name == "rate"]) == 2000
    error_message = "At most 2000 requests in five minutes from one address."
  }
}

run "known_attacks_are_blocked_and_logged_without_credentials" {
  command = plan
  assert {
    condition     = length(aws_wafv2_web_acl.this[0].rule) == 4 && aws_wafv2_web_acl_logging_configuration.this[0].redacted_fields[0].single_header[0].name == "authorization" && aws_cloudwatch_log_group.waf[0].retention_in_days == 7
    error_message = "Three managed rule sets and the rate rule; the log leaves out the authorization header and is kept a week."
  }
}

run "without_a_domain_there_is_nothing_to_pay_for" {
  command = plan
  variables {
    domain_name = null
    zone_id     = null
    waf         = null
  }
  assert {
    condition     = length(output.bill) == 0 && output.certificate_arn == null
    error_message = "No domain, no firewall, no cost."
  }
}

run "a_domain_without_a_zone_is_refused" {
  command = plan
  variables {
    zone_id = null
  }
  expect_failures = [var.create_zone]
}
