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
  default     = 3
}

variable "nat" {
  description = "`per-az`, `single` or `none` (then interface_endpoints must let tasks pull images and write logs)."
  type        = string
  default     = "per-az"
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
  default     = 8000
}

variable "architecture" {
  description = "`X86_64` or `ARM64` (cheaper by a fifth)."
  type        = string
  default     = "X86_64"
}

variable "spot" {
  description = "Share of tasks on Fargate Spot."
  type = object({
    on_demand_base   = optional(number, 0)
    on_demand_weight = optional(number, 0)
    spot_weight      = optional(number, 0)
  })
  default = {}
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

variable "database" {
  description = "A Postgres for the program; null: none."
  type = object({
    instance_class = optional(string, "db.t3.micro")
    storage_gb     = optional(number, 20)
  })
  default = null
}

variable "scaling_targets" {
  description = "What drives the task count between size.min and size.max: percent of CPU, percent of memory."
  type = object({
    cpu    = optional(number, 70)
    memory = optional(number, 80)
  })
  default = {}
}

variable "size" {
  description = "CPU units, MiB and task counts instead of the environment's: dev and test 256/512 fixed at 1, prod 1024/2048 at 1 to 2."
  type = object({
    cpu    = number
    memory = number
    min    = number
    max    = number
  })
  default = null
}

variable "traffic" {
  description = "How requests move to a new release: all-at-once, canary-10-percent-5-minutes, canary-10-percent-15-minutes, linear-10-percent-every-1-minute or linear-10-percent-every-3-minutes."
  type        = string
  default     = "linear-10-percent-every-1-minute"
}

variable "termination_wait_minutes" {
  description = "How long the old tasks stay after the switch."
  type        = number
  default     = 30
}

variable "hooks_package" {
  description = "The migration and validation hooks, packed by infra/scripts/build-hooks.sh; null: no hooks."
  type        = string
  default     = null
}

variable "secrets" {
  description = "Variable of the program → ARN of a secret (Secrets Manager) or parameter (SSM) that exists; the tasks may read these and no other."
  type        = map(string)
  default     = {}
}
