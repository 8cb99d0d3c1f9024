output "url" {
  description = "Where programs find it."
  value       = "rediss://${aws_elasticache_replication_group.this.primary_endpoint_address}:6379"
}

output "bill" {
  description = "What it is billed for. The price book has no ElastiCache prices: the line reads no price."
  value       = [{ what = "Cache ${var.node_type}", sku = "elasticache.${var.node_type}", quantity = 1 + var.replicas, basis = "configured" }]
}
