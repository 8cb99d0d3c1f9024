# REQUIRED

variable "name" {
  description = "Prefix of the repositories."
  type        = string
}

variable "repositories" {
  description = "One repository per image."
  type        = set(string)
}

# OPTIONAL

variable "keep" {
  description = "How many images are kept."
  type        = number
  default     = 10

  validation {
    condition     = var.keep >= 2
    error_message = "keep must be at least 2: with one image there is nothing to roll back to."
  }
}

variable "mutable_tags" {
  description = "Whether a tag can be moved to another image. A rollback by tag is only safe when it cannot."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "Key that encrypts the images."
  type        = string
  default     = null
}

variable "force_delete" {
  description = "Whether destroy deletes images too (throw-away environments)."
  type        = bool
  default     = false
}

variable "usage" {
  description = "Assumed size of an image in GB, for the bill."
  type = object({
    image_gb = optional(number, 0.1)
  })
  default = {}
}
