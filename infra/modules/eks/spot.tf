# Spot nodes, of several types so that one that runs out does not take all, off at night.

resource "aws_launch_template" "spot" {
  count = var.spot_nodes == null ? 0 : 1

  name = "${var.name}-spot"

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = 30
      volume_type = "gp3"
      encrypted   = true
    }
  }
}

resource "aws_eks_node_group" "spot" {
  count = var.spot_nodes == null ? 0 : 1

  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "${var.name}-spot"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = var.subnet_ids
  capacity_type   = "SPOT"
  instance_types  = var.spot_nodes.instance_types
  labels          = { capacity = "spot" }

  scaling_config {
    min_size     = var.spot_nodes.min
    desired_size = var.spot_nodes.desired
    max_size     = var.spot_nodes.max
  }

  launch_template {
    id      = aws_launch_template.spot[0].id
    version = aws_launch_template.spot[0].latest_version
  }

  update_config {
    max_unavailable = 1
  }

  lifecycle {
    # The clock and the autoscaler move them.
    ignore_changes = [scaling_config]
  }

  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.this]
}

resource "aws_autoscaling_schedule" "off" {
  count = var.spot_nodes != null && var.off_hours != null ? 1 : 0

  scheduled_action_name  = "${var.name}-off"
  autoscaling_group_name = aws_eks_node_group.spot[0].resources[0].autoscaling_groups[0].name
  recurrence             = var.off_hours.stop_unix
  time_zone              = var.off_hours.timezone
  min_size               = 0
  desired_capacity       = 0
  max_size               = 0
}

resource "aws_autoscaling_schedule" "on" {
  count = var.spot_nodes != null && var.off_hours != null ? 1 : 0

  scheduled_action_name  = "${var.name}-on"
  autoscaling_group_name = aws_eks_node_group.spot[0].resources[0].autoscaling_groups[0].name
  recurrence             = var.off_hours.start_unix
  time_zone              = var.off_hours.timezone
  min_size               = var.spot_nodes.min
  desired_capacity       = var.spot_nodes.desired
  max_size               = var.spot_nodes.max
}
