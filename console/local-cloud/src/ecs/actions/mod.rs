//! The actions of the ECS API.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Operations.html>

mod clusters;
mod service_deployments;
mod service_input;
mod services;
mod tags;
mod task_definitions;
mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use super::error;
use super::model::{Tags, World};
use crate::cloud::Cloud;
use crate::protocol::{AwsError, members};

/// Answers one action.
///
/// # Errors
/// As the service models them; `UnknownOperationException` for an action that is not here.
pub async fn handle(cloud: &Arc<Cloud>, action: &str, body: &Value) -> Result<Value, AwsError> {
    match action {
        "ListClusters" => clusters::list(cloud, body),
        "DescribeClusters" => clusters::describe(cloud, body),
        "CreateCluster" => clusters::create(cloud, body),
        "ListServices" => services::list(cloud, body),
        "DescribeServices" => services::describe(cloud, body),
        "CreateService" => services::create(cloud, body),
        "UpdateService" => services::update(cloud, body),
        "DeleteService" => services::delete(cloud, body),
        "ListTasks" => tasks::list(cloud, body),
        "DescribeTasks" => tasks::describe(cloud, body),
        "StopTask" => tasks::stop(cloud, body),
        "RunTask" => tasks::run(cloud, body),
        "RegisterTaskDefinition" => task_definitions::register(cloud, body),
        "DescribeTaskDefinition" => task_definitions::describe(cloud, body),
        "ListTaskDefinitions" => task_definitions::list(cloud, body),
        "ListTaskDefinitionFamilies" => task_definitions::list_families(cloud, body),
        "DeregisterTaskDefinition" => task_definitions::deregister(cloud, body),
        "ListServiceDeployments" => service_deployments::list(cloud, body),
        "DescribeServiceDeployments" => service_deployments::describe(cloud, body),
        "DescribeServiceRevisions" => service_deployments::describe_revisions(cloud, body),
        "StopServiceDeployment" => service_deployments::stop(cloud, body),
        "TagResource" => tags::tag(cloud, body),
        "UntagResource" => tags::untag(cloud, body),
        "ListTagsForResource" => tags::list(cloud, body),
        other => Err(AwsError::unknown_operation(other)),
    }
}

/// The name of the cluster that a request is about: `default` when it names none.
fn cluster_name(world: &World, body: &Value) -> Result<String, AwsError> {
    let reference = members::text(body, "cluster").unwrap_or("default");
    let name = super::arn::last_part(reference);
    if world.clusters.contains_key(name) {
        Ok(name.to_owned())
    } else {
        Err(error::cluster_not_found())
    }
}

/// The name in a service's name or ARN.
fn service_name(body: &Value, member: &str) -> Result<String, AwsError> {
    members::text(body, member)
        .map(|reference| super::arn::last_part(reference).to_owned())
        .ok_or_else(|| error::missing(member))
}

/// Whether the request asks to `include` something.
fn includes(body: &Value, what: &str) -> bool {
    members::texts(body, "include").contains(&what)
}

/// At most this many tags on one resource.
const TAGS_MAX: usize = 50;

/// `tags` of a request.
fn read_tags(body: &Value) -> Result<Tags, AwsError> {
    let tags: Tags = members::list(body, "tags")
        .iter()
        .map(|tag| {
            let key = members::text(tag, "key").unwrap_or_default();
            let value = members::text(tag, "value").unwrap_or_default();
            (key.to_owned(), value.to_owned())
        })
        .collect();
    check_tags(&tags)?;
    Ok(tags)
}

fn check_tags(tags: &Tags) -> Result<(), AwsError> {
    if tags.len() > TAGS_MAX {
        return Err(error::invalid_parameter(
            "Too many tags: at most 50 are allowed.",
        ));
    }
    for (key, value) in tags {
        let key_fits = (1..=128).contains(&key.chars().count()) && !key.starts_with("aws:");
        if !key_fits || value.chars().count() > 256 {
            return Err(error::invalid_parameter(format!(
                "Some tags contain invalid characters or lengths: {key}"
            )));
        }
    }
    Ok(())
}

/// A name of 1 to 255 letters, digits, hyphens and underscores.
fn check_name(name: &str, what: &str) -> Result<(), AwsError> {
    let fits = (1..=255).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits {
        Ok(())
    } else {
        Err(error::invalid_parameter(format!("Invalid {what} name.")))
    }
}
