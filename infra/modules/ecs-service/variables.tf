# REQUIRED

variable "name" {
  description = "The service's and task family's name."
  type        = string
}

variable "region" {
  description = "The region, for log options and policies."
  type        = string
}

variable "account" {
  description = "The account, for policies."
  type        = string
}

variable "cluster" {
  description = "The cluster's name and ARN."
  type = object({
    name = string
    arn  = string
  })
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Where tasks run: private subnets."
  type        = list(string)
}

variable "cpu" {
  description = "CPU units of a task: 256, 512, 1024, 2048, 4096, 8192 or 16384."
  type        = number

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "cpu must be 256, 512, 1024, 2048, 4096, 8192 or 16384; got ${var.cpu}."
  }
}

variable "memory" {
  description = "MiB of a task; Fargate wants 2 to 8 times the vCPUs in GB (512 MiB at least)."
  type        = number

  validation {
    condition     = var.memory >= max(512, var.cpu * 2) && var.memory <= var.cpu * 8
    error_message = "memory must be between ${max(512, var.cpu * 2)} and ${var.cpu * 8} MiB for ${var.cpu} CPU units; got ${var.memory}."
  }
}

variable "containers" {
  description = "The task's containers; the first one carries the release. `secrets` maps a variable to a secret's ARN, with `:key::` appended for one key of a JSON secret."
  type = list(object({
    name              = string
    image             = string
    port              = optional(number)
    essential         = optional(bool, true)
    cpu               = optional(number)
    memory            = optional(number)
    environment       = optional(map(string), {})
    secrets           = optional(map(string), {})
    entry_point       = optional(list(string))
    command           = optional(list(string))
    user              = optional(string)
    read_only_root    = optional(bool, true)
    health_command    = optional(list(string))
    health_start_wait = optional(number, 30)
    mounts            = optional(map(string), {})
    tmpfs             = optional(list(string), [])
    after             = optional(map(string), {})
    stop_timeout      = optional(number, 30)
  }))

  validation {
    condition     = length(var.containers) > 0 && length(distinct(var.containers[*].name)) == length(var.containers)
    error_message = "containers needs at least one container, each with a name of its own."
  }

  validation {
    condition     = !var.is_production || alltrue([for c in var.containers : can(regex("(@sha256:[0-9a-f]{64}|:[^/:]+)$", c.image)) && !endswith(c.image, ":latest")])
    error_message = "Production runs an image that says which: give every container a version tag or a digest, not :latest and not none (${join(", ", [for c in var.containers : c.image])})."
  }
}

# OPTIONAL

variable "is_production" {
  description = "Whether production rules hold: no `latest`, no Spot without a floor of On-Demand."
  type        = bool
  default     = false
}

variable "architecture" {
  description = "`X86_64` or `ARM64` (cheaper by a fifth)."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture must be X86_64 or ARM64."
  }
}

variable "ephemeral_gb" {
  description = "Scratch space of a task in GiB; 20 are free."
  type        = number
  default     = 20

  validation {
    condition     = var.ephemeral_gb >= 20 && var.ephemeral_gb <= 200
    error_message = "ephemeral_gb must be from 20 to 200."
  }
}

variable "volumes" {
  description = "Name → EFS file system and access point; always encrypted in transit and authorised by IAM."
  type = map(object({
    file_system_id   = string
    file_system_arn  = string
    access_point_id  = string
    access_point_arn = string
  }))
  default = {}
}

variable "load_balancers" {
  description = "Container → target group that sends it requests."
  type        = map(string)
  default     = {}
}

variable "has_load_balancer_group" {
  description = "Whether load_balancer_security_group_id is given: known before its id."
  type        = bool
  default     = true
}

variable "load_balancer_security_group_id" {
  description = "The only group that tasks take calls from."
  type        = string
  default     = null
}

variable "deployment" {
  description = "`rolling` (ECS, with circuit breaker), `codedeploy` (blue/green) or `external`: everything but the service itself, which ecs-service-native makes."
  type        = string
  default     = "rolling"

  validation {
    condition     = contains(["rolling", "codedeploy", "external"], var.deployment)
    error_message = "deployment must be rolling, codedeploy or external; ECS-native blue/green is modules/ecs-service-native (provider 6.21 or newer)."
  }
}

