output "certificate_arn" {
  description = "The certificate, once it is valid; null without a domain."
  value       = one(aws_acm_certificate_validation.this[*].certificate_arn)
}

output "waf_acl_arn" {
  description = "The firewall; null without one."
  value       = one(aws_wafv2_web_acl.this[*].arn)
}

output "url" {
  description = "Where it answers; null without a domain."
  value       = local.has_domain ? "https://${var.domain_name}" : null
}

output "name_servers" {
  description = "To be entered at the registrar when the zone is made here."
  value       = try(aws_route53_zone.this[0].name_servers, [])
}

output "bill" {
  description = "What it is billed for."
  value = concat(
    !local.has_domain ? [] : [
      { what = "DNS zone", sku = "r53.zone", quantity = var.create_zone ? 1 : 0, basis = "configured" },
      { what = "Name look-ups, millions", sku = "r53.query", quantity = var.usage.lookups_m, basis = "assumed: usage.lookups_m" },
    ],
    var.waf == null ? [] : [
      { what = "Firewall", sku = "waf.acl", quantity = 1, basis = "configured" },
      { what = "Firewall rules", sku = "waf.rule", quantity = 1 + length(local.managed_rules), basis = "configured" },
      { what = "Firewall, requests in millions", sku = "waf.req", quantity = var.usage.requests_m, basis = "assumed: usage.requests_m" },
    ],
  )
}
