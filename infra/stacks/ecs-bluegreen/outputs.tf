output "opsconsole" {
  description = "What the console needs to know: opsconsole init --from-terraform reads it (docs/reference/terraform-contract.md)."
  value       = module.contract.opsconsole
}

output "url" {
  description = "Where it answers."
  value       = local.url
}

output "state_key" {
  description = "Where this environment's state belongs."
  value       = module.context.state_key
}

output "appspec" {
  description = "The AppSpec of a deployment, with TASK_DEFINITION to be replaced by the revision; scripts/appspec.sh fills it in."
  value = {
    version = "0.0"
    Resources = [{ TargetService = {
      Type = "AWS::ECS::Service"
      Properties = {
        TaskDefinition   = "TASK_DEFINITION"
        LoadBalancerInfo = { ContainerName = module.service.container, ContainerPort = module.service.container_port }
      }
    } }]
    Hooks = [for stage, hook in { BeforeInstall = "migrate", AfterAllowTestTraffic = "validate" } : { (stage) = module.codedeploy.hook_names[hook] } if contains(keys(module.codedeploy.hook_names), hook)]
  }
}