variable "exclusive" {
  description = "Whether at most one task may run at any time, because it owns its data (a database on a shared file system): a deployment stops the old task before it starts the new one."
  type        = bool
  default     = false

  validation {
    condition     = !var.exclusive || (var.deployment == "rolling" && var.scaling.max == 1)
    error_message = "exclusive needs deployment = \"rolling\" and scaling.max = 1: two tasks on one database directory destroy it. Move the database to RDS before scaling out."
  }
}

variable "alarm_names" {
  description = "Alarms that stop a rolling deployment and roll it back."
  type        = list(string)
  default     = []
}

variable "scaling" {
  description = "Task counts, and what drives them: CPU and memory targets in percent, requests a minute and task (with `resource_label`)."
  type = object({
    min             = optional(number, 1)
    desired         = optional(number, 1)
    max             = optional(number, 1)
    cpu             = optional(number, 70)
    memory          = optional(number, 80)
    requests        = optional(number)
    resource_label  = optional(string)
    scale_in_wait_s = optional(number, 300)
  })
  default = {}

  validation {
    condition     = var.scaling.min <= var.scaling.desired && var.scaling.desired <= var.scaling.max
    error_message = "scaling needs min ≤ desired ≤ max."
  }

  validation {
    condition     = var.scaling.requests == null || var.scaling.resource_label != null
    error_message = "scaling.requests needs scaling.resource_label (load balancer suffix/target group suffix)."
  }
}

variable "off_hours" {
  description = "When it is switched off and on again (cron expressions), or null."
  type = object({
    start_cron = string
    stop_cron  = string
    timezone   = string
  })
  default = null

  validation {
    condition     = var.off_hours == null || !var.is_production
    error_message = "Production is never switched off by a clock."
  }
}

variable "hours_per_month" {
  description = "Hours of a month in which it runs, for the bill."
  type        = number
  default     = 730
}

variable "spot" {
  description = "Share of tasks on Fargate Spot: `base` tasks stay On-Demand, the rest splits by weight. Going to Spot or back replaces the service."
  type = object({
    on_demand_base   = optional(number, 0)
    on_demand_weight = optional(number, 0)
    spot_weight      = optional(number, 0)
  })
  default = {}

  validation {
    condition     = !var.is_production || var.spot.spot_weight == 0 || (var.spot.on_demand_base >= 1 && var.spot.on_demand_weight >= 1)
    error_message = "Spot in production without a fallback: AWS can take all Spot tasks back at once. Set spot.on_demand_base to at least 1 and spot.on_demand_weight to at least 1, or spot_weight to 0."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 7

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days must be a retention that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90… Never-expiring logs are not offered."
  }
}

variable "kms_key_arn" {
  description = "Key for the logs and for secrets."
  type        = string
  default     = null
}

variable "repository_arns" {
  description = "Repositories that images are pulled from."
  type        = list(string)
  default     = []
}

variable "secret_arns" {
  description = "Secrets and parameters that the containers' `secrets` name (without `:key::`)."
  type        = list(string)
  default     = []
}

variable "task_statements" {
  description = "What the program itself may do, as IAM statements."
  type = list(object({
    sid       = string
    actions   = list(string)
    resources = list(string)
  }))
  default = []

  validation {
    condition     = alltrue(flatten([for s in var.task_statements : [for a in s.actions : !strcontains(a, "*")]]))
    error_message = "task_statements must name their actions one by one, without *."
  }
}

variable "exec" {
  description = "Whether people may run commands in the containers (ECS exec)."
  type        = bool
  default     = false
}

variable "exec_log_group_arn" {
  description = "Where such commands are logged."
  type        = string
  default     = null
}

variable "egress_rules" {
  description = "Where tasks may call, by security group egress; default HTTPS anywhere and DNS, Postgres, NFS and Redis in the VPC."
  type = map(object({
    port     = number
    cidr     = string
    protocol = optional(string, "tcp")
  }))
  default = { https = { port = 443, cidr = "0.0.0.0/0" } }
}

variable "usage" {
  description = "Assumed logs of a month in GB, for the bill."
  type = object({
    log_gb = optional(number, 5)
  })
  default = {}
}
