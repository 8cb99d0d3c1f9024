# REQUIRED

variable "region" {
  description = "The AWS region whose X-Ray gets the traces."
  type        = string
}

# OPTIONAL

variable "image" {
  description = "The AWS distribution of the OpenTelemetry collector, with its version."
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"

  validation {
    condition     = can(regex("(@sha256:[0-9a-f]{64}|:v?[0-9][^/:]*)$", var.image))
    error_message = "image must name its version or digest, so that two tasks run the same collector; got \"${var.image}\"."
  }
}

variable "share" {
  description = "Which share of requests is traced, from 0 to 1. Errors are not favoured: the decision is made at the start."
  type        = number
  default     = 0.05

  validation {
    condition     = var.share > 0 && var.share <= 1
    error_message = "share must be above 0 and at most 1: 0.05 traces one request in twenty; got ${var.share}."
  }
}

variable "usage" {
  description = "Assumed use a month, for the bill only: millions of traces."
  type        = object({ traces_m = optional(number, 0.1) })
  default     = {}
}
