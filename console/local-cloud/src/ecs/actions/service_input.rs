//! Reads the parts of CreateService and UpdateService that describe a service.

use serde_json::{Map, Value};

use crate::cloud::Cloud;
use crate::ecs::error;
use crate::ecs::model::{
    CircuitBreaker, ContainerImage, DeploymentAlarms, DeploymentConfiguration, ServiceLoadBalancer,
    TaskDefinition,
};
use crate::protocol::{AwsError, members};

/// What a service has when nothing is said.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>
pub(super) fn default_configuration() -> DeploymentConfiguration {
    DeploymentConfiguration {
        deployment_circuit_breaker: CircuitBreaker {
            enable: false,
            rollback: false,
            reset_on_healthy_task: None,
        },
        maximum_percent: 200,
        minimum_healthy_percent: 100,
        alarms: None,
        strategy: "ROLLING".to_owned(),
        bake_time_in_minutes: 0,
    }
}

/// `deploymentConfiguration` of the request over what was there; what it does not mention stays.
pub(super) fn configuration(
    body: &Value,
    before: &DeploymentConfiguration,
) -> Result<DeploymentConfiguration, AwsError> {
    let Some(given) = body
        .get("deploymentConfiguration")
        .filter(|c| c.is_object())
    else {
        return Ok(before.clone());
    };
    let mut result = before.clone();
    let percent = |name: &str, most: i64| match members::integer(given, name) {
        None => Ok(None),
        Some(value) if (0..=most).contains(&value) => Ok(u32::try_from(value).ok()),
        Some(_) => Err(error::invalid_parameter(format!(
            "{name} must be between 0 and {most}."
        ))),
    };
    if let Some(value) = percent("maximumPercent", 20_000)? {
        result.maximum_percent = value;
    }
    if let Some(value) = percent("minimumHealthyPercent", 100)? {
        result.minimum_healthy_percent = value;
    }
    if result.maximum_percent <= 100 && result.minimum_healthy_percent >= 100 {
        return Err(error::invalid_parameter(
            "maximumPercent must be greater than 100 when minimumHealthyPercent is 100: nothing \
             could be replaced otherwise.",
        ));
    }
    if let Some(breaker) = given.get("deploymentCircuitBreaker") {
        result.deployment_circuit_breaker = CircuitBreaker {
            enable: members::boolean(breaker, "enable").unwrap_or(false),
            rollback: members::boolean(breaker, "rollback").unwrap_or(false),
            reset_on_healthy_task: members::boolean(breaker, "resetOnHealthyTask"),
        };
    }
    if let Some(alarms) = given.get("alarms").filter(|a| a.is_object()) {
        result.alarms = Some(DeploymentAlarms {
            alarm_names: members::texts(alarms, "alarmNames")
                .into_iter()
                .map(str::to_owned)
                .collect(),
            enable: members::boolean(alarms, "enable").unwrap_or(false),
            rollback: members::boolean(alarms, "rollback").unwrap_or(false),
        });
    }
    if let Some(strategy) = members::text(given, "strategy")
        && strategy != "ROLLING"
    {
        return Err(AwsError::client(
            "UnsupportedFeatureException",
            format!("The deployment strategy {strategy} is not supported here; use ROLLING."),
        ));
    }
    if let Some(minutes) = percent("bakeTimeInMinutes", 1440)? {
        result.bake_time_in_minutes = minutes;
    }
    Ok(result)
}

/// `loadBalancers` of the request, checked against the target groups and the task definition.
pub(super) fn load_balancers(
    cloud: &Cloud,
    body: &Value,
    definition: &TaskDefinition,
) -> Result<Vec<ServiceLoadBalancer>, AwsError> {
    members::list(body, "loadBalancers")
        .iter()
        .map(|given| {
            let arn = members::text(given, "targetGroupArn")
                .ok_or_else(|| error::missing("targetGroupArn"))?;
            if !cloud.elb.has_group(arn) {
                return Err(error::invalid_parameter(format!(
                    "The target group {arn} does not exist."
                )));
            }
            let name = members::text(given, "containerName").unwrap_or_default();
            let container = definition
                .containers()
                .iter()
                .find(|c| members::text(c, "name") == Some(name));
            let port = members::integer(given, "containerPort")
                .and_then(|p| u16::try_from(p).ok())
                .unwrap_or(0);
            let mapped = container.is_some_and(|c| {
                members::list(c, "portMappings")
                    .iter()
                    .any(|m| members::integer(m, "containerPort") == Some(i64::from(port)))
            });
            if !mapped {
                return Err(error::invalid_parameter(format!(
                    "The container {name} did not have a container port {port} defined."
                )));
            }
            Ok(ServiceLoadBalancer {
                target_group_arn: arn.to_owned(),
                container_name: name.to_owned(),
                container_port: port,
            })
        })
        .collect()
}

/// The digests that the images of a task definition have now.
pub(super) fn images(cloud: &Cloud, definition: &TaskDefinition) -> Vec<ContainerImage> {
    definition
        .containers()
        .iter()
        .map(|container| {
            let image = members::text(container, "image").unwrap_or_default();
            ContainerImage {
                container_name: members::text(container, "name")
                    .unwrap_or_default()
                    .to_owned(),
                image: image.to_owned(),
                image_digest: cloud.ecr.resolve(image).ok().map(|found| found.digest),
            }
        })
        .collect()
}

/// A count of the request that is not negative.
pub(super) fn count(body: &Value, name: &str) -> Result<Option<u32>, AwsError> {
    match members::integer(body, name) {
        None => Ok(None),
        Some(value) => match u32::try_from(value) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(error::invalid_parameter(format!(
                "{name} must not be negative."
            ))),
        },
    }
}

/// Parameters that are kept only to be repeated.
pub(super) fn repeated(body: &Value, before: &Value) -> Value {
    let mut kept = before.as_object().cloned().unwrap_or_else(Map::new);
    for name in [
        "platformVersion",
        "enableECSManagedTags",
        "enableExecuteCommand",
        "propagateTags",
        "availabilityZoneRebalancing",
    ] {
        if let Some(value) = body.get(name).filter(|v| !v.is_null()) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(kept)
}
