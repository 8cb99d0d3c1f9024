# The whole lab in one Fargate task: API, Postgres, Prometheus and Grafana, their data on EFS. With `autoscaling` the API
# becomes a service of its own with RDS, and what owns its data stays a single task.

locals {
  prefix  = module.context.prefix
  has_tls = var.domain_name != null || var.certificate_arn != null
  url     = coalesce(module.edge.url, module.alb.url)
  image   = var.image != null ? var.image : "${module.ecr.urls["api"]}:${var.image_tag}"

  in_task  = var.database == "container"
  split    = var.autoscaling != null
  api_name = "${module.context.prefix}-api"

  # Name of the variable → dashboard, zipped.
  dashboards = {
    for file in fileset("${path.module}/config/dashboards", "*.json") :
    "DASHBOARD_${upper(trimsuffix(file, ".json"))}" => base64gzip(replace(replace(
      jsonencode(jsondecode(file("${path.module}/config/dashboards/${file}"))), "@cluster@", local.prefix), "@service@",
    local.split ? "${local.prefix}-monitoring" : local.api_name))
  }

  # One task that owns its data, or that and an API that scales.
  api = {
    name  = "api"
    image = local.image
    port  = var.container_port
    tmpfs = ["/tmp"]
    environment = {
      OPSCONSOLE_API_LISTEN       = "0.0.0.0:${var.container_port}"
      OPSCONSOLE_API_ENVIRONMENT  = var.environment
      OPSCONSOLE_API_RELEASE      = var.image_tag
      OPSCONSOLE_API_DATABASE_URL = local.in_task ? "postgres://app@127.0.0.1:5432/app" : module.database[0].url
    }
    secrets = { PGPASSWORD = local.in_task ? module.secrets.arns["postgres"] : "${module.database[0].secret_arn}:password::" }
    after   = local.in_task ? { postgres = "HEALTHY" } : {}
  }

  postgres = {
    name           = "postgres"
    image          = var.images.postgres
    user           = "70:70"
    tmpfs          = ["/tmp", "/var/run/postgresql"]
    mounts         = { postgres = "/var/lib/postgresql/data" }
    environment    = { POSTGRES_USER = "app", POSTGRES_DB = "app", PGDATA = "/var/lib/postgresql/data/pgdata" }
    secrets        = { POSTGRES_PASSWORD = module.secrets.arns["postgres"] }
    health_command = ["CMD-SHELL", "pg_isready -U app -d app"]
    # Postgres writes its last checkpoint to a network file system.
    stop_timeout = 120
  }

  prometheus = {
    name        = "prometheus"
    image       = var.images.prometheus
    port        = 9090
    user        = "65534:65534"
    tmpfs       = ["/tmp"]
    mounts      = { prometheus = "/prometheus" }
    environment = { CONFIG = base64encode(templatefile("${path.module}/config/prometheus.yml.tftpl", { api = local.split ? trimprefix(local.url, "https://") : "127.0.0.1:${var.container_port}", scheme = local.split && local.has_tls ? "https" : "http", environment = var.environment })), RULES = base64encode(file("${path.module}/config/rules.yml")) }
    entry_point = ["/bin/sh", "-c"]
    command     = ["echo \"$CONFIG\" | base64 -d > /tmp/prometheus.yml && echo \"$RULES\" | base64 -d > /tmp/rules.yml && exec /bin/prometheus --config.file=/tmp/prometheus.yml --storage.tsdb.path=/prometheus --storage.tsdb.retention.time=15d --web.external-url=/prometheus/ --web.route-prefix=/prometheus"]
  }

  grafana = {
    name   = "grafana"
    image  = var.images.grafana
    port   = 3000
    user   = "472:472"
    tmpfs  = ["/tmp"]
    mounts = { grafana = "/var/lib/grafana" }
    # Zipped, since a task definition holds 64 KB at most.
    environment = merge(local.dashboards, {
      DATASOURCE                     = base64encode(file("${path.module}/config/datasource.yml"))
      DASHBOARDS                     = base64encode(file("${path.module}/config/dashboards.yml"))
      GF_SERVER_ROOT_URL             = "${local.url}/grafana/"
      GF_SERVER_SERVE_FROM_SUB_PATH  = "true"
      GF_USERS_ALLOW_SIGN_UP         = "false"
      GF_ANALYTICS_REPORTING_ENABLED = "false"
      GF_PATHS_PROVISIONING          = "/tmp/provisioning"
    })
    secrets     = { GF_SECURITY_ADMIN_PASSWORD = module.secrets.arns["grafana"] }
    entry_point = ["/bin/sh", "-c"]
    command = [join(" && ", concat(
      ["mkdir -p /tmp/provisioning/datasources /tmp/provisioning/dashboards /tmp/dashboards"],
      ["echo \"$DATASOURCE\" | base64 -d > /tmp/provisioning/datasources/sources.yml"],
      ["echo \"$DASHBOARDS\" | base64 -d > /tmp/provisioning/dashboards/dashboards.yml"],
      [for name in keys(local.dashboards) : format("echo \"$%s\" | base64 -d | gunzip > /tmp/dashboards/%s.json", name, name)],
      ["exec /run.sh"],
    ))]
  }
}

