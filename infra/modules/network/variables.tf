# REQUIRED

variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "cidr" {
  description = "The VPC's range."
  type        = string
}

variable "subnets" {
  description = "One range per zone and tier, as `context` plans them; `data` may be empty."
  type = object({
    public  = list(string)
    private = list(string)
    data    = optional(list(string), [])
  })

  validation {
    condition     = length(var.subnets.public) >= 2 && length(var.subnets.public) == length(var.subnets.private)
    error_message = "subnets needs at least two zones and as many private as public ranges."
  }

  validation {
    condition     = alltrue([for range in flatten(values(var.subnets)) : tonumber(split("/", range)[1]) <= 27])
    error_message = "A subnet below a /27 cannot hold a load balancer: choose a larger VPC range or fewer zones."
  }
}

# OPTIONAL

variable "nat" {
  description = "`per-az` (a zone's failure stays its own), `single` (cheaper, one zone's failure cuts all off) or `none`."
  type        = string
  default     = "per-az"

  validation {
    condition     = contains(["none", "single", "per-az"], var.nat)
    error_message = "nat must be none, single or per-az."
  }

  validation {
    condition = var.nat != "none" || !var.has_private_tasks || (
      contains(var.gateway_endpoints, "s3") && length(setsubtract(["ecr.api", "ecr.dkr", "logs"], var.interface_endpoints)) == 0
    )
    error_message = "nat = \"none\" leaves private tasks without a way to pull images and write logs: set interface_endpoints to at least [\"ecr.api\", \"ecr.dkr\", \"logs\"] (and \"secretsmanager\" where secrets are used) with gateway_endpoints = [\"s3\"], or choose nat = \"single\"."
  }
}

variable "has_private_tasks" {
  description = "Whether something in the private subnets pulls images or writes logs."
  type        = bool
  default     = true
}

variable "gateway_endpoints" {
  description = "Free endpoints: s3, dynamodb."
  type        = list(string)
  default     = ["s3"]
}

variable "interface_endpoints" {
  description = "Billed endpoints by service: ecr.api, ecr.dkr, logs, secretsmanager, ssm, kms… Four of them in two zones cost more than one NAT gateway."
  type        = list(string)
  default     = []
}

variable "flow_log_retention_days" {
  description = "How long flow logs are kept; 0 turns them off."
  type        = number
  default     = 7

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.flow_log_retention_days)
    error_message = "flow_log_retention_days must be 0 (off) or a retention that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90…"
  }
}

variable "kms_key_arn" {
  description = "Key for the flow logs."
  type        = string
  default     = null
}

variable "usage" {
  description = "Assumed traffic of a month in GB, for the bill."
  type = object({
    nat_gb      = optional(number, 48)
    endpoint_gb = optional(number, 10)
    flow_log_gb = optional(number, 1)
  })
  default = {}
}
