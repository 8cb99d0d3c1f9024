# Names, address plan, sizes and off-hours: what the documents ask for, to the digit.

variables {
  name        = "shop"
  environment = "dev"
  region      = "us-east-1"
  stack       = "ecs-fargate"
}

run "a_16_gives_the_documents_subnets" {
  command = plan
  assert {
    condition     = join(" ", output.subnets.public) == "10.0.1.0/24 10.0.2.0/24" && join(" ", output.subnets.private) == "10.0.11.0/24 10.0.12.0/24"
    error_message = "Public subnets must be 10.0.1.0/24 and 10.0.2.0/24, private ones 10.0.11.0/24 and 10.0.12.0/24."
  }
}

run "the_smallest_network_still_holds_nine_subnets_for_a_load_balancer" {
  command = plan
  variables {
    vpc_cidr = "10.9.8.0/22"
    az_count = 3
  }
  assert {
    condition     = length(distinct(flatten(values(output.subnets)))) == 9 && alltrue([for c in flatten(values(output.subnets)) : tonumber(split("/", c)[1]) <= 27])
    error_message = "A /22 must give nine subnets that do not overlap, none smaller than a /27."
  }
}

run "dev_is_small_and_fixed_at_one_task" {
  command = plan
  assert {
    condition     = output.size.cpu == 256 && output.size.memory == 512 && output.size.min == 1 && output.size.max == 1 && !output.is_production
    error_message = "dev and test are 256/512, fixed at 1."
  }
}

run "prod_is_larger_and_scales_to_two" {
  command = plan
  variables {
    environment = "prod"
  }
  assert {
    condition     = output.size.cpu == 1024 && output.size.memory == 2048 && output.size.min == 1 && output.size.max == 2 && output.is_production
    error_message = "prod is 1024/2048 at 1 to 2."
  }
}

run "twelve_hours_on_five_days_are_36_percent_of_a_month" {
  command = plan
  assert {
    condition     = floor(output.hours_per_month * 10) == 2607 && output.off_hours.stop_cron == "cron(0 19 ? * MON,TUE,WED,THU,FRI *)"
    error_message = "12×5 must be 260.7 h a month and go off at 19:00."
  }
}

run "production_never_goes_off" {
  command = plan
  variables {
    environment = "eu-prod"
  }
  assert {
    condition     = output.off_hours == null && output.hours_per_month == 730
    error_message = "Anything named prod, production, live or prd is always on."
  }
}

run "production_may_be_written_out" {
  command = plan
  variables {
    environment = "production"
  }
  assert {
    condition     = output.is_production && output.size.cpu == 1024
    error_message = "production is an environment's name, and production."
  }
}

run "every_resource_can_be_charged_to_someone" {
  command = plan
  assert {
    condition     = alltrue([for key in ["System", "Environment", "Owner", "CostCenter"] : length(output.tags[key]) > 0])
    error_message = "The cost allocation tags must be set."
  }
}

run "a_state_belongs_to_its_first_environment" {
  assert {
    condition     = output.prefix == "shop-dev"
    error_message = "The prefix is name-environment."
  }
}

run "a_second_environment_on_the_same_state_is_refused" {
  command = plan
  variables {
    environment = "prod"
  }
  expect_failures = [output.prefix]
}

run "a_network_too_small_for_its_zones_is_refused" {
  command = plan
  variables {
    vpc_cidr = "10.0.0.0/24"
  }
  expect_failures = [var.vpc_cidr]
}

run "a_zone_is_not_a_region" {
  command = plan
  variables {
    region = "us-east-1a"
  }
  expect_failures = [var.region]
}

run "one_zone_is_refused" {
  command = plan
  variables {
    az_count = 1
  }
  expect_failures = [var.az_count]
}

run "a_day_that_does_not_exist_is_refused" {
  command = plan
  variables {
    off_hours = { days = ["FUNDAY"] }
  }
  expect_failures = [var.off_hours]
}
