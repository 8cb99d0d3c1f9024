# REQUIRED

variable "name" {
  description = "Prefix of the roles."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string
}

variable "subjects" {
  description = "The `sub` claims that may plan and apply, literally. Repositories created since July 2026 say `repo:ORG@ID/REPO@ID:…`, older ones `repo:ORG/REPO:…`; see the token of a first run."
  type = object({
    plan  = list(string)
    apply = list(string)
  })

  validation {
    condition     = alltrue([for sub in concat(var.subjects.plan, var.subjects.apply) : can(regex("^repo:[^*:]+/[^*:]+:.+$", sub))])
    error_message = "subjects must begin with repo:OWNER/NAME: and hold no * before the last colon: otherwise any repository could take the role."
  }

  validation {
    condition     = alltrue([for sub in var.subjects.apply : can(regex(":environment:[^*]+$", sub))])
    error_message = "subjects.apply must be bound to an environment (repo:OWNER/NAME:environment:prod), so that its protection rules decide who may apply."
  }
}

variable "state_bucket_arn" {
  description = "The state's bucket: the plan role reads it and writes lock files only."
  type        = string
}

# OPTIONAL

variable "create_provider" {
  description = "Whether to register GitHub's tokens in the account: once per account."
  type        = bool
  default     = true
}

variable "apply_policy_arns" {
  description = "What the apply role may do. No default: choose what your stacks need."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.apply_policy_arns : !endswith(arn, "policy/AdministratorAccess")])
    error_message = "A pipeline with AdministratorAccess is one leaked token away from the whole account: name narrower policies."
  }
}

variable "deploy_policy_arn" {
  description = "console-access' operator policy: lets the apply role run `opsconsole deploy` and `rollback`."
  type        = string
  default     = null
}

variable "has_deploy_policy" {
  description = "Whether it is given: known before its ARN."
  type        = bool
  default     = false
}
