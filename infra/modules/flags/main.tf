# Feature flags: an Unleash server as one more service of the cluster, with a Postgres of its own.

module "service" {
  source = "../ecs-service"

  name                            = "${var.name}-flags"
  region                          = var.region
  account                         = var.account
  cluster                         = var.cluster
  vpc_id                          = var.vpc_id
  subnet_ids                      = var.subnet_ids
  cpu                             = 256
  memory                          = 512
  load_balancers                  = { unleash = var.target_group_arn }
  load_balancer_security_group_id = var.load_balancer_security_group_id
  kms_key_arn                     = var.kms_key_arn
  secret_arns                     = [var.database.secret_arn]
  usage                           = { log_gb = 1 }

  egress_rules = {
    https    = { port = 443, cidr = "0.0.0.0/0" }
    postgres = { port = 5432, cidr = var.vpc_cidr }
  }

  containers = [{
    name  = "unleash"
    image = var.image
    port  = 4242
    tmpfs = ["/tmp"]
    environment = {
      DATABASE_HOST     = var.database.host
      DATABASE_NAME     = var.database.name
      DATABASE_USERNAME = var.database.username
      DATABASE_SSL      = jsonencode({ rejectUnauthorized = false })
      BASE_URI_PATH     = "/flags"
      LOG_LEVEL         = "warn"
    }
    secrets = { DATABASE_PASSWORD = "${var.database.secret_arn}:password::" }
  }]
}
