# REQUIRED

variable "name" {
  description = "Prefix of every alarm: the console watches by it."
  type        = string
}

variable "region" {
  description = "The region, for the dashboard."
  type        = string
}

variable "account" {
  description = "The account, for the topic's policy."
  type        = string
}

# OPTIONAL

variable "service" {
  description = "The ECS service to watch."
  type = object({
    cluster = string
    service = string
  })
  default = null
}

variable "load_balancer" {
  description = "The load balancer to watch: its suffix, and the target groups' by name."
  type = object({
    suffix        = string
    target_groups = map(string)
  })
  default = null
}

variable "database" {
  description = "The RDS instance to watch."
  type        = string
  default     = null
}

variable "instances" {
  description = "Watch an Auto Scaling group or one instance: the dimension's name and value."
  type = object({
    dimension = string
    value     = string
  })
  default = null
}

variable "has" {
  description = "Which of service, load_balancer, database and instances are given: known before their names."
  type = object({
    service       = optional(bool, false)
    load_balancer = optional(bool, false)
    database      = optional(bool, false)
    instances     = optional(bool, false)
  })
  default = {}
}

variable "target_group_keys" {
  description = "The keys of load_balancer.target_groups: known before their values."
  type        = set(string)
  default     = []
}

variable "error_log_group" {
  description = "Log group in which error lines are counted."
  type        = string
  default     = null
}

variable "has_error_log_group" {
  description = "Whether it is given: known before its name."
  type        = bool
  default     = false
}

variable "thresholds" {
  description = "When each alarm goes off: percent, percent, percent of requests, seconds on average, seconds at the 95th percentile, percent, hosts, error lines in five minutes, percent, database connections, free GB."
  type = object({
    cpu              = optional(number, 80)
    memory           = optional(number, 80)
    error_rate       = optional(number, 5)
    response_time    = optional(number, 2)
    p95              = optional(number, 0.5)
    availability     = optional(number, 99)
    unhealthy_hosts  = optional(number, 1)
    error_lines      = optional(number, 10)
    database_cpu     = optional(number, 80)
    database_clients = optional(number, 60)
    database_free_gb = optional(number, 2)
  })
  default = {}

  validation {
    condition     = var.thresholds.error_rate > 0 && var.thresholds.error_rate <= 100 && var.thresholds.cpu > 0 && var.thresholds.cpu <= 100 && var.thresholds.memory > 0 && var.thresholds.memory <= 100
    error_message = "Thresholds in percent must be above 0 and at most 100."
  }
}

variable "emails" {
  description = "Addresses that get alarms; each must confirm once."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "emails must be addresses such as oncall@example.com."
  }
}

variable "https_endpoints" {
  description = "Webhooks that get alarms: a PagerDuty or Opsgenie integration URL. They hold a key, so they are sensitive."
  type        = map(string)
  default     = {}
  sensitive   = true
}

variable "https_endpoint_names" {
  description = "The keys of https_endpoints."
  type        = set(string)
  default     = []
}

variable "slack" {
  description = "Slack workspace and channel that get alarms (Amazon Q Developer in chat applications; the workspace is joined once by hand)."
  type = object({
    team_id    = string
    channel_id = string
  })
  default = null
}

variable "kms_key_arn" {
  description = "Key for the topic; AWS's own cannot be used by alarms."
  type        = string
  default     = null
}

variable "dashboard" {
  description = "Whether there is a dashboard."
  type        = bool
  default     = true
}
