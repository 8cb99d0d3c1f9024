# REQUIRED

variable "name" {
  description = "Prefix of vault and plan."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string
}

variable "resource_arns" {
  description = "Databases and file systems that are backed up, by name."
  type        = map(string)
}

# OPTIONAL

variable "selection_tag" {
  description = "Besides them, everything with this tag: for volumes that Kubernetes makes."
  type = object({
    key   = string
    value = string
  })
  default = null
}

variable "retention_days" {
  description = "How long daily backups are kept; weekly ones four times as long."
  type        = number
  default     = 14

  validation {
    condition     = var.retention_days >= 7
    error_message = "retention_days must be at least 7: a mistake of Friday is found on Monday."
  }
}

variable "lock" {
  description = "Whether nobody, not even an administrator, can delete backups before their time (governance mode)."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "Key that encrypts them."
  type        = string
  default     = null
}

variable "topic_arn" {
  description = "Topic that hears of failed backups."
  type        = string
  default     = null
}

variable "has_topic" {
  description = "Whether it is given: known before its ARN."
  type        = bool
  default     = false
}

variable "usage" {
  description = "Assumed backup storage in GB, for the bill."
  type = object({
    stored_gb = optional(number, 10)
  })
  default = {}
}
