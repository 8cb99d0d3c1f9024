# REQUIRED

variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string
}

# OPTIONAL

variable "kms_key_arn" {
  description = "Key for the trail."
  type        = string
  default     = null
}

variable "trail_days" {
  description = "How long the trail is kept."
  type        = number
  default     = 365

  validation {
    condition     = var.trail_days >= 90
    error_message = "trail_days must be at least 90."
  }
}

variable "guardduty" {
  description = "Whether GuardDuty looks for threats; off where an organisation's administrator turns it on."
  type        = bool
  default     = true
}

variable "topic_arn" {
  description = "Topic that hears of findings of medium severity and above."
  type        = string
  default     = null
}

variable "has_topic" {
  description = "Whether it is given: known before its ARN."
  type        = bool
  default     = false
}
