# REQUIRED

variable "name" {
  description = "Prefix of the policies."
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

# OPTIONAL

variable "clusters" {
  description = "ECS clusters whose services the console may see and change; empty: no ECS."
  type        = list(string)
  default     = []
}

variable "role_arns" {
  description = "Task and execution roles that a new revision may carry."
  type        = list(string)
  default     = []
}

variable "repository_arns" {
  description = "Image repositories."
  type        = list(string)
  default     = []
}

variable "log_group_prefixes" {
  description = "What the names of readable log groups begin with."
  type        = list(string)
  default     = []
}

variable "codedeploy_application" {
  description = "The CodeDeploy application, where there is one."
  type        = string
  default     = null
}

variable "lock_bucket" {
  description = "The lock's bucket."
  type        = string
  default     = null
}

variable "has_lock" {
  description = "Whether there is one: known before its name."
  type        = bool
  default     = false
}

variable "instance_tag" {
  description = "Key and value of the tag of instances that commands may be sent to."
  type = object({
    key   = string
    value = string
  })
  default = null
}

variable "kms_key_arn" {
  description = "The environment's key, which encrypts the lock."
  type        = string
  default     = null
}

variable "has_key" {
  description = "Whether it is given: known before its ARN."
  type        = bool
  default     = false
}
