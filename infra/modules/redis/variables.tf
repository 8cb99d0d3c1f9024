# REQUIRED

variable "name" {
  description = "The cache's name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Data subnets of at least two zones."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Name → group that may connect."
  type        = map(string)
}

# OPTIONAL

variable "node_type" {
  description = "The size."
  type        = string
  default     = "cache.t4g.micro"
}

variable "replicas" {
  description = "Copies in other zones: 1 survives a zone's failure."
  type        = number
  default     = 0
}

variable "kms_key_arn" {
  description = "Key that encrypts it."
  type        = string
  default     = null
}
