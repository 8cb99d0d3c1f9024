# REQUIRED

variable "name" {
  description = "The instance's name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "RDS wants subnets in at least two zones, also for a single instance."
  }
}

variable "client_security_group_ids" {
  description = "Name → group that may connect."
  type        = map(string)
}

# OPTIONAL

variable "is_production" {
  description = "Whether production rules hold: two zones, deletion protection, a final snapshot, backups for at least a week."
  type        = bool
  default     = false
}

variable "instance_class" {
  description = "The size."
  type        = string
  default     = "db.t3.micro"

  validation {
    condition     = startswith(var.instance_class, "db.")
    error_message = "instance_class must begin with db., such as db.t4g.micro."
  }
}

variable "engine_version" {
  description = "Major version of Postgres; minor versions come by themselves."
  type        = string
  default     = "16"

  validation {
    condition     = can(regex("^1[4-9]$", var.engine_version))
    error_message = "engine_version must be a major version from 14 to 19."
  }
}

variable "database" {
  description = "The database's name."
  type        = string
  default     = "app"
}

variable "username" {
  description = "The master user. Its password is made, kept and rotated by RDS in Secrets Manager."
  type        = string
  default     = "app"
}

variable "storage_gb" {
  description = "Storage in GB; it grows up to four times by itself."
  type        = number
  default     = 20

  validation {
    condition     = var.storage_gb >= 20
    error_message = "gp3 storage starts at 20 GB."
  }
}

variable "multi_az" {
  description = "A standby in a second zone; null: in production."
  type        = bool
  default     = null
}

variable "backup_days" {
  description = "How many days back it can be restored to any second."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_days >= (var.is_production ? 7 : 1) && var.backup_days <= 35
    error_message = "backup_days must be from 1 to 35, and at least 7 in production."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts it."
  type        = string
  default     = null
}

variable "hours_per_month" {
  description = "Hours of a month in which it runs, for the bill."
  type        = number
  default     = 730
}

variable "usage" {
  description = "Assumed backup storage in GB beyond the free amount (the database's own size)."
  type = object({
    backup_gb = optional(number, 0)
  })
  default = {}
}
