# REQUIRED

variable "name" {
  description = "The system's name, without the environment: `shop`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "name must be 2 to 21 lowercase letters, digits or dashes and begin with a letter, so that load balancer names (32 characters) fit; got \"${var.name}\"."
  }
}

variable "environment" {
  description = "`dev`, `test`, `staging`, `prod` or another name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,9}$", var.environment))
    error_message = "environment must be 1 to 10 lowercase letters, digits or dashes and begin with a letter: dev, test, staging, production; got \"${var.environment}\"."
  }
}

variable "region" {
  description = "The AWS region."
  type        = string

  validation {
    condition     = can(regex("^(us|eu|ap|sa|ca|me|af|il|mx)(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region such as us-east-1 or eu-central-1 (an availability zone such as us-east-1a is too long); got \"${var.region}\"."
  }
}

variable "stack" {
  description = "Which stack of the catalogue this is; part of the state key and a tag."
  type        = string
}

# OPTIONAL

variable "owner" {
  description = "Who answers for it: a team or an address. A tag, by which costs are split."
  type        = string
  default     = "platform"
}

variable "cost_center" {
  description = "Who pays. A tag, by which costs are split."
  type        = string
  default     = "engineering"
}

variable "repository" {
  description = "Where its code is. A tag, so that a resource found in the account leads back here."
  type        = string
  default     = "opsconsole"
}

variable "tags" {
  description = "More tags for everything."
  type        = map(string)
  default     = {}
}

variable "vpc_cidr" {
  description = "The network's range. With a /16 the subnets are 10.0.1.0/24, .2 … (public), .11 … (private), .21 … (data)."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(cidrhost(var.vpc_cidr, 0) == split("/", var.vpc_cidr)[0], false)
    error_message = "vpc_cidr must be the first address of an IPv4 range, such as 10.0.0.0/16; got \"${var.vpc_cidr}\"."
  }

  validation {
    condition     = try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 22, false)
    error_message = "vpc_cidr is too small or too large for ${var.az_count} availability zones with public, private and data subnets each: choose a prefix from /16 to /22 (a load balancer wants 8 free addresses per subnet, a VPC is at most a /16); got \"${var.vpc_cidr}\"."
  }
}

variable "az_count" {
  description = "Over how many availability zones: 2 or 3."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3], var.az_count)
    error_message = "az_count must be 2 or 3: one zone is no high availability and load balancers refuse it; got ${var.az_count}."
  }
}

variable "size" {
  description = "CPU units, MiB and task counts instead of those of the environment (256/512 fixed at 1; production 1024/2048 at 1 to 2)."
  type = object({
    cpu    = number
    memory = number
    min    = number
    max    = number
  })
  default = null

  validation {
    condition     = var.size == null ? true : var.size.min >= 1 && var.size.min <= var.size.max
    error_message = "size.min must be at least 1 and at most size.max."
  }
}

variable "off_hours" {
  description = "When a non-production environment is on: from `start` to `stop` (whole hours) on `days`. null: always on. Production ignores it."
  type = object({
    start    = optional(number, 7)
    stop     = optional(number, 19)
    days     = optional(list(string), ["MON", "TUE", "WED", "THU", "FRI"])
    timezone = optional(string, "Etc/UTC")
  })
  default = {}

  validation {
    condition     = var.off_hours == null ? true : var.off_hours.start >= 0 && var.off_hours.start < var.off_hours.stop && var.off_hours.stop <= 23
    error_message = "off_hours.start must be before off_hours.stop, both whole hours from 0 to 23."
  }

  validation {
    condition     = var.off_hours == null ? true : length(var.off_hours.days) > 0 && alltrue([for d in var.off_hours.days : contains(["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"], d)])
    error_message = "off_hours.days must name days as MON, TUE, WED, THU, FRI, SAT or SUN."
  }
}
