# Two policies for people and pipelines: one looks, one also changes. Each action stands beside the feature that uses it.

locals {
  arn = "arn:aws:%s:${var.region}:${var.account}:%s"

  resources = {
    any         = ["*"]
    service     = [for c in var.clusters : format(local.arn, "ecs", "service/${c}/*")]
    tasks       = [for c in var.clusters : format(local.arn, "ecs", "task/${c}/*")]
    deployments = flatten([for c in var.clusters : [for kind in ["service", "service-deployment", "service-revision"] : format(local.arn, "ecs", "${kind}/${c}/*")]])

    repositories = var.repository_arns
    roles        = var.role_arns
    logs         = flatten([for p in var.log_group_prefixes : [format(local.arn, "logs", "log-group:${p}*"), format(local.arn, "logs", "log-group:${p}*:*")]])
    codedeploy   = var.codedeploy_application == null ? [] : [format(local.arn, "codedeploy", "application:${var.codedeploy_application}"), format(local.arn, "codedeploy", "deploymentgroup:${var.codedeploy_application}/*"), format(local.arn, "codedeploy", "deploymentconfig:*")]
    lock         = var.has_lock ? ["arn:aws:s3:::${var.lock_bucket}/opsconsole/*"] : []
    lock_bucket  = var.has_lock ? ["arn:aws:s3:::${var.lock_bucket}"] : []
    key          = var.has_key ? [var.kms_key_arn] : []
    instances    = var.instance_tag == null ? [] : [format(local.arn, "ec2", "instance/*"), "arn:aws:ssm:${var.region}::document/AWS-RunShellScript"]
  }

  conditions = {
    roles     = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
    instances = var.instance_tag == null ? null : { StringEqualsIfExists = { "ssm:resourceTag/${var.instance_tag.key}" = var.instance_tag.value } }
  }

  # A feature without resources (no CodeDeploy, no lock) gets no statement, never one for everything.
  statements = { for kind, table in { read_only = local.read_only, operator = merge(local.read_only, local.operator) } : kind => [
    for feature, row in table : merge(
      { Sid = replace(title(replace(feature, "/[^a-zA-Z]+/", " ")), " ", ""), Effect = "Allow", Action = row.actions, Resource = local.resources[row.scope] },
      { for key, condition in { Condition = try(local.conditions[row.scope], null) } : key => condition if condition != null },
    ) if contains(["any"], row.scope) || length(local.known[row.scope]) > 0
  ] }

  # Whether a scope has resources, from what is known before any of them exists.
  known = {
    any          = [1]
    service      = var.clusters
    tasks        = var.clusters
    deployments  = var.clusters
    repositories = var.repository_arns
    roles        = var.role_arns
    logs         = var.log_group_prefixes
    codedeploy   = var.codedeploy_application == null ? [] : [1]
    lock         = var.has_lock ? [1] : []
    lock_bucket  = var.has_lock ? [1] : []
    key          = var.has_key ? [1] : []
    instances    = var.instance_tag == null ? [] : [1]
  }
}

resource "aws_iam_policy" "read_only" {
  name        = "${var.name}-console-read-only"
  description = "opsconsole: look"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.statements.read_only })
}

resource "aws_iam_policy" "operator" {
  name        = "${var.name}-console-operator"
  description = "opsconsole: look, deploy, roll back"
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.statements.operator })
}
