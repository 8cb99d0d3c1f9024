# REQUIRED

variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "account" {
  description = "The account."
  type        = string
}

variable "cluster" {
  description = "The ECS cluster."
  type = object({
    name = string
    arn  = string
  })
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "vpc_cidr" {
  description = "Its range, for the way to the database."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "database" {
  description = "Postgres of its own: host, name, user and the secret with `password`."
  type = object({
    host       = string
    name       = string
    username   = string
    secret_arn = string
  })
}

variable "target_group_arn" {
  description = "Target group that sends it requests."
  type        = string
}

variable "load_balancer_security_group_id" {
  description = "The load balancer's group."
  type        = string
}

# OPTIONAL

variable "image" {
  description = "Unleash, by version."
  type        = string
  default     = "unleashorg/unleash-server:6.10.0"

  validation {
    condition     = !endswith(var.image, ":latest") && can(regex(":[^/:]+$", var.image))
    error_message = "image must name a version: an Unleash that changes by itself migrates its database by itself."
  }
}

variable "kms_key_arn" {
  description = "Key for logs and secrets."
  type        = string
  default     = null
}
