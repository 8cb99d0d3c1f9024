# Names, tags, address plan and sizes of one environment. Calls nothing, so every decision here is testable in
# milliseconds, and every stack makes the same ones.

locals {
  prefix = "${var.name}-${var.environment}"

  # The console's own rule for its strictest guard (console/src/config/types.rs), so that both agree on what production is.
  is_production = length(setintersection(split("-", var.environment), ["prod", "production", "live", "prd"])) > 0

  tags = merge(var.tags, {
    CostScope   = local.prefix
    System      = var.name
    Environment = var.environment
    Stack       = var.stack
    Owner       = var.owner
    CostCenter  = var.cost_center
    Repository  = var.repository
    ManagedBy   = "terraform"
  })

  # Room for 3 tiers of 3 zones with the third octet readable in a /16: 1, 2, 3 public; 11… private; 21… data.
  # Below a /18 that would leave subnets smaller than a /26, so sixteen equal parts are used instead.
  prefix_length = tonumber(split("/", var.vpc_cidr)[1])
  newbits       = local.prefix_length <= 18 ? 8 : 4
  offset        = local.newbits == 8 ? { public = 1, private = 11, data = 21 } : { public = 0, private = 4, data = 8 }
  subnets = {
    for tier, first in local.offset :
    tier => [for zone in range(var.az_count) : cidrsubnet(var.vpc_cidr, local.newbits, first + zone)]
  }

  size = var.size != null ? var.size : (
    local.is_production
    ? { cpu = 1024, memory = 2048, min = 1, max = 2 }
    : { cpu = 256, memory = 512, min = 1, max = 1 }
  )

  off_hours = local.is_production || var.off_hours == null ? null : {
    start_cron = "cron(0 ${var.off_hours.start} ? * ${join(",", var.off_hours.days)} *)"
    stop_cron  = "cron(0 ${var.off_hours.stop} ? * ${join(",", var.off_hours.days)} *)"
    start_unix = "0 ${var.off_hours.start} * * ${join(",", var.off_hours.days)}"
    stop_unix  = "0 ${var.off_hours.stop} * * ${join(",", var.off_hours.days)}"
    timezone   = var.off_hours.timezone
  }

  # 730 hours a month, 168 a week: 12 hours on 5 days are 260.7 of 730.
  hours_per_month = local.off_hours == null ? 730 : (
    (var.off_hours.stop - var.off_hours.start) * length(var.off_hours.days) * 730 / 168
  )
}

# Remembers whose state this is: the value stays that of the first apply.
resource "terraform_data" "state_owner" {
  input = "${var.stack}/${local.prefix}/${var.region}"

  lifecycle {
    ignore_changes = [input]
  }
}
