output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Its range."
  value       = var.cidr
}

output "public_subnet_ids" {
  description = "Public subnets, one a zone."
  value       = aws_subnet.public[*].id
}

output "private_subnet_ids" {
  description = "Private subnets, one a zone."
  value       = aws_subnet.private[*].id
}

output "data_subnet_ids" {
  description = "Data subnets, one a zone."
  value       = aws_subnet.data[*].id
}

output "nat_public_ips" {
  description = "The addresses that private tasks are seen with."
  value       = aws_eip.nat[*].public_ip
}

output "bill" {
  description = "What it is billed for."
  value = concat(
    local.nats == 0 ? [] : [
      { what = "NAT gateway", sku = "nat.hour", quantity = local.nats, basis = "configured: nat = ${var.nat}" },
      { what = "NAT gateway, data", sku = "nat.gb", quantity = var.usage.nat_gb, basis = "assumed: usage.nat_gb" },
      { what = "Public IPv4 of the NAT gateways", sku = "ipv4.public", quantity = local.nats, basis = "configured: one per NAT gateway" },
    ],
    length(var.interface_endpoints) == 0 ? [] : [
      { what = "Interface endpoints × zones", sku = "vpce.if", quantity = length(var.interface_endpoints) * length(var.subnets.private), basis = "configured: ${join(", ", var.interface_endpoints)}" },
      { what = "Interface endpoints, data", sku = "vpce.gb", quantity = var.usage.endpoint_gb, basis = "assumed: usage.endpoint_gb" },
    ],
    var.flow_log_retention_days == 0 ? [] : [
      { what = "Flow logs, ingestion", sku = "cw.logs.ingest", quantity = var.usage.flow_log_gb, basis = "assumed: usage.flow_log_gb" },
    ],
  )
}
