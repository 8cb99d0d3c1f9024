# Kubernetes: network, EKS on Auto Mode, Spot nodes with off-hours, backups. What runs in it comes from helm/; the ingress
# and the Spot NodePool of Auto Mode are in manifests/, since a cluster must exist before Kubernetes objects do.

locals {
  prefix = module.context.prefix
  url    = var.url
}

module "context" {
  source = "../../modules/context"

  name        = var.name
  environment = var.environment
  region      = var.region
  stack       = "eks"
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
  buckets       = { locks = {} }
}

module "ecr" {
  source = "../../modules/ecr"

  name         = local.prefix
  repositories = ["api"]
  kms_key_arn  = module.kms.arn
  force_delete = !module.context.is_production
}

module "cluster" {
  source = "../../modules/eks"

  name                  = local.prefix
  account               = var.account_id
  subnet_ids            = module.network.private_subnet_ids
  kubernetes_version    = var.kubernetes_version
  is_production         = module.context.is_production
  endpoint_public_cidrs = var.endpoint_public_cidrs
  node_pools            = var.node_pools
  spot_nodes            = var.spot_nodes
  off_hours             = module.context.off_hours
  hours_per_month       = module.context.hours_per_month
  access                = var.access
  kms_key_arn           = module.kms.arn
  log_retention_days    = var.log_retention_days
  usage                 = { auto_nodes = var.usage.auto_nodes, log_gb = var.usage.log_gb }

  pod_identities = { for name, identity in {
    api = {
      when            = var.database != null
      namespace       = var.namespace
      service_account = var.helm_release
      statements      = [{ sid = "DatabasePassword", actions = ["secretsmanager:GetSecretValue"], resources = module.database[*].secret_arn }]
    }
  } : name => { namespace = identity.namespace, service_account = identity.service_account, statements = identity.statements } if identity.when }
}

# Logs of the pods, which the chart's agent writes.
resource "aws_cloudwatch_log_group" "pods" {
  #checkov:skip=CKV_AWS_338:seven days are what the documents ask for; the retention is a variable
  name              = "/eks/${local.prefix}/${var.namespace}"
  retention_in_days = var.log_retention_days
  kms_key_id        = module.kms.arn
}

module "database" {
  source = "../../modules/rds-postgres"
  count  = var.database == null ? 0 : 1

  name                      = "${local.prefix}-db"
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.data_subnet_ids
  client_security_group_ids = { nodes = module.cluster.security_group_id }
  is_production             = module.context.is_production
  instance_class            = var.database.instance_class
  storage_gb                = var.database.storage_gb
  hours_per_month           = module.context.hours_per_month
  kms_key_arn               = module.kms.arn
}

# Spot nodes are switched off by their own schedule; the database by this one.
module "off_hours" {
  source = "../../modules/off-hours"
  count  = module.context.off_hours != null && var.database != null ? 1 : 0

  name                 = local.prefix
  account              = var.account_id
  region               = var.region
  off_hours            = module.context.off_hours
  database_identifiers = { db = module.database[0].identifier }
}

module "observability" {
  source = "../../modules/observability"

  name                = local.prefix
  region              = var.region
  account             = var.account_id
  kms_key_arn         = module.kms.arn
  emails              = var.alarm_emails
  slack               = var.slack
  has                 = { database = var.database != null }
  database            = var.database == null ? null : "${local.prefix}-db"
  has_error_log_group = true
  error_log_group     = aws_cloudwatch_log_group.pods.name
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
  resource_arns = { for database in module.database : "database" => database.arn }

  # Volumes that Kubernetes makes carry the cluster's tag (manifests/storage-class.yaml).
  selection_tag = { key = "opsconsole:backup", value = local.prefix }

  has_topic = true
  topic_arn = module.observability.topic_arn
}

module "console_access" {
  source = "../../modules/console-access"

  name               = local.prefix
  account            = var.account_id
  region             = var.region
  repository_arns    = values(module.ecr.arns)
  log_group_prefixes = ["/eks/${local.prefix}"]
  has_lock           = true
  lock_bucket        = module.buckets.names["locks"]
  has_key            = true
  kms_key_arn        = module.kms.arn
}

module "contract" {
  source = "../../modules/contract"

  stack       = "eks"
  name        = var.name
  environment = var.environment
  production  = module.context.is_production
  region      = var.region
  account     = var.account_id
  platform    = "kubernetes"
  tags        = module.context.tags
  target = {
    cluster   = module.cluster.name
    namespace = var.namespace
    release   = var.helm_release
  }
  log_groups       = { api = aws_cloudwatch_log_group.pods.name, control-plane = module.cluster.log_group }
  alarms           = { prefix = "${local.prefix}-", names = module.observability.alarm_names, topic_arn = module.observability.topic_arn }
  ecr_repositories = module.ecr.urls
  lock             = { bucket = module.buckets.names["locks"] }
  console_access = {
    read_only_policy_arn = module.console_access.read_only_policy_arn
    operator_policy_arn  = module.console_access.operator_policy_arn
  }
  urls = {
    app       = local.url
    health    = local.url == null ? null : "${local.url}/health"
    dashboard = module.observability.dashboard_url
    runbook   = var.runbook_url
  }
  bill = concat(
    module.cluster.bill,
    module.network.bill,
    # The ingress controller makes one load balancer; Terraform does not see it.
    [
      { what = "Load balancer of the ingress", sku = "alb.hour", quantity = 1, basis = "assumed: one ingress" },
      { what = "Load balancer of the ingress, capacity units", sku = "alb.lcu", quantity = var.usage.lcu, basis = "assumed: usage.lcu" },
      { what = "Public IPv4 of the ingress", sku = "ipv4.public", quantity = var.az_count, basis = "assumed: one per zone" },
    ],
    module.ecr.bill,
    # On Kubernetes the console looks at no CloudWatch alarms.
    [for line in module.observability.bill : merge(line, { reported_by = "terraform" })],
    module.buckets.bill,
    module.kms.bill,
    module.backup.bill,
    flatten(module.database[*].bill),
  )
}
