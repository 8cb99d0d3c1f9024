//! The actions on service deployments and service revisions.

use serde_json::{Value, json};

use super::{cluster_name, service_name};
use crate::cloud::Cloud;
use crate::ecs::model::{Service, ServiceDeployment, ServiceDeploymentStatus as Status, World};
use crate::ecs::paging::Page;
use crate::ecs::{error, view};
use crate::protocol::{AwsError, members, now_ms};

/// ECS shows the deployments of the last 90 days.
const HISTORY_MS: i64 = 90 * 24 * 3600 * 1000;

/// DescribeServiceDeployments and DescribeServiceRevisions take at most this many ARNs.
const ARNS_MAX: usize = 20;

pub(super) fn list(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let name = service_name(body, "service")?;
    let wanted: Vec<Status> = members::list(body, "status")
        .iter()
        .map(|status| {
            serde_json::from_value(status.clone())
                .map_err(|_| error::invalid_parameter(format!("Invalid status: {status}")))
        })
        .collect::<Result<_, _>>()?;
    let created = body.get("createdAt").cloned().unwrap_or_default();
    let after = members::time_ms(&created, "after").unwrap_or(i64::MIN);
    let before = members::time_ms(&created, "before").unwrap_or(i64::MAX);
    let oldest = now_ms() - HISTORY_MS;
    let found: Vec<(String, Value)> = cloud.ecs.read(|world| {
        let cluster = cluster_name(world, body)?;
        let service = world
            .service(&cluster, &name)
            .ok_or_else(error::service_not_found)?;
        Ok::<_, AwsError>(
            service
                .service_deployments
                .iter()
                .filter(|d| wanted.is_empty() || wanted.contains(&d.status))
                .filter(|d| d.created_at >= oldest.max(after) && d.created_at <= before)
                .map(|d| (d.arn.clone(), view::service_deployment_brief(service, d)))
                .collect(),
        )
    })?;
    let page = Page::of(body, found, 20, 100, |(arn, _)| arn.clone())?;
    let items: Vec<Value> = page.items.into_iter().map(|(_, seen)| seen).collect();
    Ok(json!({ "serviceDeployments": items, "nextToken": page.next_token }))
}

fn arns<'a>(body: &'a Value, member: &str) -> Result<Vec<&'a str>, AwsError> {
    let arns = members::texts(body, member);
    match arns.len() {
        0 => Err(error::invalid_parameter(format!(
            "{member} cannot be empty."
        ))),
        1..=ARNS_MAX => Ok(arns),
        _ => Err(error::invalid_parameter(format!(
            "{member} cannot have more than {ARNS_MAX} elements."
        ))),
    }
}

fn find<'a>(world: &'a World, arn: &str) -> Option<(&'a Service, &'a ServiceDeployment)> {
    world.services.iter().find_map(|service| {
        let found = service.service_deployments.iter().find(|d| d.arn == arn)?;
        Some((service, found))
    })
}

pub(super) fn describe(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let asked = arns(body, "serviceDeploymentArns")?;
    Ok(cloud.ecs.read(|world| {
        let (mut seen, mut failures) = (Vec::new(), Vec::new());
        for arn in asked {
            match find(world, arn) {
                Some((service, found)) => seen.push(view::service_deployment(service, found)),
                None => failures.push(view::missing(arn)),
            }
        }
        json!({ "serviceDeployments": seen, "failures": failures })
    }))
}

pub(super) fn describe_revisions(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let asked = arns(body, "serviceRevisionArns")?;
    Ok(cloud.ecs.read(|world| {
        let (mut seen, mut failures) = (Vec::new(), Vec::new());
        for arn in asked {
            let found = world
                .services
                .iter()
                .find_map(|service| Some((service, service.revision(arn)?)));
            match found {
                Some((service, revision)) => seen.push(view::service_revision(service, revision)),
                None => failures.push(view::missing(arn)),
            }
        }
        json!({ "serviceRevisions": seen, "failures": failures })
    }))
}

/// Which states can be stopped, and what becomes of them:
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stop-service-deployment.html>
pub(super) fn stop(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let arn = members::text(body, "serviceDeploymentArn")
        .ok_or_else(|| error::missing("serviceDeploymentArn"))?;
    match members::text(body, "stopType") {
        None | Some("ROLLBACK") => {}
        Some(other) => {
            return Err(error::invalid_parameter(format!(
                "The stop type {other} is not supported; use ROLLBACK."
            )));
        }
    }
    cloud.ecs.change(|world| {
        let found = world
            .services
            .iter_mut()
            .flat_map(|service| &mut service.service_deployments)
            .find(|d| d.arn == arn)
            .ok_or_else(|| {
                AwsError::client(
                    "ServiceDeploymentNotFoundException",
                    "The service deployment was not found.",
                )
            })?;
        match found.status {
            Status::Pending | Status::InProgress => {
                found.status = Status::RollbackRequested;
                found.status_reason = Some("Rollback requested by the user.".to_owned());
                found.updated_at = now_ms();
            }
            Status::StopRequested | Status::RollbackRequested | Status::RollbackInProgress => {}
            _ => {
                return Err(AwsError::client(
                    "ConflictException",
                    "The service deployment has ended and cannot be stopped.",
                ));
            }
        }
        Ok(json!({ "serviceDeploymentArn": arn }))
    })
}
