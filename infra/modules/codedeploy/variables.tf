# REQUIRED

variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "cluster_name" {
  description = "The ECS cluster."
  type        = string
}

variable "service_name" {
  description = "The ECS service, made with deployment = codedeploy."
  type        = string
}

variable "listener_arn" {
  description = "The listener that serves requests."
  type        = string
}

variable "test_listener_arn" {
  description = "The listener on which hooks reach the new tasks first."
  type        = string
}

variable "target_group_names" {
  description = "Blue and green."
  type        = list(string)

  validation {
    condition     = length(var.target_group_names) == 2
    error_message = "target_group_names needs exactly two groups: blue and green."
  }
}

variable "role_arns" {
  description = "Task and execution roles that CodeDeploy may hand to the tasks it starts."
  type        = list(string)
}

# OPTIONAL

variable "traffic" {
  description = "How requests move: `all-at-once`, `canary-10-percent-5-minutes`, `canary-10-percent-15-minutes`, `linear-10-percent-every-1-minute` or `linear-10-percent-every-3-minutes`."
  type        = string
  default     = "linear-10-percent-every-1-minute"

  validation {
    condition     = contains(["all-at-once", "canary-10-percent-5-minutes", "canary-10-percent-15-minutes", "linear-10-percent-every-1-minute", "linear-10-percent-every-3-minutes"], var.traffic)
    error_message = "traffic must be all-at-once, canary-10-percent-5-minutes, canary-10-percent-15-minutes, linear-10-percent-every-1-minute or linear-10-percent-every-3-minutes."
  }
}

variable "termination_wait_minutes" {
  description = "How long the old tasks stay after the switch: the time in which a rollback is instant."
  type        = number
  default     = 30

  validation {
    condition     = var.termination_wait_minutes >= 5 && var.termination_wait_minutes <= 2880
    error_message = "termination_wait_minutes must be from 5 to 2880: without old tasks there is nothing to go back to."
  }
}

variable "alarm_names" {
  description = "Alarms that stop a deployment and roll it back."
  type        = list(string)
  default     = []
}

variable "hooks" {
  description = "The hooks' Lambdas: the package (`infra/scripts/build-hooks.sh` makes it), where migrations run and what is called. null: no hooks."
  type = object({
    package            = string
    subnet_ids         = list(string)
    vpc_id             = string
    test_url           = string
    task_family        = string
    container          = string
    migrate_command    = optional(list(string), ["opsconsole-api", "migrate"])
    security_group_ids = list(string)
  })
  default = null

  validation {
    condition     = var.hooks == null ? true : fileexists(var.hooks.package)
    error_message = "hooks.package does not exist: make it with infra/scripts/build-hooks.sh."
  }
}

variable "kms_key_arn" {
  description = "Key for the hooks' logs."
  type        = string
  default     = null
}
