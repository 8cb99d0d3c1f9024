# REQUIRED

variable "name" {
  description = "The service's name."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string
}

variable "cluster" {
  description = "The cluster."
  type = object({
    name = string
    arn  = string
  })
}

variable "task_definition_arn" {
  description = "The first revision: ecs-service with deployment = external makes it."
  type        = string
}

variable "container" {
  description = "Container and port that requests go to."
  type = object({
    name = string
    port = number
  })
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "security_group_id" {
  description = "The tasks' group."
  type        = string
}

variable "blue_target_group_arn" {
  description = "The first target group."
  type        = string
}

variable "green_target_group_arn" {
  description = "The second target group."
  type        = string
}

variable "production_rule_arn" {
  description = "The listener rule that serves requests: native blue/green moves rules, not default actions."
  type        = string
}

# OPTIONAL

variable "test_rule_arn" {
  description = "The listener rule that only the hooks reach."
  type        = string
  default     = null
}

variable "strategy" {
  description = "`BLUE_GREEN` (all at once), `LINEAR` or `CANARY`."
  type        = string
  default     = "CANARY"

  validation {
    condition     = contains(["BLUE_GREEN", "LINEAR", "CANARY"], var.strategy)
    error_message = "strategy must be BLUE_GREEN, LINEAR or CANARY."
  }
}

variable "step_percent" {
  description = "LINEAR: percent of requests a step. CANARY: percent that the canary gets."
  type        = number
  default     = 10

  validation {
    condition     = var.step_percent > 0 && var.step_percent < 100
    error_message = "step_percent must be between 0 and 100."
  }
}

variable "step_minutes" {
  description = "How long each step, or the canary, lasts."
  type        = number
  default     = 5
}

variable "bake_minutes" {
  description = "How long the old tasks stay after the switch: the time in which a rollback is instant."
  type        = number
  default     = 30

  validation {
    condition     = var.bake_minutes >= 5
    error_message = "bake_minutes must be at least 5: without old tasks there is nothing to go back to."
  }
}

variable "alarm_names" {
  description = "Alarms that roll a deployment back."
  type        = list(string)
  default     = []
}

variable "hook_arns" {
  description = "Lambda → stages at which ECS calls it, such as PRE_SCALE_UP (migrations) and POST_TEST_TRAFFIC_SHIFT (validation)."
  type        = map(list(string))
  default     = {}
}

variable "desired" {
  description = "How many tasks."
  type        = number
  default     = 1
}
