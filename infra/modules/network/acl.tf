# A second, stateless layer under the security groups: what could never be right stays out even when a group is wrong.

locals {
  # Rule number → what. Stateless: answers to calls going out come back on the ephemeral ports.
  public_in = {
    100 = { from = 80, to = 80, cidr = "0.0.0.0/0" }
    110 = { from = 443, to = 443, cidr = "0.0.0.0/0" }
    120 = { from = 1024, to = 65535, cidr = "0.0.0.0/0" }
    130 = { from = 0, to = 65535, cidr = var.cidr }
  }
  private_in = {
    100 = { from = 0, to = 65535, cidr = var.cidr }
    110 = { from = 1024, to = 65535, cidr = "0.0.0.0/0" }
  }
  data_in = {
    100 = { from = 5432, to = 5432, cidr = var.cidr }
    110 = { from = 6379, to = 6379, cidr = var.cidr }
    120 = { from = 2049, to = 2049, cidr = var.cidr }
    130 = { from = 1024, to = 65535, cidr = var.cidr }
  }
}

resource "aws_network_acl" "public" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = aws_subnet.public[*].id

  tags = { Name = "${var.name}-public" }
}

resource "aws_network_acl" "private" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = aws_subnet.private[*].id

  tags = { Name = "${var.name}-private" }
}

resource "aws_network_acl" "data" {
  count = length(var.subnets.data) > 0 ? 1 : 0

  vpc_id     = aws_vpc.this.id
  subnet_ids = aws_subnet.data[*].id

  tags = { Name = "${var.name}-data" }
}

resource "aws_network_acl_rule" "public_in" {
  #checkov:skip=CKV_AWS_231:3389 is among the ephemeral ports that answers come back on; nothing listens
  #checkov:skip=CKV_AWS_352:all ports are for the VPC itself
  for_each = local.public_in

  network_acl_id = aws_network_acl.public.id
  rule_number    = each.key
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = each.value.cidr
  from_port      = each.value.from
  to_port        = each.value.to
}

resource "aws_network_acl_rule" "private_in" {
  #checkov:skip=CKV_AWS_231:3389 is among the ephemeral ports that answers come back on; nothing listens
  #checkov:skip=CKV_AWS_352:all ports are for the VPC itself
  for_each = local.private_in

  network_acl_id = aws_network_acl.private.id
  rule_number    = each.key
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = each.value.cidr
  from_port      = each.value.from
  to_port        = each.value.to
}

# DNS answers and traces inside the VPC are UDP.
resource "aws_network_acl_rule" "udp_inside" {
  #checkov:skip=CKV_AWS_352:for the VPC itself
  for_each = { public = aws_network_acl.public.id, private = aws_network_acl.private.id }

  network_acl_id = each.value
  rule_number    = 200
  protocol       = "udp"
  rule_action    = "allow"
  cidr_block     = var.cidr
  from_port      = 0
  to_port        = 65535
}

resource "aws_network_acl_rule" "data_in" {
  for_each = length(var.subnets.data) > 0 ? local.data_in : {}

  network_acl_id = aws_network_acl.data[0].id
  rule_number    = each.key
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = each.value.cidr
  from_port      = each.value.from
  to_port        = each.value.to
}

resource "aws_network_acl_rule" "out" {
  for_each = { public = aws_network_acl.public.id, private = aws_network_acl.private.id }

  network_acl_id = each.value
  rule_number    = 100
  egress         = true
  protocol       = "-1"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
}

resource "aws_network_acl_rule" "data_out" {
  count = length(var.subnets.data) > 0 ? 1 : 0

  network_acl_id = aws_network_acl.data[0].id
  rule_number    = 100
  egress         = true
  protocol       = "-1"
  rule_action    = "allow"
  cidr_block     = var.cidr
}
