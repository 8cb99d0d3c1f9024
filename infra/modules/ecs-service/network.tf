# Who reaches the tasks (the load balancer, nobody else) and whom they reach.

resource "aws_security_group" "this" {
  name        = "${var.name}-tasks"
  description = "Tasks of ${var.name}: in from the load balancer only"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-tasks" }
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  for_each = var.has_load_balancer_group ? toset(keys(var.load_balancers)) : toset([])

  security_group_id            = aws_security_group.this.id
  description                  = "Load balancer to ${each.value}"
  referenced_security_group_id = var.load_balancer_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.by_name[each.value].port
  to_port                      = local.by_name[each.value].port
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = var.egress_rules

  security_group_id = aws_security_group.this.id
  description       = each.key
  cidr_ipv4         = each.value.cidr
  ip_protocol       = each.value.protocol
  from_port         = each.value.port
  to_port           = each.value.port
}
