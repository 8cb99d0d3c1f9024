output "name" {
  description = "The cluster."
  value       = aws_eks_cluster.this.name
}

output "endpoint" {
  description = "Its API server."
  value       = aws_eks_cluster.this.endpoint
}

output "certificate_authority" {
  description = "What its API server is recognised by."
  value       = aws_eks_cluster.this.certificate_authority[0].data
}

output "security_group_id" {
  description = "The nodes' group, for databases that let them in."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "log_group" {
  description = "The control plane's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "bill" {
  description = "What it is billed for. EC2 Spot prices and Auto Mode's surcharge float and are not in the price book: those lines read no price."
  value = concat(
    [
      { what = "Kubernetes control plane", sku = "eks.cluster", quantity = 1, hours_per_month = 730, basis = "configured", reported_by = "platform", min = null, max = null },
      { what = "Control-plane logs, ingestion", sku = "cw.logs.ingest", quantity = var.usage.log_gb, hours_per_month = 730, basis = "assumed: usage.log_gb", reported_by = "terraform", min = null, max = null },
    ],
    [for line in [
      { what = "Nodes of Auto Mode", sku = "ec2.m5.large", quantity = var.usage.auto_nodes, hours_per_month = 730, basis = "assumed: usage.auto_nodes as m5.large", reported_by = "platform", min = null, max = null },
      { what = "Auto Mode, surcharge", sku = "eks.auto.m5.large", quantity = var.usage.auto_nodes, hours_per_month = 730, basis = "assumed: usage.auto_nodes as m5.large", reported_by = "terraform", min = null, max = null },
    ] : line if length(var.node_pools) > 0],
    [for line in var.spot_nodes == null ? [] : [var.spot_nodes] :
      { what = "Spot nodes", sku = "ec2.spot.${line.instance_types[0]}", quantity = line.desired, hours_per_month = var.hours_per_month, basis = "configured", reported_by = "platform", min = line.min, max = line.max }
    ],
  )
}