module "context" {
  source = "../../modules/context"

  name        = var.name
  environment = var.environment
  region      = var.region
  stack       = "ecs-efs"
  owner       = var.owner
  cost_center = var.cost_center
  vpc_cidr    = var.vpc_cidr
  az_count    = var.az_count
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

  target_groups = {
    api        = { port = var.container_port }
    prometheus = { port = 9090, path_patterns = ["/prometheus", "/prometheus/*"], priority = 10, health_path = "/prometheus/-/healthy" }
    grafana    = { port = 3000, path_patterns = ["/grafana", "/grafana/*"], priority = 20, health_path = "/grafana/api/health" }
  }
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

module "secrets" {
  source = "../../modules/generated-secrets"

  name          = local.prefix
  kms_key_arn   = module.kms.arn
  recovery_days = module.context.is_production ? 30 : 0
  secrets = {
    postgres = "Postgres in the task"
    grafana  = "Grafana's administrator"
  }
}

module "efs" {
  source = "../../modules/efs"

  name                      = local.prefix
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.private_subnet_ids
  client_security_group_ids = { task = module.task.security_group_id }
  kms_key_arn               = module.kms.arn
  usage                     = { stored_gb = var.stored_gb }

  # Each program's own directory, owned by the user it runs as.
  access_points = {
    postgres   = { path = "/postgres", uid = 70, gid = 70, permissions = "0700" }
    prometheus = { path = "/prometheus", uid = 65534, gid = 65534 }
    grafana    = { path = "/grafana", uid = 472, gid = 472 }
  }
}

module "database" {
  source = "../../modules/rds-postgres"
  count  = local.in_task ? 0 : 1

  name                      = "${local.prefix}-db"
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.data_subnet_ids
  client_security_group_ids = merge({ task = module.task.security_group_id }, local.split ? { api = module.api[0].security_group_id } : {})
  is_production             = module.context.is_production
  kms_key_arn               = module.kms.arn
}

# What owns its data: with Postgres inside it is the whole lab, otherwise Prometheus and Grafana (and the API, unless it
# scales). Never two of it at once: neither Postgres nor Prometheus shares its directory.
module "task" {
  source = "../../modules/ecs-service"

  name               = local.split ? "${local.prefix}-monitoring" : local.api_name
  region             = var.region
  account            = var.account_id
  cluster            = { name = module.cluster.name, arn = module.cluster.arn }
  vpc_id             = module.network.vpc_id
  subnet_ids         = module.network.private_subnet_ids
  architecture       = var.architecture
  is_production      = module.context.is_production
  exec               = var.exec
  exec_log_group_arn = module.cluster.exec_log_group_arn
  kms_key_arn        = module.kms.arn
  log_retention_days = var.log_retention_days
  repository_arns    = values(module.ecr.arns)
  off_hours          = module.context.off_hours
  hours_per_month    = module.context.hours_per_month

  load_balancer_security_group_id = module.alb.security_group_id
  cpu                             = local.split ? 512 : var.task_size.cpu
  memory                          = local.split ? 1024 : var.task_size.memory
  exclusive                       = true
  volumes                         = { for name in local.in_task ? ["grafana", "postgres", "prometheus"] : ["grafana", "prometheus"] : name => module.efs.volumes[name] }
  usage                           = { log_gb = var.usage.log_gb }

  # Nothing that a deployment alarm watches may depend on the task it deploys.
  alarm_names = local.split ? [] : module.observability.deployment_alarm_names
  secret_arns = concat(values(module.secrets.arns), module.database[*].secret_arn)

  # For Grafana's CloudWatch data source; AWS knows no resources for these.
  task_statements = [{
    sid       = "ReadMetrics"
    actions   = ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"]
    resources = ["*"]
  }]

  load_balancers = { for name in local.split ? ["grafana", "prometheus"] : ["api", "grafana", "prometheus"] : name => module.alb.target_groups[name] }

  egress_rules = {
    https    = { port = 443, cidr = "0.0.0.0/0" }
    http     = { port = 80, cidr = "0.0.0.0/0" }
    nfs      = { port = 2049, cidr = var.vpc_cidr }
    postgres = { port = 5432, cidr = var.vpc_cidr }
  }

