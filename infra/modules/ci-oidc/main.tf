# Pipelines without keys: a role that only plans for pull requests, a role that applies for a protected environment.

locals {
  host         = "token.actions.githubusercontent.com"
  provider_arn = "arn:aws:iam::${var.account}:oidc-provider/${local.host}"

  trust = { for role, subjects in var.subjects : role => jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = local.provider_arn }
      Condition = {
        StringEquals = { "${local.host}:aud" = "sts.amazonaws.com", "${local.host}:sub" = subjects }
      }
    }]
  }) }
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.create_provider ? 1 : 0

  url            = "https://${local.host}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  for_each = local.trust

  name                 = "${var.name}-ci-${each.key}"
  assume_role_policy   = each.value
  max_session_duration = 3600
}

# Everything can be looked at for a plan, no secret can be read for it.
resource "aws_iam_role_policy_attachment" "plan" {
  role       = aws_iam_role.this["plan"].name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

resource "aws_iam_role_policy" "state" {
  for_each = local.trust

  name = "state"
  role = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        { Sid = "Find", Effect = "Allow", Action = ["s3:ListBucket"], Resource = [var.state_bucket_arn] },
        { Sid = "Read", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${var.state_bucket_arn}/*"] },
        { Sid = "Lock", Effect = "Allow", Action = ["s3:PutObject", "s3:DeleteObject"], Resource = ["${var.state_bucket_arn}/*.tflock"] },
      ],
      each.key != "apply" ? [] : [{ Sid = "Write", Effect = "Allow", Action = ["s3:PutObject"], Resource = ["${var.state_bucket_arn}/*"] }],
      each.key != "plan" ? [] : [{ Sid = "NoSecrets", Effect = "Deny", Action = ["secretsmanager:GetSecretValue", "ssm:GetParameter", "ssm:GetParameters"], Resource = ["*"] }],
    )
  })
}

resource "aws_iam_role_policy_attachment" "apply" {
  for_each = toset(var.apply_policy_arns)

  role       = aws_iam_role.this["apply"].name
  policy_arn = each.value
}

resource "aws_iam_role_policy_attachment" "deploy" {
  count = var.has_deploy_policy ? 1 : 0

  role       = aws_iam_role.this["apply"].name
  policy_arn = var.deploy_policy_arn
}
