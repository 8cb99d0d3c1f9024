# Each rule lets the good plan pass and catches its one bad change.
package opsconsole.plan_test

import data.opsconsole.plan
import rego.v1

resource(type, after) := {"resource_changes": [{
	"address": sprintf("module.x.%s.this", [type]), "type": type, "mode": "managed",
	"change": {"actions": ["create"], "after": after},
}]}

in_production(document) := object.union(document, {"variables": {"environment": {"value": "prod"}}})

policy(action, target) := json.marshal({"Statement": [{"Effect": "Allow", "Action": [action], "Resource": [target]}]})

test_an_empty_plan_passes if count(plan.deny) == 0 with input as {"resource_changes": []}

test_a_port_open_to_the_world_is_caught if {
	count(plan.deny) == 1 with input as resource("aws_vpc_security_group_ingress_rule", {"cidr_ipv4": "0.0.0.0/0", "from_port": 22})
}

test_the_load_balancer_may_face_the_world if {
	count(plan.deny) == 0 with input as {"resource_changes": [{
		"address": "module.alb.aws_vpc_security_group_ingress_rule.public[\"443\"]", "mode": "managed",
		"type": "aws_vpc_security_group_ingress_rule",
		"change": {"actions": ["create"], "after": {"cidr_ipv4": "0.0.0.0/0", "from_port": 443}},
	}]}
}

test_a_wildcard_action_is_caught if {
	count(plan.deny) == 1 with input as resource("aws_iam_role_policy", {"policy": policy("s3:*", "arn:aws:s3:::x")})
}

test_every_resource_is_caught if {
	count(plan.deny) == 1 with input as resource("aws_iam_policy", {"policy": policy("s3:GetObject", "*")})
}

test_a_call_without_resources_passes if {
	count(plan.deny) == 0 with input as resource("aws_iam_policy", {"policy": policy("ecr:GetAuthorizationToken", "*")})
}

test_logs_for_ever_are_caught if count(plan.deny) == 1 with input as resource("aws_cloudwatch_log_group", {"retention_in_days": 0})

test_an_unencrypted_database_is_caught if count(plan.deny) == 1 with input as resource("aws_db_instance", {"storage_encrypted": false})

test_an_unprotected_production_database_is_caught if {
	count(plan.deny) == 1 with input as in_production(resource("aws_db_instance", {"storage_encrypted": true, "deletion_protection": false}))
}

test_production_is_what_the_stack_calls_production if {
	document := resource("aws_lb", {"enable_deletion_protection": false})
	count(plan.deny) == 0 with input as object.union(document, {"variables": {"environment": {"value": "product-demo"}}})
	count(plan.deny) == 1 with input as object.union(document, {"variables": {"environment": {"value": "eu-prod"}}})
	count(plan.deny) == 1 with input as object.union(document, {"output_changes": {"opsconsole": {"after": {"production": true}}}})
}

test_deleting_production_data_is_caught if {
	count(plan.deny) == 1 with input as in_production({"resource_changes": [{
		"address": "x", "type": "aws_efs_file_system", "mode": "managed",
		"change": {"actions": ["delete"], "after": null},
	}]})
}

test_a_service_without_a_circuit_breaker_is_caught if {
	count(plan.deny) == 1 with input as resource("aws_ecs_service", {"deployment_controller": [], "deployment_circuit_breaker": [], "network_configuration": []})
}

test_public_tasks_are_caught if {
	count(plan.deny) == 1 with input as resource("aws_ecs_service", {
		"deployment_controller": [], "network_configuration": [{"assign_public_ip": true}],
		"deployment_circuit_breaker": [{"enable": true, "rollback": true}],
	})
}

test_a_bucket_without_a_block_is_caught if count(plan.deny) == 1 with input as resource("aws_s3_bucket", {"bucket": "x"})

test_a_missing_cost_tag_is_caught if {
	count(plan.deny) == 1 with input as {
		"resource_changes": [],
		"planned_values": {"outputs": {"opsconsole": {"value": {"tags": {"System": "a", "Environment": "b", "Owner": "c", "CostCenter": "d"}}}}},
	}
}
