# The smallest system: one instance in the default VPC, systemd, Postgres on RDS, three buckets. With `scaling` a group of
# instances behind a load balancer.

locals {
  prefix  = module.context.prefix
  scales  = var.scaling != null
  has_tls = local.scales && (var.domain_name != null || var.certificate_arn != null)
  url     = local.scales ? coalesce(module.edge.url, module.alb[0].url) : module.service.url
}

# The account's own network, as the document has it: nothing to build, nothing to pay for NAT.
data "aws_vpc" "default" {
  default = true
}

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }

  filter {
    name   = "default-for-az"
    values = ["true"]
  }
}

module "context" {
  source = "../../modules/context"

  name        = var.name
  environment = var.environment
  region      = var.region
  stack       = "ec2"
  owner       = var.owner
  cost_center = var.cost_center
  off_hours   = var.off_hours
}

module "kms" {
  source = "../../modules/kms"

  name    = local.prefix
  account = var.account_id
  region  = var.region
}

module "buckets" {
  source = "../../modules/s3-buckets"

  name          = local.prefix
  account       = var.account_id
  kms_key_arn   = module.kms.arn
  force_destroy = !module.context.is_production
  usage         = { stored_gb = var.usage.stored_gb }
  buckets = {
    logs      = { expire_days = 30, load_balancer_logs = true }
    artifacts = { expire_days = 365 }
    content   = {}
  }
}

# Empty until someone puts the values in: they never pass through Terraform.
module "secrets" {
  source = "../../modules/secrets"

  name          = local.prefix
  kms_key_arn   = module.kms.arn
  recovery_days = module.context.is_production ? 30 : 0
  secrets       = { for name, purpose in var.api_keys : name => { description = purpose } }
}

module "database" {
  source = "../../modules/rds-postgres"

  name                      = "${local.prefix}-db"
  vpc_id                    = data.aws_vpc.default.id
  subnet_ids                = data.aws_subnets.default.ids
  client_security_group_ids = { app = module.service.security_group_id }
  is_production             = module.context.is_production
  instance_class            = var.database.instance_class
  storage_gb                = var.database.storage_gb
  hours_per_month           = module.context.hours_per_month
  kms_key_arn               = module.kms.arn
}

module "edge" {
  source = "../../modules/edge"

  name        = local.prefix
  domain_name = local.scales ? var.domain_name : null
  zone_id     = var.zone_id
  alias       = local.scales ? { dns_name = module.alb[0].dns_name, zone_id = module.alb[0].zone_id } : null
  waf         = local.scales ? var.waf : null
  kms_key_arn = module.kms.arn
}

module "alb" {
  source = "../../modules/alb"
  count  = local.scales ? 1 : 0

  name               = local.prefix
  vpc_id             = data.aws_vpc.default.id
  vpc_cidr           = data.aws_vpc.default.cidr_block
  subnet_ids         = slice(data.aws_subnets.default.ids, 0, 2)
  certificate_arn    = var.certificate_arn != null ? var.certificate_arn : module.edge.certificate_arn
  has_certificate    = local.has_tls
  is_production      = module.context.is_production
  access_logs_bucket = module.buckets.names["logs"]
  has_waf            = var.waf != null
  waf_acl_arn        = module.edge.waf_acl_arn
  target_groups      = { api = { port = var.container_port, target_type = "instance" } }
  usage              = { lcu = var.usage.lcu, data_out_gb = var.usage.data_out_gb }
}

module "service" {
  source = "../../modules/ec2-service"

  name               = local.prefix
  environment        = var.environment
  region             = var.region
  is_production      = module.context.is_production
  vpc_id             = data.aws_vpc.default.id
  subnet_ids         = data.aws_subnets.default.ids
  release            = var.release
  port               = var.container_port
  instance_type      = var.instance_type
  architecture       = var.architecture
  ingress_cidrs      = var.ingress_cidrs
  ssh_cidrs          = var.ssh_cidrs
  key_name           = var.key_name
  kms_key_arn        = module.kms.arn
  log_retention_days = var.log_retention_days
  hours_per_month    = module.context.hours_per_month
  secrets            = module.secrets.arns
  usage              = { log_gb = var.usage.log_gb, data_out_gb = local.scales ? 0 : var.usage.data_out_gb }

