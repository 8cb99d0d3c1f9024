# REQUIRED

variable "name" {
  description = "The load balancer's name and prefix of the target groups' names (at most 32 characters together)."
  type        = string

  validation {
    condition     = length(var.name) <= 32
    error_message = "A load balancer's name has at most 32 characters; got ${length(var.name)}."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "vpc_cidr" {
  description = "Its range; the only place the load balancer may call."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets, at least two."
  type        = list(string)
}

variable "target_groups" {
  description = "Name → where its requests go. Exactly one has no paths: it is the default. `green` adds a second group for blue/green."
  type = map(object({
    port                 = number
    path_patterns        = optional(list(string), [])
    priority             = optional(number)
    health_path          = optional(string, "/health")
    matcher              = optional(string, "200")
    target_type          = optional(string, "ip")
    deregistration_delay = optional(number, 30)
    green                = optional(bool, false)
  }))

  validation {
    condition     = length([for group in var.target_groups : group if length(group.path_patterns) == 0]) == 1
    error_message = "Exactly one target group must have no path_patterns: it answers everything that no path claims."
  }

  validation {
    condition     = alltrue([for group in var.target_groups : length(group.path_patterns) == 0 || group.priority != null])
    error_message = "A target group with path_patterns needs a priority."
  }
}

# OPTIONAL

variable "certificate_arn" {
  description = "ACM certificate. Without it only HTTP is served, which production refuses."
  type        = string
  default     = null
}

variable "is_production" {
  description = "Whether production rules hold: TLS and deletion protection."
  type        = bool
  default     = false

  validation {
    condition     = !var.is_production || (var.has_certificate != null ? var.has_certificate : var.certificate_arn != null)
    error_message = "Production without TLS: set domain_name (a certificate is made) or certificate_arn."
  }
}

variable "has_certificate" {
  description = "Whether there is a certificate, where its ARN is not known before the first apply; null: as certificate_arn says."
  type        = bool
  default     = null
}

variable "tls_policy" {
  description = "TLS 1.2 at least."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  validation {
    condition     = can(regex("^ELBSecurityPolicy-(TLS13-1-[23]|FS-1-2)", var.tls_policy))
    error_message = "tls_policy must refuse everything below TLS 1.2: ELBSecurityPolicy-TLS13-1-2-2021-06 or a stricter one."
  }
}

variable "ingress_cidrs" {
  description = "Who may call. The one place where the whole world is allowed."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "test_listener_port" {
  description = "Port on which blue/green hooks reach the new tasks before anyone else."
  type        = number
  default     = 8443
}

variable "test_ingress_cidrs" {
  description = "Who may call the test port."
  type        = list(string)
  default     = []
}

variable "access_logs_bucket" {
  description = "Bucket for access logs; null turns them off."
  type        = string
  default     = null
}

variable "waf_acl_arn" {
  description = "WAF in front."
  type        = string
  default     = null
}

variable "has_waf" {
  description = "Whether there is one: known before its ARN."
  type        = bool
  default     = false
}

variable "idle_timeout" {
  description = "Seconds without a byte after which a connection ends."
  type        = number
  default     = 60
}

variable "usage" {
  description = "Assumed load for the bill: capacity units at once, and GB to the internet in a month beyond the free 100."
  type = object({
    lcu         = optional(number, 0.5)
    data_out_gb = optional(number, 0)
  })
  default = {}
}
