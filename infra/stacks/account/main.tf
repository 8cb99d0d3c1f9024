# Once per account, before any of the five systems: where state lives, who did what, and who may apply from a pipeline.

module "context" {
  source = "../../modules/context"

  name        = var.name
  environment = var.environment
  region      = var.region
  stack       = "account"
}

module "kms" {
  source = "../../modules/kms"

  name    = module.context.prefix
  account = var.account_id
  region  = var.region
}

module "state" {
  source = "../../modules/state"

  name                = "${var.name}-state"
  account             = var.account_id
  kms_key_arn         = module.kms.arn
  dynamodb_lock_table = var.dynamodb_lock_table
}

module "baseline" {
  source = "../../modules/baseline"

  name        = var.name
  account     = var.account_id
  kms_key_arn = module.kms.arn
  guardduty   = var.guardduty
}

module "ci" {
  source = "../../modules/ci-oidc"
  count  = var.ci_subjects == null ? 0 : 1

  name              = var.name
  account           = var.account_id
  subjects          = var.ci_subjects
  state_bucket_arn  = "arn:aws:s3:::${module.state.bucket}"
  apply_policy_arns = var.apply_policy_arns
}
