# REQUIRED

variable "name" {
  description = "The system's name, without the environment: `shop`."
  type        = string
}

variable "environment" {
  description = "`dev`, `test`, `staging`, `prod` or another name; anything with prod, production, live or prd is held to production rules."
  type        = string
}

variable "region" {
  description = "The AWS region."
  type        = string
}

variable "account_id" {
  description = "The twelve digits of the account: Terraform refuses to work in another one."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the twelve digits of the account (aws sts get-caller-identity)."
  }
}

variable "image_tag" {
  description = "The release to start with, as it is tagged in the repository that this stack makes: `1.5.0`. Later releases are `opsconsole deploy`'s."
  type        = string

  # Here and not only in the module: the repository's address is not known before the apply, so a plan could not see it there.
  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a release's own tag, such as 1.5.0: the repository's tags are immutable, so latest could be pushed once only and says nothing; got \"${var.image_tag}\"."
  }
}

# OPTIONAL

variable "owner" {
  description = "Who answers for it; a tag."
  type        = string
  default     = "platform"
}

variable "cost_center" {
  description = "Who pays; a tag."
  type        = string
  default     = "engineering"
}

variable "off_hours" {
  description = "When a non-production environment is on; null: always. Production ignores it."
  type = object({
    start    = optional(number, 7)
    stop     = optional(number, 19)
    days     = optional(list(string), ["MON", "TUE", "WED", "THU", "FRI"])
    timezone = optional(string, "Etc/UTC")
  })
  default = null
}

variable "alarm_emails" {
  description = "Who gets alarms; each address must confirm once."
  type        = list(string)
  default     = []
}

variable "slack" {
  description = "Slack workspace and channel that get alarms."
  type = object({
    team_id    = string
    channel_id = string
  })
  default = null
}

variable "budget_usd" {
  description = "What a month may cost; null: no budget."
  type        = number
  default     = null
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 7
}

variable "runbook_url" {
  description = "A page to open when something is wrong; the console links to it."
  type        = string
  default     = null
}

variable "vpc_cidr" {
  description = "The network's range."
  type        = string
  default     = "10.0.0.0/16"
}

variable "az_count" {
  description = "Over how many zones: 2 or 3 (ADR 0102)."
  type        = number
  default     = 2
}

variable "nat" {
  description = "`per-az`, `single` or `none` (then interface_endpoints must let tasks pull images and write logs)."
  type        = string
  default     = "single"
}

variable "interface_endpoints" {
  description = "AWS services reached without the internet."
  type        = list(string)
  default     = []
}

variable "domain_name" {
  description = "Where it answers: a certificate is made and HTTP leads to HTTPS. Production needs it or certificate_arn."
  type        = string
  default     = null
}

variable "zone_id" {
  description = "The Route 53 zone of domain_name."
  type        = string
  default     = null
}

variable "certificate_arn" {
  description = "A certificate that exists already, instead of domain_name."
  type        = string
  default     = null
}

variable "waf" {
  description = "A firewall in front, and how many requests one address may send in five minutes; null: none."
  type = object({
    rate_limit = optional(number, 2000)
  })
  default = null
}

variable "usage" {
  description = "Assumed use a month, for the bill only: capacity units of the load balancer, GB through NAT, GB to the internet beyond the free 100, GB of logs."
  type = object({
    lcu         = optional(number, 0.5)
    nat_gb      = optional(number, 48)
    data_out_gb = optional(number, 0)
    log_gb      = optional(number, 5)
  })
  default = {}
}

variable "container_port" {
  description = "The program's port (ADR 0101)."
  type        = number
  default     = 8080
}

variable "architecture" {
  description = "`X86_64` or `ARM64` (cheaper by a fifth)."
  type        = string
  default     = "X86_64"
}

variable "exec" {
  description = "Whether people may run commands in the containers."
  type        = bool
  default     = false
}

variable "image" {
  description = "The image itself, when it is not in the repository that this stack makes."
  type        = string
  default     = null
}

variable "thresholds" {
  description = "When alarms go off; the defaults are the document's."
  type = object({
    cpu             = optional(number, 80)
    memory          = optional(number, 80)
    error_rate      = optional(number, 5)
    response_time   = optional(number, 2)
    p95             = optional(number, 0.5)
    unhealthy_hosts = optional(number, 1)
  })
  default = {}
}

variable "container_insights" {
  description = "`enabled`, `enhanced` or `disabled`."
  type        = string
  default     = "enabled"
}

variable "autoscaling" {
  description = "2 to 10 tasks of the API. Needs database = rds: a task that holds Postgres must not scale out, because two servers on one data directory destroy it."
  type = object({
    min = optional(number, 2)
    max = optional(number, 10)
    cpu = optional(number, 70)
  })
  default = null

  validation {
    condition     = var.autoscaling == null || var.database == "rds"
    error_message = "autoscaling with database = \"container\" would start several Postgres servers on one EFS directory and destroy the data: set database = \"rds\" first (README: moving the database)."
  }
}

variable "database" {
  description = "`container`: Postgres in the task, on EFS. `rds`: outside, which production and autoscaling need."
  type        = string
  default     = "container"

  validation {
    condition     = contains(["container", "rds"], var.database)
    error_message = "database must be container or rds."
  }
}

variable "task_size" {
  description = "CPU units and MiB of the task with all four containers."
  type = object({
    cpu    = number
    memory = number
  })
  default = { cpu = 1024, memory = 2048 }
}

variable "images" {
  description = "The other three containers, by version."
  type = object({
    postgres   = optional(string, "postgres:16.9-alpine")
    prometheus = optional(string, "prom/prometheus:v3.4.1")
    grafana    = optional(string, "grafana/grafana:12.0.2")
  })
  default = {}
}

variable "stored_gb" {
  description = "Assumed size of the shared files in GB, for the bill."
  type        = number
  default     = 10
}