  containers = [for entry in [
    { when = !local.split, container = jsonencode(local.api) },
    { when = local.in_task, container = jsonencode(local.postgres) },
    { when = true, container = jsonencode(local.prometheus) },
    { when = true, container = jsonencode(local.grafana) },
  ] : jsondecode(entry.container) if entry.when]
}

module "api" {
  source = "../../modules/ecs-service"
  count  = local.split ? 1 : 0

  name               = local.api_name
  region             = var.region
  account            = var.account_id
  cluster            = { name = module.cluster.name, arn = module.cluster.arn }
  vpc_id             = module.network.vpc_id
  subnet_ids         = module.network.private_subnet_ids
  architecture       = var.architecture
  is_production      = module.context.is_production
  exec               = var.exec
  exec_log_group_arn = module.cluster.exec_log_group_arn
  kms_key_arn        = module.kms.arn
  log_retention_days = var.log_retention_days
  repository_arns    = values(module.ecr.arns)
  off_hours          = module.context.off_hours
  hours_per_month    = module.context.hours_per_month

  load_balancer_security_group_id = module.alb.security_group_id
  cpu                             = 512
  memory                          = 1024
  alarm_names                     = module.observability.deployment_alarm_names
  secret_arns                     = module.database[*].secret_arn
  load_balancers                  = { api = module.alb.target_groups["api"] }
  scaling                         = { min = var.autoscaling.min, desired = var.autoscaling.min, max = var.autoscaling.max, cpu = var.autoscaling.cpu }
  containers                      = [local.api]
  usage                           = { log_gb = var.usage.log_gb }

  egress_rules = {
    https    = { port = 443, cidr = "0.0.0.0/0" }
    postgres = { port = 5432, cidr = var.vpc_cidr }
  }
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
  has                 = { service = true, load_balancer = true, database = !local.in_task }
  service             = { cluster = local.prefix, service = local.api_name }
  load_balancer       = { suffix = module.alb.arn_suffix, target_groups = module.alb.target_group_suffixes }
  target_group_keys   = ["api", "grafana", "prometheus"]
  database            = local.in_task ? null : "${local.prefix}-db"
  has_error_log_group = true
  error_log_group     = local.split ? module.api[0].log_group : module.task.log_group
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
  resource_arns = merge({ files = module.efs.arn }, { for database in module.database : "database" => database.arn })
  has_topic     = true
  topic_arn     = module.observability.topic_arn
}

module "console_access" {
  source = "../../modules/console-access"

  name               = local.prefix
  account            = var.account_id
  region             = var.region
  clusters           = [local.prefix]
  role_arns          = concat([module.task.execution_role_arn, module.task.task_role_arn], module.api[*].execution_role_arn, module.api[*].task_role_arn)
  repository_arns    = values(module.ecr.arns)
  log_group_prefixes = ["/ecs/${local.prefix}"]
  has_lock           = true
  lock_bucket        = module.buckets.names["locks"]
  has_key            = true
  kms_key_arn        = module.kms.arn
}

module "contract" {
  source = "../../modules/contract"

  stack       = "ecs-efs"
  name        = var.name
  environment = var.environment
  production  = module.context.is_production
  region      = var.region
  account     = var.account_id
  platform    = "ecs"
  tags        = module.context.tags
  target = {
    cluster    = module.cluster.name
    service    = local.split ? module.api[0].name : module.task.name
    container  = "api"
    deployment = "rolling"
  }
  log_groups       = merge({ task = module.task.log_group }, { for api in module.api : "api" => api.log_group })
  target_groups    = module.alb.target_groups
  alarms           = { prefix = "${local.prefix}-", names = module.observability.alarm_names, topic_arn = module.observability.topic_arn }
  ecr_repositories = module.ecr.urls
  lock             = { bucket = module.buckets.names["locks"] }
  console_access = {
    read_only_policy_arn = module.console_access.read_only_policy_arn
    operator_policy_arn  = module.console_access.operator_policy_arn
  }
  urls = {
    app     = local.url
    health  = "${local.url}/health"
    grafana = "${local.url}/grafana/"

    prometheus = "${local.url}/prometheus/"
    dashboard  = module.observability.dashboard_url
    runbook    = var.runbook_url
  }
  bill = concat(
    local.split ? [for line in module.task.bill : merge(line, { reported_by = "terraform" })] : module.task.bill,
    flatten(module.api[*].bill),
    module.efs.bill,
    module.alb.bill,
    module.network.bill,
    module.cluster.bill,
    module.ecr.bill,
    [for line in module.secrets.bill : merge(line, { reported_by = "platform" })],
    module.observability.bill,
    module.edge.bill,
    module.buckets.bill,
    module.kms.bill,
    module.backup.bill,
    flatten(module.database[*].bill),
  )
}
