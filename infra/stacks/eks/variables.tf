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

variable "kubernetes_version" {
  description = "A version in standard support."
  type        = string
  default     = "1.33"
}

variable "endpoint_public_cidrs" {
  description = "Who may reach the API server from outside the VPC; empty: nobody."
  type        = list(string)
  default     = []
}

variable "node_pools" {
  description = "Auto Mode's own pools (On-Demand). Outside production `system` is enough where Spot nodes carry the rest."
  type        = list(string)
  default     = ["system", "general-purpose"]
}

variable "spot_nodes" {
  description = "A group of Spot nodes that off_hours switch off; null: none."
  type = object({
    instance_types = optional(list(string), ["m5.large", "m5a.large", "m6i.large", "m6a.large"])
    min            = optional(number, 1)
    desired        = optional(number, 2)
    max            = optional(number, 4)
  })
  default = null
}

variable "access" {
  description = "Name → role and its Kubernetes access: admin, edit or view, everywhere or in namespaces."
  type = map(object({
    role_arn   = string
    level      = string
    namespaces = optional(list(string), [])
  }))
  default = {}
}

variable "namespace" {
  description = "Where the Helm release of the API lives."
  type        = string
  default     = "opsconsole-api"
}

variable "helm_release" {
  description = "The Helm release's name."
  type        = string
  default     = "opsconsole-api"
}

variable "database" {
  description = "A Postgres for the program; null: none."
  type = object({
    instance_class = optional(string, "db.t3.micro")
    storage_gb     = optional(number, 20)
  })
  default = null
}

variable "url" {
  description = "Where the ingress answers, once it does: the load balancer is made by the cluster, not by Terraform."
  type        = string
  default     = null
}

variable "usage" {
  description = "Assumed use a month, for the bill only: On-Demand nodes of Auto Mode, GB through NAT, GB of logs, load balancer capacity units."
  type = object({
    auto_nodes = optional(number, 2)
    nat_gb     = optional(number, 48)
    log_gb     = optional(number, 5)
    lcu        = optional(number, 0.5)
  })
  default = {}
}
