# The one output that the console reads: the same shape from every stack, checked here and described by
# docs/reference/terraform-contract.schema.json.

locals {
  # A line that can never cost anything is left out; bounds default to the quantity.
  lines = [for line in var.bill : {
    what            = line.what
    sku             = line.sku
    quantity        = line.quantity
    min             = coalesce(line.min, line.quantity)
    max             = coalesce(line.max, line.quantity)
    hours_per_month = line.hours_per_month
    basis           = line.basis
    reported_by     = line.reported_by
  } if coalesce(line.max, line.quantity) > 0]

  opsconsole = {
    contract         = "1.0"
    stack            = var.stack
    name             = var.name
    environment      = var.environment
    production       = var.production
    region           = var.region
    account          = var.account
    platform         = var.platform
    target           = var.target
    log_groups       = var.log_groups
    target_groups    = var.target_groups
    alarms           = var.alarms != null ? var.alarms : { prefix = "${var.name}-${var.environment}-", names = [], topic_arn = null }
    urls             = var.urls
    ecr_repositories = var.ecr_repositories
    lock             = var.lock
    console_access   = var.console_access
    tags             = var.tags
    bill             = { region = var.region, note = var.note, lines = local.lines }
  }
}
