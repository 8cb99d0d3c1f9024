# The only thing that the world can reach: 80 leads to 443, paths lead to target groups.

locals {
  has_tls  = var.has_certificate != null ? var.has_certificate : var.certificate_arn != null
  fallback = one([for name, group in var.target_groups : name if length(group.path_patterns) == 0])
  by_path  = { for name, group in var.target_groups : name => group if length(group.path_patterns) > 0 }
  greens   = { for name, group in var.target_groups : name => group if group.green }
  ports    = toset([for group in var.target_groups : tostring(group.port)])

  # AWS allows 32 characters. A longer name keeps its end, which tells the groups of one load balancer apart, and a sum of
  # the whole, which tells two systems apart.
  group_endings = merge({ for key, group in var.target_groups : key => "-${key}" }, { for key, group in local.greens : "${key}-green" => "-${key}-green" })
  group_names = { for key, ending in local.group_endings : key => length("${var.name}${ending}") <= 32 ? "${var.name}${ending}" : (
    "${substr(var.name, 0, max(1, 25 - length(ending)))}-${substr(md5(var.name), 0, 6)}${ending}"
  ) }

  # What serves requests: HTTPS where there is a certificate.
  listener_arn = local.has_tls ? aws_lb_listener.https[0].arn : aws_lb_listener.http.arn
}

resource "aws_security_group" "this" {
  name        = "${var.name}-alb"
  description = "Load balancer: HTTP and HTTPS in, tasks out"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-alb" }
}

resource "aws_vpc_security_group_ingress_rule" "public" {
  for_each = { for pair in setproduct(local.has_tls ? [80, 443] : [80], var.ingress_cidrs) : "${pair[0]} ${pair[1]}" => { port = pair[0], cidr = pair[1] } }

  security_group_id = aws_security_group.this.id
  description       = "Port ${each.value.port}"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "test" {
  count = length(local.greens) > 0 ? length(var.test_ingress_cidrs) : 0

  security_group_id = aws_security_group.this.id
  description       = "Blue/green test listener"
  cidr_ipv4         = var.test_ingress_cidrs[count.index]
  ip_protocol       = "tcp"
  from_port         = var.test_listener_port
  to_port           = var.test_listener_port
}

resource "aws_vpc_security_group_egress_rule" "targets" {
  for_each = local.ports

  security_group_id = aws_security_group.this.id
  description       = "Tasks"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = tonumber(each.value)
  to_port           = tonumber(each.value)
}

resource "aws_lb" "this" {
  #checkov:skip=CKV2_AWS_76:the edge module's ACL has the known-bad-inputs rules, which hold Log4j; checkov cannot follow it
  name                             = var.name
  load_balancer_type               = "application"
  internal                         = false # the front door
  security_groups                  = [aws_security_group.this.id]
  subnets                          = var.subnet_ids
  enable_cross_zone_load_balancing = true
  drop_invalid_header_fields       = true
  enable_deletion_protection       = var.is_production
  idle_timeout                     = var.idle_timeout

  dynamic "access_logs" {
    for_each = var.access_logs_bucket == null ? [] : [var.access_logs_bucket]
    content {
      bucket  = access_logs.value
      prefix  = "alb"
      enabled = true
    }
  }
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it only the tasks' security group is reachable
  for_each = var.target_groups

  name                 = local.group_names[each.key]
  vpc_id               = var.vpc_id
  port                 = each.value.port
  protocol             = "HTTP"
  target_type          = each.value.target_type
  deregistration_delay = each.value.deregistration_delay

  health_check {
    path                = each.value.health_path
    matcher             = each.value.matcher
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_target_group" "green" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it only the tasks' security group is reachable
  for_each = local.greens

  name                 = local.group_names["${each.key}-green"]
  vpc_id               = var.vpc_id
  port                 = each.value.port
  protocol             = "HTTP"
  target_type          = each.value.target_type
  deregistration_delay = each.value.deregistration_delay

  health_check {
    path                = each.value.health_path
    matcher             = each.value.matcher
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

# With a certificate it only redirects; without one (never in production) it serves.
resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2:it redirects to HTTPS where there is a certificate, and production is refused without
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = local.has_tls ? "redirect" : "forward"
    target_group_arn = local.has_tls ? null : aws_lb_target_group.this[local.fallback].arn

    dynamic "redirect" {
      for_each = local.has_tls ? [1] : []
      content {
        port        = "443"
        protocol    = "HTTPS"
        status_code = "HTTP_301"
      }
    }
  }

  # CodeDeploy moves the listener between blue and green.
  lifecycle {
    ignore_changes = [default_action[0].target_group_arn]
  }
}

resource "aws_lb_listener" "https" {
  count = local.has_tls ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = var.tls_policy
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[local.fallback].arn
  }

  lifecycle {
    ignore_changes = [default_action[0].target_group_arn]
  }
}

resource "aws_lb_listener" "test" {
  count = length(local.greens) > 0 ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = var.test_listener_port
  protocol          = local.has_tls ? "HTTPS" : "HTTP"
  ssl_policy        = local.has_tls ? var.tls_policy : null
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[local.fallback].arn
  }

  lifecycle {
    ignore_changes = [default_action[0].target_group_arn]
  }
}

resource "aws_lb_listener_rule" "path" {
  for_each = local.by_path

  listener_arn = local.listener_arn
  priority     = each.value.priority

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.key].arn
  }

  condition {
    path_pattern {
      values = each.value.path_patterns
    }
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  count = var.has_waf ? 1 : 0

  resource_arn = aws_lb.this.arn
  web_acl_arn  = var.waf_acl_arn
}
