# dev, test and prod as the document sizes them, and a way back at every step.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name        = "shop"
  environment = "dev"
  region      = "us-east-1"
  account_id  = "123456789012"
  image_tag   = "1.5.0"
}

run "dev_is_one_small_task_in_three_zones" {
  command = plan
  assert {
    condition     = module.context.size.cpu == 256 && module.context.size.memory == 512 && module.context.size.max == 1 && length(module.context.subnets.private) == 3
    error_message = "dev: 256/512, fixed at 1, three zones."
  }
}

run "prod_is_larger_scales_to_two_and_is_shifted_by_codedeploy" {
  variables {
    environment = "prod"
    domain_name = "example.com"
    zone_id     = "Z0123456789ABCDEFGHIJ"
  }
  assert {
    condition     = output.opsconsole.target.deployment == "codedeploy" && output.opsconsole.target.codedeploy_application == "shop-prod" && contains(keys(output.opsconsole.target_groups), "api-green")
    error_message = "The console learns CodeDeploy's application and both target groups."
  }
  assert {
    condition     = one([for line in output.opsconsole.bill.lines : "${line.min} ${line.max}" if line.sku == "fargate.linux.x86.vcpu"]) == "1 2"
    error_message = "prod: one vCPU, one to two tasks."
  }
  assert {
    condition     = output.appspec.Resources[0].TargetService.Properties.LoadBalancerInfo.ContainerPort == 8000
    error_message = "The AppSpec names port 8000."
  }
}
