# A Fargate service behind a load balancer, with everything CloudWatch offers around it.

locals {
  prefix       = module.context.prefix
  service_name = "${module.context.prefix}-api"
  has_tls      = var.domain_name != null || var.certificate_arn != null
  url          = coalesce(module.edge.url, module.alb.url)
}

module "context" {
  source = "../../modules/context"

  name        = var.name
  environment = var.environment
  region      = var.region
  stack       = "ecs-fargate"
  owner       = var.owner
  cost_center = var.cost_center
  vpc_cidr    = var.vpc_cidr
  az_count    = var.az_count
  size        = var.size
  off_hours   = var.off_hours
}

module "kms" {
  source = "../../modules/kms"

  name    = local.prefix
  account = var.account_id
  region  = var.region
}

module "network" {
  source = "../../modules/network"

  name                    = local.prefix
  cidr                    = var.vpc_cidr
  subnets                 = module.context.subnets
  nat                     = var.nat
  interface_endpoints     = var.interface_endpoints
  flow_log_retention_days = var.log_retention_days
  kms_key_arn             = module.kms.arn
  usage                   = { nat_gb = var.usage.nat_gb }
}

module "buckets" {
  source = "../../modules/s3-buckets"

  name          = local.prefix
  account       = var.account_id
  kms_key_arn   = module.kms.arn
  force_destroy = !module.context.is_production
  usage         = { stored_gb = 1 }
  buckets = {
    logs  = { expire_days = 30, load_balancer_logs = true }
    locks = {}
  }
}

module "edge" {
  source = "../../modules/edge"

  name        = local.prefix
  domain_name = var.domain_name
  zone_id     = var.zone_id
  alias       = { dns_name = module.alb.dns_name, zone_id = module.alb.zone_id }
  waf         = var.waf
  kms_key_arn = module.kms.arn
}

module "alb" {
  source = "../../modules/alb"

  name               = local.prefix
  vpc_id             = module.network.vpc_id
  vpc_cidr           = var.vpc_cidr
  subnet_ids         = module.network.public_subnet_ids
  certificate_arn    = var.certificate_arn != null ? var.certificate_arn : module.edge.certificate_arn
  has_certificate    = local.has_tls
  is_production      = module.context.is_production
  access_logs_bucket = module.buckets.names["logs"]
  has_waf            = var.waf != null
  waf_acl_arn        = module.edge.waf_acl_arn
  usage              = { lcu = var.usage.lcu, data_out_gb = var.usage.data_out_gb }

  target_groups = { for name, group in {
    api   = { port = var.container_port, path_patterns = [], priority = null, health_path = "/health", when = true }
    flags = { port = 4242, path_patterns = ["/flags", "/flags/*"], priority = 10, health_path = "/flags/health", when = var.flags }
  } : name => group if group.when }
}

module "ecr" {
  source = "../../modules/ecr"

  name         = local.prefix
  repositories = ["api"]
  kms_key_arn  = module.kms.arn
  force_delete = !module.context.is_production
}

module "cluster" {
  source = "../../modules/ecs-cluster"

  name               = local.prefix
  container_insights = var.container_insights
  kms_key_arn        = module.kms.arn
  log_retention_days = var.log_retention_days
}

module "database" {
  source = "../../modules/rds-postgres"
  count  = var.database == null ? 0 : 1

  name                      = "${local.prefix}-db"
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.data_subnet_ids
  client_security_group_ids = { api = module.service.security_group_id }
  is_production             = module.context.is_production
  instance_class            = var.database.instance_class
  storage_gb                = var.database.storage_gb
  hours_per_month           = module.context.hours_per_month
  kms_key_arn               = module.kms.arn
}

# The tasks are switched off by their own schedule; the database by this one.
module "off_hours" {
  source = "../../modules/off-hours"
  count  = module.context.off_hours != null && var.database != null ? 1 : 0

  name                 = local.prefix
  account              = var.account_id
  region               = var.region
  off_hours            = module.context.off_hours
  database_identifiers = { db = module.database[0].identifier }
}

module "cache" {
  source = "../../modules/redis"
  count  = var.cache ? 1 : 0

  name                      = "${local.prefix}-cache"
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.data_subnet_ids
  client_security_group_ids = { api = module.service.security_group_id }
  replicas                  = module.context.is_production ? 1 : 0
  kms_key_arn               = module.kms.arn
}

module "flags_database" {
  source = "../../modules/rds-postgres"
  count  = var.flags ? 1 : 0

  name                      = "${local.prefix}-flags"
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.data_subnet_ids
  client_security_group_ids = { flags = module.flags[0].security_group_id }
  is_production             = module.context.is_production
  database                  = "unleash"
  username                  = "unleash"
  kms_key_arn               = module.kms.arn
}

module "flags" {
  source = "../../modules/flags"
  count  = var.flags ? 1 : 0

  name                            = local.prefix
  region                          = var.region
  account                         = var.account_id
  cluster                         = { name = module.cluster.name, arn = module.cluster.arn }
  vpc_id                          = module.network.vpc_id
  vpc_cidr                        = var.vpc_cidr
  subnet_ids                      = module.network.private_subnet_ids
  target_group_arn                = module.alb.target_groups["flags"]
  load_balancer_security_group_id = module.alb.security_group_id
  kms_key_arn                     = module.kms.arn
  database = {
    host       = module.flags_database[0].address
    name       = "unleash"
    username   = "unleash"
    secret_arn = module.flags_database[0].secret_arn
  }
}

