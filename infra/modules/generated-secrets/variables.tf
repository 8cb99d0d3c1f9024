# REQUIRED

variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "secrets" {
  description = "Name → what it is for."
  type        = map(string)
}

# OPTIONAL

variable "length" {
  description = "How many letters and digits."
  type        = number
  default     = 32

  validation {
    condition     = var.length >= 16
    error_message = "length must be at least 16."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts them."
  type        = string
  default     = null
}

variable "recovery_days" {
  description = "Days in which a deleted secret can be brought back; 0 deletes at once (throw-away environments)."
  type        = number
  default     = 7
}
