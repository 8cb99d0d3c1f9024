# REQUIRED

variable "name" {
  description = "The cluster's name."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of at least two zones."
  type        = list(string)
}

# OPTIONAL

variable "kubernetes_version" {
  description = "A version in standard support: extended support costs six times as much."
  type        = string
  default     = "1.33"

  validation {
    condition     = can(regex("^1\\.(3[2-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version must be 1.32 or newer: older ones are in extended support at USD 0.60 an hour."
  }
}

variable "is_production" {
  description = "Whether production rules hold: no Spot-only nodes. (Deletion protection of a cluster needs provider 6.x; the policy rules refuse a plan that deletes a production cluster.)"
  type        = bool
  default     = false
}

variable "endpoint_public_cidrs" {
  description = "Who may reach the API server from outside the VPC; empty: nobody."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.endpoint_public_cidrs, "0.0.0.0/0")
    error_message = "The API server is not for the whole world: name your addresses, or leave it empty and go through the VPC."
  }
}

variable "node_pools" {
  description = "Auto Mode's own pools (On-Demand): `system`, `general-purpose`."
  type        = list(string)
  default     = ["system", "general-purpose"]
}

variable "spot_nodes" {
  description = "A group of Spot nodes that off-hours switch off. null: none; Spot can then come from a NodePool of Auto Mode."
  type = object({
    instance_types = optional(list(string), ["m5.large", "m5a.large", "m6i.large", "m6a.large"])
    min            = optional(number, 1)
    desired        = optional(number, 2)
    max            = optional(number, 4)
  })
  default = null

  validation {
    condition     = !var.is_production || var.spot_nodes == null || contains(var.node_pools, "general-purpose")
    error_message = "Spot nodes in production without a fallback: keep general-purpose in node_pools."
  }

  validation {
    condition     = var.spot_nodes == null ? true : length(var.spot_nodes.instance_types) >= 3
    error_message = "Spot needs at least three instance types: one that runs out takes all nodes with it."
  }
}

variable "off_hours" {
  description = "When Spot nodes go off and on (Unix cron), or null."
  type = object({
    start_unix = string
    stop_unix  = string
    timezone   = string
  })
  default = null
}

variable "hours_per_month" {
  description = "Hours of a month in which Spot nodes run, for the bill."
  type        = number
  default     = 730
}

variable "access" {
  description = "Role ARN → Kubernetes access: `admin`, `edit` or `view`, everywhere or in namespaces."
  type = map(object({
    role_arn   = string
    level      = string
    namespaces = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for entry in var.access : contains(["admin", "edit", "view"], entry.level)])
    error_message = "access.level must be admin, edit or view."
  }
}

variable "pod_identities" {
  description = "Name → service account that gets an AWS role of its own, and what the role may do."
  type = map(object({
    namespace       = string
    service_account = string
    statements = list(object({
      sid       = string
      actions   = list(string)
      resources = list(string)
    }))
  }))
  default = {}
}

variable "addons" {
  description = "Add-ons besides what Auto Mode brings."
  type        = set(string)
  default     = ["metrics-server"]
}

variable "kms_key_arn" {
  description = "Key for Kubernetes secrets and logs; null makes EKS use its own."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long control-plane logs are kept."
  type        = number
  default     = 7
}

variable "usage" {
  description = "Assumed On-Demand instances of Auto Mode (as m5.large) and GB of logs, for the bill."
  type = object({
    auto_nodes = optional(number, 2)
    log_gb     = optional(number, 5)
  })
  default = {}
}
