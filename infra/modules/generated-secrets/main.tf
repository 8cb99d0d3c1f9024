# Passwords that nobody has seen: made by Secrets Manager, sent once, in neither plan nor state. A module of its own,
# because ephemeral resources cannot be mocked: what uses it is tested against the simulator.

ephemeral "aws_secretsmanager_random_password" "this" {
  for_each = var.secrets

  password_length     = var.length
  exclude_punctuation = true
}

module "secrets" {
  source = "../secrets"

  name          = var.name
  secrets       = { for name, purpose in var.secrets : name => { description = purpose } }
  kms_key_arn   = var.kms_key_arn
  recovery_days = var.recovery_days
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = var.secrets

  secret_id = module.secrets.arns[each.key]

  # Write-only. A higher version would make a new value; rotation is for that.
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  secret_string_wo_version = 1
}
