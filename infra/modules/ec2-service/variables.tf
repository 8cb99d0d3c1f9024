# REQUIRED

variable "name" {
  description = "The instance's name and prefix."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Where instances run. A single instance without a load balancer needs a public one."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids must name at least one subnet."
  }
}

variable "release" {
  description = "The release to run at first: `releases/RELEASE/opsconsole-api` in the artifacts bucket."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*$", var.release)) && (!var.is_production || var.release != "latest")
    error_message = "release must be a version such as 1.5.0, and not latest in production."
  }
}

variable "buckets" {
  description = "The buckets' names: logs, artifacts, content. The instance may use these three and no other."
  type = object({
    logs      = string
    artifacts = string
    content   = string
  })
}

variable "database" {
  description = "URL without a password, and the secret that holds it."
  type = object({
    url        = string
    secret_arn = string
  })
}

# OPTIONAL

variable "environment" {
  description = "The environment's name, for the program."
  type        = string
  default     = "dev"
}

variable "is_production" {
  description = "Whether production rules hold: no plain HTTP to the world, no release called latest."
  type        = bool
  default     = false
}

variable "port" {
  description = "The program's port."
  type        = number
  default     = 8000
}

variable "instance_type" {
  description = "The size."
  type        = string
  default     = "t3.micro"
}

variable "architecture" {
  description = "`x86_64` or `arm64`; must fit instance_type."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }

  validation {
    condition     = can(regex("^[a-z0-9]+g[a-z]*\\.", var.instance_type)) == (var.architecture == "arm64")
    error_message = "${var.instance_type} does not run ${var.architecture}: Graviton types (t4g, m7g…) are arm64, the others x86_64."
  }
}

variable "disk_gb" {
  description = "Root disk in GB."
  type        = number
  default     = 20
}

variable "ingress_cidrs" {
  description = "Who may call the port directly, without a load balancer."
  type        = list(string)
  default     = []
}

variable "ssh_cidrs" {
  description = "Who may come in by SSH. Empty: nobody; Session Manager needs no open port (ADR 0104)."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.ssh_cidrs, "0.0.0.0/0")
    error_message = "SSH for the whole world is refused: use scripts/ssh.sh (Session Manager), or name your address."
  }
}

variable "key_name" {
  description = "SSH key pair, where ssh_cidrs is used."
  type        = string
  default     = null
}

variable "secrets" {
  description = "Variable → secret's ARN: API keys such as TAVILY_API_KEY and GEMINI_API_KEY."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "Key for disks, logs and secrets."
  type        = string
  default     = null
}

variable "scaling" {
  description = "An Auto Scaling group behind a load balancer instead of one instance: bounds, CPU target and target group."
  type = object({
    min                             = number
    max                             = number
    cpu                             = optional(number, 60)
    target_group_arn                = string
    load_balancer_security_group_id = string
  })
  default = null

  validation {
    condition     = var.scaling == null ? true : var.scaling.min >= 1 && var.scaling.min <= var.scaling.max
    error_message = "scaling needs 1 ≤ min ≤ max."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 7
}

variable "hours_per_month" {
  description = "Hours of a month in which it runs, for the bill."
  type        = number
  default     = 730
}

variable "usage" {
  description = "Assumed GB of logs and of traffic to the internet a month, for the bill."
  type = object({
    log_gb      = optional(number, 1)
    data_out_gb = optional(number, 0)
  })
  default = {}
}
