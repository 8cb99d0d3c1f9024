# One instance (or a group of them) that runs the API under systemd. Everything it needs it fetches itself at boot:
# the release from the artifacts bucket, secrets from Secrets Manager.

data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${var.architecture}"
}

locals {
  scales = var.scaling != null
}

module "user_data" {
  source = "../user-data"

  environment = var.environment
  region      = var.region
  release     = var.release
  port        = var.port
  buckets     = var.buckets
  database    = var.database
  secrets     = var.secrets
  log_group   = aws_cloudwatch_log_group.this.name
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:seven days are what the documents ask for; the retention is a variable
  name              = "/ec2/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_security_group" "this" {
  name        = "${var.name}-app"
  description = "The program's port"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-app" }
}

resource "aws_vpc_security_group_ingress_rule" "app" {
  for_each = local.scales ? toset([]) : toset(var.ingress_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "The program"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = var.port
  to_port           = var.port

  lifecycle {
    precondition {
      condition     = !var.is_production || each.value != "0.0.0.0/0"
      error_message = "Production without TLS: put a load balancer with a certificate in front (scaling), instead of opening port ${var.port} to the world."
    }
  }
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  count = local.scales ? 1 : 0

  security_group_id            = aws_security_group.this.id
  description                  = "Load balancer"
  referenced_security_group_id = var.scaling.load_balancer_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each = toset(var.ssh_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "SSH"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = { https = { port = 443, cidr = "0.0.0.0/0" }, postgres = { port = 5432, cidr = "172.16.0.0/12" }, postgres-10 = { port = 5432, cidr = "10.0.0.0/8" } }

  security_group_id = aws_security_group.this.id
  description       = each.key
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_instance" "this" {
  #checkov:skip=CKV_AWS_88:the smallest system has no load balancer: the instance itself answers
  count = local.scales ? 0 : 1

  ami                         = data.aws_ssm_parameter.ami.value
  instance_type               = var.instance_type
  subnet_id                   = var.subnet_ids[0]
  vpc_security_group_ids      = [aws_security_group.this.id]
  iam_instance_profile        = aws_iam_instance_profile.this.name
  key_name                    = var.key_name
  associate_public_ip_address = true
  monitoring                  = true
  ebs_optimized               = true
  user_data                   = module.user_data.user_data
  user_data_replace_on_change = true

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_size = var.disk_gb
    volume_type = "gp3"
    encrypted   = true
    kms_key_id  = var.kms_key_arn
  }

  tags = { Name = var.name }

  lifecycle {
    # A newer image must not replace a running machine; replace it on purpose (terraform apply -replace).
    ignore_changes = [ami]
  }
}

resource "aws_launch_template" "this" {
  count = local.scales ? 1 : 0

  name                   = var.name
  image_id               = data.aws_ssm_parameter.ami.value
  instance_type          = var.instance_type
  vpc_security_group_ids = [aws_security_group.this.id]
  user_data              = base64encode(module.user_data.user_data)
  ebs_optimized          = true

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  monitoring {
    enabled = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = var.disk_gb
      volume_type = "gp3"
      encrypted   = true
      kms_key_id  = var.kms_key_arn
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = var.name }
  }
}

resource "aws_autoscaling_group" "this" {
  count = local.scales ? 1 : 0

  name                      = var.name
  min_size                  = var.scaling.min
  max_size                  = var.scaling.max
  vpc_zone_identifier       = var.subnet_ids
  target_group_arns         = [var.scaling.target_group_arn]
  health_check_type         = "ELB"
  health_check_grace_period = 180

  launch_template {
    id      = aws_launch_template.this[0].id
    version = aws_launch_template.this[0].latest_version
  }

  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 100
      auto_rollback          = true
    }
  }

  tag {
    key                 = "Name"
    value               = var.name
    propagate_at_launch = true
  }
}

resource "aws_autoscaling_policy" "cpu" {
  count = local.scales ? 1 : 0

  name                   = "${var.name}-cpu"
  autoscaling_group_name = aws_autoscaling_group.this[0].name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.scaling.cpu

    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}
