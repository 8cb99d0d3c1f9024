output "arn" {
  description = "The load balancer."
  value       = aws_lb.this.arn
}

output "arn_suffix" {
  description = "Its name in CloudWatch dimensions."
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "Where it answers."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Its zone, for alias records."
  value       = aws_lb.this.zone_id
}

output "url" {
  description = "Where it answers, as a URL."
  value       = "${local.has_tls ? "https" : "http"}://${aws_lb.this.dns_name}"
}

output "security_group_id" {
  description = "The only group that tasks take calls from."
  value       = aws_security_group.this.id
}

output "target_groups" {
  description = "Name → ARN."
  value       = { for name, group in aws_lb_target_group.this : name => group.arn }

  # A group that no listener leads to is refused by ECS.
  depends_on = [aws_lb_listener.http, aws_lb_listener.https, aws_lb_listener_rule.path]
}

output "target_group_suffixes" {
  description = "Name → its name in CloudWatch dimensions."
  value       = { for name, group in aws_lb_target_group.this : name => group.arn_suffix }
}

output "target_group_names" {
  description = "Name → the group's own name."
  value       = { for name, group in aws_lb_target_group.this : name => group.name }
}

output "green_target_groups" {
  description = "Name → ARN of the second group."
  value       = { for name, group in aws_lb_target_group.green : name => group.arn }
}

output "green_target_group_names" {
  description = "Name → the second group's own name."
  value       = { for name, group in aws_lb_target_group.green : name => group.name }
}

output "listener_arn" {
  description = "The listener that serves requests."
  value       = local.listener_arn
}

output "test_listener_arn" {
  description = "The listener for blue/green hooks."
  value       = one(aws_lb_listener.test[*].arn)
}

output "bill" {
  description = "What it is billed for. What the console sees of a load balancer itself is marked, so that nobody counts it twice."
  value = [
    { what = "Load balancer", sku = "alb.hour", quantity = 1, basis = "configured", reported_by = "platform" },
    { what = "Load balancer, capacity units", sku = "alb.lcu", quantity = var.usage.lcu, basis = "assumed: usage.lcu", reported_by = "platform" },
    { what = "Public IPv4 of the load balancer", sku = "ipv4.public", quantity = length(var.subnet_ids), basis = "configured: one per zone", reported_by = "platform" },
    { what = "Data to the internet", sku = "dt.out", quantity = var.usage.data_out_gb, basis = "assumed: usage.data_out_gb" },
  ]
}
