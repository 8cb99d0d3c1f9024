# REQUIRED

variable "name" {
  description = "The budget's name."
  type        = string
}

variable "limit_usd" {
  description = "What a month may cost."
  type        = number

  validation {
    condition     = var.limit_usd > 0
    error_message = "limit_usd must be above 0."
  }
}

variable "cost_tag" {
  description = "The tag whose costs count. Values of one filter are alternatives in a budget, so one tag must say system and environment at once: CostScope does."
  type = object({
    key   = string
    value = string
  })
}

# OPTIONAL

variable "emails" {
  description = "Who is told; together with the topic at most ten a notice."
  type        = list(string)
  default     = []
}

variable "topic_arn" {
  description = "Topic that is told."
  type        = string
  default     = null
}

variable "has_topic" {
  description = "Whether it is given: known before its ARN."
  type        = bool
  default     = false

  validation {
    condition     = var.has_topic || length(var.emails) > 0
    error_message = "A budget that tells nobody is none: give emails or topic_arn."
  }
}

variable "activate_cost_tags" {
  description = "Whether to activate the tags for cost allocation: only the payer account can, and only after each tag has been used for a day."
  type        = bool
  default     = false
}
