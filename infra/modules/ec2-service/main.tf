# One instance (or a group of them) that runs the API under systemd. Everything it needs it fetches itself at boot:
# the release from the artifacts bucket, secrets from Secrets Manager. Nothing secret is in user_data.

data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${var.architecture}"
}

locals {
  scales       = var.scaling != null
  database_url = regex("^postgres://[^@]+@(?P<host>[^:/]+)", var.database.url)

  # cloud-init takes JSON after its header line, so no value can break out of its place.
  user_data = join("\n", ["#cloud-config", jsonencode({
    packages = ["jq", "amazon-cloudwatch-agent"]
    users    = ["default", { name = "opsconsole", system = true, shell = "/sbin/nologin", no_create_home = true }]
    write_files = [
      { path = "/etc/opsconsole-api/env", permissions = "0644", content = join("", [for name in sort(keys(local.settings)) : "${name}=${local.settings[name]}\n"]) },
      { path = "/etc/opsconsole-api/install.conf", permissions = "0644", content = join("", [for name in sort(keys(local.install)) : "${name}=${local.install[name]}\n"]) },
      { path = "/etc/opsconsole-api/secrets", permissions = "0600", content = join("", [for name in sort(keys(local.secret_lines)) : "${name} ${local.secret_lines[name]}\n"]) },
      { path = "/etc/systemd/system/opsconsole-api.service", permissions = "0644", content = file("${path.module}/files/opsconsole-api.service") },
      { path = "/usr/local/lib/opsconsole-api/fetch-secrets", permissions = "0755", content = file("${path.module}/files/fetch-secrets") },
      { path = "/usr/local/lib/opsconsole-api/install-release", permissions = "0755", content = file("${path.module}/files/install-release") },
      { path = "/usr/local/lib/opsconsole-api/verify", permissions = "0755", content = file("${path.module}/files/verify") },
      { path = "/opt/aws/amazon-cloudwatch-agent/etc/opsconsole-api.json", permissions = "0644", content = jsonencode(local.agent) },
    ]
    runcmd = [
      ["systemctl", "daemon-reload"],
      ["systemctl", "enable", "opsconsole-api"],
      ["/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl", "-a", "fetch-config", "-m", "ec2", "-s", "-c", "file:/opt/aws/amazon-cloudwatch-agent/etc/opsconsole-api.json"],
      ["/usr/local/lib/opsconsole-api/install-release", var.release],
    ]
  })])

  settings = {
    OPSCONSOLE_API_LISTEN       = "0.0.0.0:${var.port}"
    OPSCONSOLE_API_ENVIRONMENT  = var.environment
    OPSCONSOLE_API_RELEASE      = var.release
    OPSCONSOLE_API_DATABASE_URL = var.database.url
    CONTENT_BUCKET              = var.buckets.content
    AWS_REGION                  = var.region
  }

  install = {
    ARTIFACTS_BUCKET   = var.buckets.artifacts
    LOGS_BUCKET        = var.buckets.logs
    CONTENT_BUCKET     = var.buckets.content
    DATABASE_HOST      = local.database_url.host
    PORT               = tostring(var.port)
    AWS_DEFAULT_REGION = var.region
  }

  secret_lines = merge(var.secrets, { PGPASSWORD = "${var.database.secret_arn} password" })

  agent = {
    logs = { logs_collected = { files = { collect_list = [{
      file_path       = "/var/log/opsconsole-api/api.log"
      log_group_name  = aws_cloudwatch_log_group.this.name
      log_stream_name = "{instance_id}"
    }] } } }
  }
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
  user_data                   = local.user_data
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
  user_data              = base64encode(local.user_data)
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
