# REQUIRED

variable "name" {
  description = "Prefix of the schedules."
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

variable "off_hours" {
  description = "When things go on and off: `context` makes it."
  type = object({
    start_cron = string
    stop_cron  = string
    timezone   = string
  })
}

# OPTIONAL

variable "instance_ids" {
  description = "Instances that are stopped and started, by a name known before they exist."
  type        = map(string)
  default     = {}
}

variable "database_identifiers" {
  description = "RDS instances that are stopped and started. RDS starts a stopped instance again after seven days by itself."
  type        = map(string)
  default     = {}
}