  buckets = {
    logs      = module.buckets.names["logs"]
    artifacts = module.buckets.names["artifacts"]
    content   = module.buckets.names["content"]
  }

  database = { url = module.database.url, secret_arn = module.database.secret_arn }

  scaling = !local.scales ? null : {
    min                             = var.scaling.min
    max                             = var.scaling.max
    cpu                             = var.scaling.cpu
    target_group_arn                = module.alb[0].target_groups["api"]
    load_balancer_security_group_id = module.alb[0].security_group_id
  }
}

# A group scales to its own clock; one instance and the database are stopped and started.
module "off_hours" {
  source = "../../modules/off-hours"
  count  = module.context.off_hours != null && !local.scales ? 1 : 0

  name                 = local.prefix
  account              = var.account_id
  region               = var.region
  off_hours            = module.context.off_hours
  instance_ids         = { app = module.service.instance_id }
  database_identifiers = { db = "${local.prefix}-db" }
}

module "observability" {
  source = "../../modules/observability"

  name                = local.prefix
  region              = var.region
  account             = var.account_id
  kms_key_arn         = module.kms.arn
  thresholds          = var.thresholds
  emails              = var.alarm_emails
  slack               = var.slack
  has                 = { instances = true, load_balancer = local.scales, database = true }
  load_balancer       = local.scales ? { suffix = module.alb[0].arn_suffix, target_groups = module.alb[0].target_group_suffixes } : null
  target_group_keys   = local.scales ? ["api"] : []
  database            = "${local.prefix}-db"
  instances           = local.scales ? { dimension = "AutoScalingGroupName", value = local.prefix } : { dimension = "InstanceId", value = module.service.instance_id }
  has_error_log_group = true
  error_log_group     = module.service.log_group
}

module "budget" {
  source = "../../modules/budget"
  count  = var.budget_usd == null ? 0 : 1

  name      = local.prefix
  limit_usd = var.budget_usd
  cost_tag  = { key = "CostScope", value = local.prefix }
  emails    = var.alarm_emails
  has_topic = true
  topic_arn = module.observability.topic_arn
}

module "backup" {
  source = "../../modules/backup"

  name          = local.prefix
  account       = var.account_id
  kms_key_arn   = module.kms.arn
  resource_arns = { database = module.database.arn }
  has_topic     = true
  topic_arn     = module.observability.topic_arn
}

module "console_access" {
  source = "../../modules/console-access"

  name               = local.prefix
  account            = var.account_id
  region             = var.region
  instance_tag       = { key = "CostScope", value = local.prefix }
  log_group_prefixes = ["/ec2/${local.prefix}"]
  has_lock           = true
  lock_bucket        = module.buckets.names["artifacts"]
  has_key            = true
  kms_key_arn        = module.kms.arn
}

module "contract" {
  source = "../../modules/contract"

  stack       = "ec2"
  name        = var.name
  environment = var.environment
  production  = module.context.is_production
  region      = var.region
  account     = var.account_id
  platform    = "ec2"
  tags        = module.context.tags
  target = {
    instance_tag_key   = "CostScope"
    instance_tag_value = local.prefix
    systemd_unit       = module.service.systemd_unit
  }
  log_groups    = { api = module.service.log_group }
  target_groups = local.scales ? module.alb[0].target_groups : {}
  alarms        = { prefix = "${local.prefix}-", names = module.observability.alarm_names, topic_arn = module.observability.topic_arn }
  lock          = { bucket = module.buckets.names["artifacts"] }
  console_access = {
    read_only_policy_arn = module.console_access.read_only_policy_arn
    operator_policy_arn  = module.console_access.operator_policy_arn
  }
  urls = {
    app       = local.url
    health    = "${local.url}/health"
    dashboard = module.observability.dashboard_url
    runbook   = var.runbook_url
  }
  bill = concat(
    module.service.bill,
    module.database.bill,
    module.buckets.bill,
    module.observability.bill,
    module.secrets.bill,
    module.kms.bill,
    module.edge.bill,
    flatten(module.alb[*].bill),
    module.backup.bill,
  )
}
