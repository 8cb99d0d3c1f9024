# REQUIRED

variable "name" {
  description = "Prefix of every name."
  type        = string
}

# OPTIONAL

variable "domain_name" {
  description = "Where it answers: api.example.com. null: no name and no certificate."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name == null || can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.domain_name))
    error_message = "domain_name must be a name such as api.example.com, without scheme and path."
  }
}

variable "zone_id" {
  description = "The Route 53 zone of the domain; null makes one."
  type        = string
  default     = null
}

variable "create_zone" {
  description = "Whether to make the zone; its name servers must then be entered at the registrar."
  type        = bool
  default     = false

  validation {
    condition     = var.domain_name == null || var.create_zone || var.zone_id != null
    error_message = "A domain_name needs zone_id of an existing zone, or create_zone = true."
  }
}

variable "alias" {
  description = "The load balancer that the name leads to."
  type = object({
    dns_name = string
    zone_id  = string
  })
  default = null
}

variable "waf" {
  description = "Whether a web application firewall stands in front, and how many requests one address may send in five minutes."
  type = object({
    rate_limit = optional(number, 2000)
  })
  default = null

  validation {
    condition     = var.waf == null ? true : var.waf.rate_limit >= 100
    error_message = "waf.rate_limit must be at least 100: AWS knows no smaller one."
  }
}

variable "log_retention_days" {
  description = "How long the firewall's log is kept."
  type        = number
  default     = 7
}

variable "kms_key_arn" {
  description = "Key for the firewall's log."
  type        = string
  default     = null
}

variable "usage" {
  description = "Assumed millions of requests and name look-ups a month, for the bill."
  type = object({
    requests_m = optional(number, 1)
    lookups_m  = optional(number, 1)
  })
  default = {}
}
