# REQUIRED

variable "name" {
  description = "The system's name."
  type        = string
}

variable "region" {
  description = "The AWS region of state and trail."
  type        = string
}

variable "account_id" {
  description = "The twelve digits of the account."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the twelve digits of the account (aws sts get-caller-identity)."
  }
}

# OPTIONAL

variable "environment" {
  description = "A tag: what the account is for."
  type        = string
  default     = "account"
}

variable "ci_subjects" {
  description = "The `sub` claims of pipelines that may plan and apply; null: no roles for pipelines."
  type = object({
    plan  = list(string)
    apply = list(string)
  })
  default = null
}

variable "apply_policy_arns" {
  description = "What the pipeline's apply role may do."
  type        = list(string)
  default     = []
}

variable "guardduty" {
  description = "Whether GuardDuty is turned on here; off where an organisation does it."
  type        = bool
  default     = true
}

variable "dynamodb_lock_table" {
  description = "A lock table besides the lock file (ADR 0106)."
  type        = bool
  default     = false
}
