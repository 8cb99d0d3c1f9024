# REQUIRED

variable "stack" {
  description = "Which of the catalogue's stacks it is."
  type        = string

  validation {
    condition     = contains(["eks", "ecs-efs", "ecs-bluegreen", "ec2", "ecs-fargate"], var.stack)
    error_message = "stack must be eks, ecs-efs, ecs-bluegreen, ec2 or ecs-fargate; a new stack is a new version of the contract."
  }
}

variable "name" {
  description = "The system's name."
  type        = string
}

variable "environment" {
  description = "The environment's name in the console."
  type        = string
}

variable "production" {
  description = "Whether it is treated as production."
  type        = bool
}

variable "region" {
  description = "The region."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "account must be the twelve digits of the account."
  }
}

variable "platform" {
  description = "`ecs`, `kubernetes` or `ec2`."
  type        = string

  validation {
    condition     = contains(["ecs", "kubernetes", "ec2"], var.platform)
    error_message = "platform must be ecs, kubernetes or ec2."
  }
}

variable "target" {
  description = "What a deploy or a rollback acts on."
  type = object({
    cluster                     = optional(string)
    service                     = optional(string)
    container                   = optional(string)
    deployment                  = optional(string)
    codedeploy_application      = optional(string)
    codedeploy_deployment_group = optional(string)
    namespace                   = optional(string)
    release                     = optional(string)
    instance_tag_key            = optional(string)
    instance_tag_value          = optional(string)
    systemd_unit                = optional(string)
  })

  validation {
    condition     = var.platform != "ecs" || (var.target.cluster != null && var.target.service != null && contains(["rolling", "codedeploy", "native"], coalesce(var.target.deployment, "none")))
    error_message = "An ECS target needs cluster, service and deployment (rolling, codedeploy or native)."
  }

  validation {
    condition     = var.platform != "kubernetes" || (var.target.cluster != null && var.target.namespace != null && var.target.release != null)
    error_message = "A Kubernetes target needs cluster, namespace and release."
  }

  validation {
    condition     = var.platform != "ec2" || (var.target.instance_tag_key != null && var.target.instance_tag_value != null && var.target.systemd_unit != null)
    error_message = "An EC2 target needs instance_tag_key, instance_tag_value and systemd_unit."
  }

  validation {
    condition     = var.target.deployment == null || var.target.deployment != "codedeploy" || (var.target.codedeploy_application != null && var.target.codedeploy_deployment_group != null)
    error_message = "A service that CodeDeploy shifts needs codedeploy_application and codedeploy_deployment_group."
  }
}

variable "bill" {
  description = "Every billed thing: the modules' `bill` outputs, concatenated."
  type = list(object({
    what            = string
    sku             = string
    quantity        = number
    min             = optional(number)
    max             = optional(number)
    hours_per_month = optional(number, 730)
    basis           = string
    reported_by     = optional(string, "terraform")
  }))

  validation {
    condition     = length(var.bill) > 0
    error_message = "bill must not be empty: an environment that costs nothing does not exist."
  }

  validation {
    condition     = alltrue([for line in var.bill : line.quantity >= coalesce(line.min, 0) && line.quantity <= coalesce(line.max, line.quantity)])
    error_message = "Every bill line needs min ≤ quantity ≤ max."
  }
}

# OPTIONAL

variable "log_groups" {
  description = "Container or service → log group."
  type        = map(string)
  default     = {}
}

variable "target_groups" {
  description = "Name → target group ARN."
  type        = map(string)
  default     = {}
}

variable "alarms" {
  description = "The alarms' common prefix, names and topic."
  type = object({
    prefix    = string
    names     = list(string)
    topic_arn = optional(string)
  })
  default = null
}

variable "urls" {
  description = "Where people look: app, health, grafana, prometheus, dashboard, runbook."
  type        = map(string)
  default     = {}
}

variable "ecr_repositories" {
  description = "Container → repository URL."
  type        = map(string)
  default     = {}
}

variable "lock" {
  description = "The shared lock's bucket and key prefix."
  type = object({
    bucket = string
    prefix = optional(string, "opsconsole/")
  })
  default = null
}

variable "console_access" {
  description = "The two policies for the console."
  type = object({
    read_only_policy_arn = optional(string)
    operator_policy_arn  = optional(string)
  })
  default = {}
}

variable "tags" {
  description = "The environment's tags."
  type        = map(string)
  default     = {}
}

variable "note" {
  description = "A remark that whoever reads the bill must see."
  type        = string
  default     = null
}
