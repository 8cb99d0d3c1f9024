# A VPC in three tiers: public (load balancer, NAT), private (tasks), data (databases, no way out).

data "aws_availability_zones" "this" {
  #checkov:skip=CKV_AWS_394:the first two or three are taken, so a new zone changes nothing
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  zones  = slice(data.aws_availability_zones.this.names, 0, length(var.subnets.public))
  nats   = { none = 0, single = 1, per-az = length(var.subnets.public) }[var.nat]
  region = replace(local.zones[0], "/[a-z]$/", "")
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# The default group lets everything in it talk to everything: emptied, so that nothing leans on it.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  count = length(var.subnets.public)

  vpc_id                  = aws_vpc.this.id
  cidr_block              = var.subnets.public[count.index]
  availability_zone       = local.zones[count.index]
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-public-${count.index + 1}", "kubernetes.io/role/elb" = "1" }
}

resource "aws_subnet" "private" {
  count = length(var.subnets.private)

  vpc_id            = aws_vpc.this.id
  cidr_block        = var.subnets.private[count.index]
  availability_zone = local.zones[count.index]

  tags = { Name = "${var.name}-private-${count.index + 1}", "kubernetes.io/role/internal-elb" = "1" }
}

resource "aws_subnet" "data" {
  count = length(var.subnets.data)

  vpc_id            = aws_vpc.this.id
  cidr_block        = var.subnets.data[count.index]
  availability_zone = local.zones[count.index]

  tags = { Name = "${var.name}-data-${count.index + 1}" }
}

resource "aws_eip" "nat" {
  count = local.nats

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${count.index + 1}" }
}

resource "aws_nat_gateway" "this" {
  count = local.nats

  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = aws_subnet.public[count.index].id

  tags = { Name = "${var.name}-${count.index + 1}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  count = length(var.subnets.public)

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

# One table a zone, also with a single NAT gateway, so that going to per-az later replaces routes and not tables.
resource "aws_route_table" "private" {
  count = length(var.subnets.private)

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${count.index + 1}" }
}

resource "aws_route" "nat" {
  count = local.nats == 0 ? 0 : length(var.subnets.private)

  route_table_id         = aws_route_table.private[count.index].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[min(count.index, local.nats - 1)].id
}

resource "aws_route_table_association" "private" {
  count = length(var.subnets.private)

  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[count.index].id
}

# No route out at all.
resource "aws_route_table" "data" {
  count = length(var.subnets.data) > 0 ? 1 : 0

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-data" }
}

resource "aws_route_table_association" "data" {
  count = length(var.subnets.data)

  subnet_id      = aws_subnet.data[count.index].id
  route_table_id = aws_route_table.data[0].id
}
