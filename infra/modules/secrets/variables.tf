# REQUIRED

variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "secrets" {
  description = "Name → what it is for. Someone puts the value in later (`aws secretsmanager put-secret-value`), so that it never passes through Terraform; generated-secrets makes values."
  type = map(object({
    description = string
  }))
}

# OPTIONAL

variable "kms_key_arn" {
  description = "Key that encrypts them."
  type        = string
  default     = null
}

variable "recovery_days" {
  description = "Days in which a deleted secret can be brought back; 0 deletes at once (throw-away environments)."
  type        = number
  default     = 7

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "recovery_days must be 0 or from 7 to 30."
  }
}

variable "rotation" {
  description = "Secret → the Lambda that rotates it and after how many days. RDS rotates its own master password: it needs no entry here."
  type = map(object({
    lambda_arn = string
    days       = optional(number, 30)
  }))
  default = {}

  validation {
    condition     = length(setsubtract(keys(var.rotation), keys(var.secrets))) == 0
    error_message = "rotation names a secret that is not in secrets."
  }
}
