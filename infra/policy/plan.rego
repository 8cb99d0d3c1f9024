# Our own rules over `terraform show -json PLAN`, run in CI beside checkov:
#   opa eval --fail-defined --data infra/policy --input plan.json 'data.opsconsole.plan.deny[_]'
#
# Each is an invariant of ours that no general checker knows, or a second look at one that must never go.
package opsconsole.plan

import rego.v1

# What the plan leads to: everything made, changed or kept.
planned contains change if {
	some change in input.resource_changes
	change.mode == "managed"
	not "delete" in change.change.actions
}

planned contains change if {
	some change in input.resource_changes
	change.mode == "managed"
	"create" in change.change.actions
}

world := {"0.0.0.0/0", "::/0"}

# What the stack says itself, whatever the environment is called.
production if input.output_changes.opsconsole.after.production == true

# modules/context's rule, for plans without the contract.
production if {
	some word in split(input.variables.environment.value, "-")
	word in {"prod", "production", "live", "prd"}
}

deny contains message if {
	some change in planned
	change.type == "aws_vpc_security_group_ingress_rule"
	change.change.after.cidr_ipv4 in world
	not contains(change.address, "module.alb")
	not change.change.after.from_port == allowed_direct_port
	message := sprintf("%s opens port %v to the world: only the load balancer may", [change.address, change.change.after.from_port])
}

# The one exception: the port of a single instance without a load balancer, outside production.
allowed_direct_port := input.variables.container_port.value if {
	not production
	input.variables.scaling.value == null
}

deny contains message if {
	some change in planned
	change.type in {"aws_iam_role_policy", "aws_iam_policy"}
	document := json.unmarshal(change.change.after.policy)
	some statement in document.Statement
	statement.Effect == "Allow"
	some action in to_list(statement.Action)
	contains(action, "*")
	message := sprintf("%s allows %s: name the actions", [change.address, action])
}

# AWS knows no resources for these; everything else names its own.
needs_all_resources := {
	"application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies",
	"application-autoscaling:DescribeScheduledActions", "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData",
	"cloudwatch:ListMetrics",
	"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
	"ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "ecs:ListClusters", "ecs:ListServices",
	"ecs:ListTaskDefinitions", "ecs:ListTasks", "ecs:RegisterTaskDefinition",
	"elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancers",
	"elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetGroups",
	"elasticloadbalancing:DescribeTargetHealth", "logs:DescribeLogGroups", "ssm:DescribeInstanceInformation",
	"ssm:GetCommandInvocation", "ssm:ListCommandInvocations", "ssmmessages:CreateControlChannel",
	"ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
	"sts:GetCallerIdentity", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
}

deny contains message if {
	some change in planned
	change.type in {"aws_iam_role_policy", "aws_iam_policy"}
	document := json.unmarshal(change.change.after.policy)
	some statement in document.Statement
	statement.Effect == "Allow"
	"*" in to_list(statement.Resource)
	some action in to_list(statement.Action)
	not action in needs_all_resources
	message := sprintf("%s allows %s on every resource: name them, or list the action in policy/plan.rego with the reason", [change.address, action])
}

deny contains message if {
	some change in planned
	change.type == "aws_cloudwatch_log_group"
	object.get(change.change.after, "retention_in_days", 0) in {0, null}
	message := sprintf("%s keeps its logs for ever: set a retention", [change.address])
}

encryption := {
	"aws_db_instance": "storage_encrypted", "aws_efs_file_system": "encrypted",
	"aws_elasticache_replication_group": "at_rest_encryption_enabled",
}

deny contains message if {
	some change in planned
	field := encryption[change.type]
	not object.get(change.change.after, field, false) in {true, "true"}
	message := sprintf("%s is not encrypted: set %s", [change.address, field])
}

deny contains message if {
	production
	some change in planned
	field := {"aws_db_instance": "deletion_protection", "aws_lb": "enable_deletion_protection"}[change.type]
	not change.change.after[field] == true
	message := sprintf("%s is production without deletion protection: set %s", [change.address, field])
}

# Data goes only when someone asks for it by name, not as a side effect of a plan.
holds_data := {"aws_db_instance", "aws_efs_file_system", "aws_s3_bucket", "aws_kms_key", "aws_eks_cluster", "aws_backup_vault"}

deny contains message if {
	production
	some change in input.resource_changes
	change.type in holds_data
	"delete" in change.change.actions
	message := sprintf("%s would be deleted in production: take it out of the state first (terraform state rm), on purpose", [change.address])
}

deny contains message if {
	some change in planned
	change.type == "aws_ecs_service"
	change.change.after.deployment_controller in [[], null]
	not breaker_on(change.change.after)
	message := sprintf("%s has no circuit breaker that rolls back", [change.address])
}

breaker_on(service) if {
	some breaker in service.deployment_circuit_breaker
	breaker.enable == true
	breaker.rollback == true
}

deny contains message if {
	some change in planned
	change.type == "aws_ecs_service"
	some network in change.change.after.network_configuration
	network.assign_public_ip == true
	message := sprintf("%s gives its tasks public addresses", [change.address])
}

deny contains message if {
	buckets := {change.change.after.bucket | some change in planned; change.type == "aws_s3_bucket"}
	blocks := count([change | some change in planned; change.type == "aws_s3_bucket_public_access_block"; all_blocked(change.change.after)])
	blocks < count(buckets)
	message := sprintf("%d buckets, but only %d that block all public access", [count(buckets), blocks])
}

all_blocked(block) if {
	every field in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] {
		block[field] == true
	}
}

# Costs that nobody can be charged for.
deny contains message if {
	tags := input.planned_values.outputs.opsconsole.value.tags
	some key in ["System", "Environment", "Owner", "CostCenter", "CostScope"]
	not tags[key]
	message := sprintf("the tag %s is missing: costs could not be split", [key])
}

to_list(value) := value if is_array(value)

to_list(value) := [value] if is_string(value)
