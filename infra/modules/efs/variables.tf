# REQUIRED

variable "name" {
  description = "The file system's name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "One subnet per zone: each gets a mount target."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids needs one subnet in each of at least two zones: a task in a zone without a mount target cannot start."
  }
}

variable "client_security_group_ids" {
  description = "Name → group that may mount it."
  type        = map(string)
}

variable "access_points" {
  description = "Name → the directory that a program sees as its root, and whom its files belong to."
  type = map(object({
    path        = string
    uid         = number
    gid         = number
    permissions = optional(string, "0750")
  }))

  validation {
    condition     = alltrue([for point in var.access_points : startswith(point.path, "/") && point.path != "/"])
    error_message = "Each access point needs a directory of its own below /."
  }
}

# OPTIONAL

variable "kms_key_arn" {
  description = "Key that encrypts it."
  type        = string
  default     = null
}

variable "throughput_mode" {
  description = "`bursting` (by size, no extra price) or `elastic` (by use: every GB read and written is billed)."
  type        = string
  default     = "bursting"

  validation {
    condition     = contains(["bursting", "elastic"], var.throughput_mode)
    error_message = "throughput_mode must be bursting or elastic."
  }
}

variable "backup" {
  description = "Whether AWS Backup's daily default plan covers it."
  type        = bool
  default     = true
}

variable "usage" {
  description = "Assumed size and traffic in GB a month, for the bill."
  type = object({
    stored_gb = optional(number, 10)
    read_gb   = optional(number, 0)
    write_gb  = optional(number, 0)
  })
  default = {}
}
