# REQUIRED

variable "release" {
  description = "The release to run at first: `releases/RELEASE/opsconsole-api` in the artifacts bucket."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*$", var.release))
    error_message = "release must be a version such as 1.5.0."
  }
}

variable "region" {
  description = "The region."
  type        = string
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

variable "log_group" {
  description = "Where the logs go."
  type        = string
}

# OPTIONAL

variable "environment" {
  description = "The environment's name, for the program."
  type        = string
  default     = "dev"
}

variable "port" {
  description = "The program's port."
  type        = number
  default     = 8000
}

variable "secrets" {
  description = "Variable → secret's ARN: API keys such as TAVILY_API_KEY and GEMINI_API_KEY."
  type        = map(string)
  default     = {}
}
