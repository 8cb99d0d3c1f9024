# REQUIRED

variable "name" {
  description = "Prefix of the buckets; the account is appended, since names are global."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string
}

variable "buckets" {
  description = "Name → what it is like: days until objects go (0: never), whether old versions are kept, whether load balancers write their logs there."
  type = map(object({
    expire_days        = optional(number, 0)
    versioned          = optional(bool, true)
    load_balancer_logs = optional(bool, false)
    trail_logs         = optional(bool, false)
  }))
}

# OPTIONAL

variable "kms_key_arn" {
  description = "Key that encrypts them; load balancers' logs always use S3's own key, since they can use no other."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether destroy deletes objects too (throw-away environments)."
  type        = bool
  default     = false
}

variable "usage" {
  description = "Assumed size in GB a bucket, for the bill."
  type = object({
    stored_gb = optional(number, 5)
  })
  default = {}
}