module "tracing" {
  source = "../../modules/tracing"
  count  = var.tracing == null ? 0 : 1

  region = var.region
  share  = var.tracing.share
}

module "service" {
  source = "../../modules/ecs-service"

  name               = local.service_name
  region             = var.region
  account            = var.account_id
  cluster            = { name = module.cluster.name, arn = module.cluster.arn }
  vpc_id             = module.network.vpc_id
  subnet_ids         = module.network.private_subnet_ids
  cpu                = module.context.size.cpu
  memory             = module.context.size.memory
  architecture       = var.architecture
  is_production      = module.context.is_production
  spot               = var.spot
  exec               = var.exec
  exec_log_group_arn = module.cluster.exec_log_group_arn
  kms_key_arn        = module.kms.arn
  log_retention_days = var.log_retention_days
  repository_arns    = values(module.ecr.arns)
  secret_arns        = concat(module.database[*].secret_arn, values(var.secrets))
  alarm_names        = module.observability.deployment_alarm_names
  off_hours          = module.context.off_hours
  hours_per_month    = module.context.hours_per_month
  usage              = { log_gb = var.usage.log_gb }

  load_balancers                  = { api = module.alb.target_groups["api"] }
  load_balancer_security_group_id = module.alb.security_group_id

  scaling = {
    min     = module.context.size.min
    desired = module.context.size.min
    max     = module.context.size.max
    cpu     = var.scaling_targets.cpu
    memory  = var.scaling_targets.memory
  }

  egress_rules = { for name, rule in {
    https    = { port = 443, cidr = "0.0.0.0/0", when = true }
    postgres = { port = 5432, cidr = var.vpc_cidr, when = var.database != null }
    redis    = { port = 6379, cidr = var.vpc_cidr, when = var.cache }
  } : name => { port = rule.port, cidr = rule.cidr } if rule.when }

  task_statements = flatten(module.tracing[*].statements)

  containers = concat([{
    name  = "api"
    image = var.image != null ? var.image : "${module.ecr.urls["api"]}:${var.image_tag}"
    port  = var.container_port
    tmpfs = ["/tmp"]
    environment = merge(
      {
        OPSCONSOLE_API_LISTEN      = "0.0.0.0:${var.container_port}"
        OPSCONSOLE_API_ENVIRONMENT = var.environment
        OPSCONSOLE_API_RELEASE     = var.image_tag
      },
      { for database in module.database : "OPSCONSOLE_API_DATABASE_URL" => database.url },
      { for cache in module.cache : "OPSCONSOLE_API_CACHE_URL" => cache.url },
      merge(module.tracing[*].environment...),
    )
    secrets = merge(var.secrets, { for database in module.database : "PGPASSWORD" => "${database.secret_arn}:password::" })
  }], module.tracing[*].container)
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
  has                 = { service = true, load_balancer = true, database = var.database != null }
  service             = { cluster = local.prefix, service = local.service_name }
  load_balancer       = { suffix = module.alb.arn_suffix, target_groups = module.alb.target_group_suffixes }
  target_group_keys   = ["api"]
  database            = var.database == null ? null : "${local.prefix}-db"
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
  count  = var.database == null ? 0 : 1

  name          = local.prefix
  account       = var.account_id
  kms_key_arn   = module.kms.arn
  resource_arns = { database = module.database[0].arn }
  has_topic     = true
  topic_arn     = module.observability.topic_arn
}

module "console_access" {
  source = "../../modules/console-access"

  name               = local.prefix
  account            = var.account_id
  region             = var.region
  clusters           = [local.prefix]
  role_arns          = [module.service.execution_role_arn, module.service.task_role_arn]
  repository_arns    = values(module.ecr.arns)
  log_group_prefixes = ["/ecs/${local.prefix}"]
  has_lock           = true
  lock_bucket        = module.buckets.names["locks"]
  has_key            = true
  kms_key_arn        = module.kms.arn
}

module "contract" {
  source = "../../modules/contract"

  stack       = "ecs-fargate"
  name        = var.name
  environment = var.environment
  production  = module.context.is_production
  region      = var.region
  account     = var.account_id
  platform    = "ecs"
  tags        = module.context.tags
  target = {
    cluster    = module.cluster.name
    service    = module.service.name
    container  = module.service.container
    deployment = module.service.deployment
  }
  log_groups       = merge({ api = module.service.log_group }, { for flags in module.flags : "flags" => flags.log_group })
  target_groups    = module.alb.target_groups
  alarms           = { prefix = "${local.prefix}-", names = module.observability.alarm_names, topic_arn = module.observability.topic_arn }
  ecr_repositories = module.ecr.urls
  lock             = { bucket = module.buckets.names["locks"] }
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
    module.alb.bill,
    module.network.bill,
    module.cluster.bill,
    module.ecr.bill,
    module.observability.bill,
    module.edge.bill,
    module.buckets.bill,
    module.kms.bill,
    flatten(module.database[*].bill),
    flatten(module.cache[*].bill),
    flatten(module.tracing[*].bill),
    flatten(module.flags[*].bill),
    flatten(module.flags_database[*].bill),
    flatten(module.backup[*].bill),
  )
}
