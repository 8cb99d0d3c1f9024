# REQUIRED

variable "name" {
  description = "Prefix of the bucket; the account is appended."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string
}

# OPTIONAL

variable "kms_key_arn" {
  description = "Key that encrypts the state; null: S3's own."
  type        = string
  default     = null
}

variable "dynamodb_lock_table" {
  description = "A lock table besides the lock file, for Terraform below 1.10. The S3 backend locks by itself (`use_lockfile`)."
  type        = bool
  default     = false
}
