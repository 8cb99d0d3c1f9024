output "prefix" {
  description = "`name-environment`: what every resource's name begins with."
  value       = local.prefix

  # A second environment on the first one's state key would plan to replace the first one's network.
  precondition {
    condition     = terraform_data.state_owner.output == "${var.stack}/${local.prefix}/${var.region}"
    error_message = "This state belongs to ${terraform_data.state_owner.output}, not to ${var.stack}/${local.prefix}/${var.region}: two environments share one state key. Give each its own key (make init STACK=… ENV=… does) and run terraform init -reconfigure."
  }
}

output "tags" {
  description = "Tags for everything; the keys Owner, CostCenter, Environment and System are for cost allocation."
  value       = local.tags
}

output "is_production" {
  description = "Whether production rules hold."
  value       = local.is_production
}

output "subnets" {
  description = "Tier → one range per zone."
  value       = local.subnets
}

output "size" {
  description = "CPU units, MiB, smallest and largest task count."
  value       = local.size
}

output "off_hours" {
  description = "Cron expressions for on and off (AWS form and Unix form), or null when it is always on."
  value       = local.off_hours
}

output "hours_per_month" {
  description = "Hours of a month in which what can be shut down runs."
  value       = local.hours_per_month
}

output "state_key" {
  description = "Where this environment's state belongs."
  value       = "${var.name}/${var.stack}/${var.region}/${var.environment}/terraform.tfstate"
}
