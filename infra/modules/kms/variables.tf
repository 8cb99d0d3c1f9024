# REQUIRED

variable "name" {
  description = "The key's alias and prefix."
  type        = string
}

variable "account" {
  description = "The account that owns the key."
  type        = string
}

variable "region" {
  description = "The region whose log service may use it."
  type        = string
}
