# REQUIRED

variable "name" {
  description = "The cluster's name."
  type        = string
}

# OPTIONAL

variable "container_insights" {
  description = "`enabled`, `enhanced` (per task and container, dearer) or `disabled`."
  type        = string
  default     = "enabled"

  validation {
    condition     = contains(["enabled", "enhanced", "disabled"], var.container_insights)
    error_message = "container_insights must be enabled, enhanced or disabled."
  }
}

variable "kms_key_arn" {
  description = "Key for the log of commands run in containers."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long the log of commands run in containers is kept."
  type        = number
  default     = 7
}

variable "usage" {
  description = "Assumed number of Container Insights metrics, for the bill: about 8 a cluster, 8 a service and 8 a task family, enhanced more."
  type = object({
    insights_metrics = optional(number, 24)
  })
  default = {}
}
