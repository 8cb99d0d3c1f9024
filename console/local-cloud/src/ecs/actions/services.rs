//! The actions on services.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::service_input as input;
use super::task_definitions::find_active;
use super::{check_name, cluster_name, includes, read_tags, service_name};
use crate::cloud::Cloud;
use crate::ecs::model::{Service, ServiceStatus};
use crate::ecs::paging::Page;
use crate::ecs::{arn, error, rollout, view};
use crate::protocol::{AwsError, members, now_ms};

pub(super) fn list(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let arns: Vec<String> = cloud.ecs.read(|world| {
        let cluster = cluster_name(world, body)?;
        let launch_type = members::text(body, "launchType");
        Ok::<_, AwsError>(
            world
                .services
                .iter()
                .filter(|s| s.cluster == cluster && s.status != ServiceStatus::Inactive)
                .filter(|_| launch_type.is_none_or(|t| t == "FARGATE"))
                .map(Service::arn)
                .collect(),
        )
    })?;
    let page = Page::of(body, arns, 10, 100, String::clone)?;
    Ok(json!({ "serviceArns": page.items, "nextToken": page.next_token }))
}

pub(super) fn describe(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let asked = members::texts(body, "services");
    if asked.is_empty() {
        return Err(error::invalid_parameter("Services cannot be empty."));
    }
    if asked.len() > 10 {
        return Err(error::invalid_parameter(
            "Services cannot have more than 10 elements.",
        ));
    }
    let tags = includes(body, "TAGS");
    cloud.ecs.read(|world| {
        let cluster = cluster_name(world, body)?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for reference in asked {
            let name = arn::last_part(reference);
            match world.service(&cluster, name) {
                Some(service) => {
                    let mut seen = view::service(world, service);
                    if tags {
                        seen["tags"] = view::tags(&service.tags);
                    }
                    found.push(seen);
                }
                None => failures.push(view::missing(&arn::service(&cluster, name))),
            }
        }
        Ok(json!({ "services": found, "failures": failures }))
    })
}

pub(super) fn create(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let name = members::text(body, "serviceName").ok_or_else(|| error::missing("serviceName"))?;
    check_name(name, "service")?;
    let reference =
        members::text(body, "taskDefinition").ok_or_else(|| error::missing("taskDefinition"))?;
    let tags = read_tags(body)?;
    let configuration = input::configuration(body, &input::default_configuration())?;
    let desired_count = input::count(body, "desiredCount")?.unwrap_or(0);
    let grace_period_seconds = input::count(body, "healthCheckGracePeriodSeconds")?.unwrap_or(0);
    cloud.ecs.change(|world| {
        let cluster = cluster_name(world, body)?;
        let taken = world
            .service(&cluster, name)
            .is_some_and(|s| s.status != ServiceStatus::Inactive);
        if taken {
            return Err(error::invalid_parameter(
                "Creation of service was not idempotent.",
            ));
        }
        let definition = find_active(world, reference)?;
        let load_balancers = input::load_balancers(cloud, body, definition)?;
        let images = input::images(cloud, definition);
        let id = definition.id.clone();
        let now = now_ms();
        let mut service = Service {
            cluster,
            name: name.to_owned(),
            status: ServiceStatus::Active,
            desired_count,
            configuration,
            load_balancers,
            network: body
                .get("networkConfiguration")
                .cloned()
                .unwrap_or_default(),
            grace_period_seconds,
            parameters: input::repeated(body, &Value::Null),
            deployments: Vec::new(),
            service_deployments: Vec::new(),
            revisions: Vec::new(),
            last_completed: None,
            events: VecDeque::new(),
            steady: false,
            created_at: now,
            tags,
        };
        rollout::request(&mut service, id, images, now);
        let answer = view::service(world, &service);
        world.services.push(service);
        Ok(json!({ "service": answer }))
    })
}

pub(super) fn update(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let name = service_name(body, "service")?;
    let desired = input::count(body, "desiredCount")?;
    let grace = input::count(body, "healthCheckGracePeriodSeconds")?;
    let forced = members::boolean(body, "forceNewDeployment").unwrap_or(false);
    cloud.ecs.change(|world| {
        let cluster = cluster_name(world, body)?;
        let before = world
            .service(&cluster, &name)
            .ok_or_else(error::service_not_found)?;
        if before.status != ServiceStatus::Active {
            return Err(error::service_not_active());
        }
        let configuration = input::configuration(body, &before.configuration)?;
        let running = before
            .primary()
            .map(|d| d.task_definition.clone())
            .ok_or_else(error::service_not_active)?;
        let wanted = match members::text(body, "taskDefinition") {
            Some(reference) => find_active(world, reference)?,
            None => world
                .task_definition(&running)
                .ok_or_else(|| error::client("TaskDefinition not found."))?,
        };
        let wanted_id = wanted.id.clone();
        let images = input::images(cloud, wanted);
        let load_balancers = match body.get("loadBalancers").filter(|l| l.is_array()) {
            Some(_) => input::load_balancers(cloud, body, wanted)?,
            None => before.load_balancers.clone(),
        };
        let network = body
            .get("networkConfiguration")
            .filter(|n| n.is_object())
            .cloned()
            .unwrap_or_else(|| before.network.clone());
        let parameters = input::repeated(body, &before.parameters);
        // What needs new tasks needs a deployment; a count or a rule alone does not.
        let deploys = forced
            || wanted_id != running
            || load_balancers != before.load_balancers
            || network != before.network
            || parameters.get("platformVersion") != before.parameters.get("platformVersion");

        let service = world
            .service_mut(&cluster, &name)
            .ok_or_else(error::service_not_found)?;
        service.configuration = configuration;
        service.load_balancers = load_balancers;
        service.network = network;
        service.parameters = parameters;
        if let Some(grace) = grace {
            service.grace_period_seconds = grace;
        }
        if let Some(desired) = desired {
            service.steady &= service.desired_count == desired;
            service.desired_count = desired;
            if let Some(primary) = service.deployments.first_mut() {
                primary.desired_count = desired;
            }
        }
        if deploys {
            rollout::request(service, wanted_id, images, now_ms());
        }
        let service = service.clone();
        Ok(json!({ "service": view::service(world, &service) }))
    })
}

pub(super) fn delete(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let name = service_name(body, "service")?;
    let forced = members::boolean(body, "force").unwrap_or(false);
    cloud.ecs.change(|world| {
        let cluster = cluster_name(world, body)?;
        let service = world
            .service_mut(&cluster, &name)
            .ok_or_else(error::service_not_found)?;
        if service.status == ServiceStatus::Inactive {
            return Err(error::service_not_active());
        }
        if service.desired_count > 0 && !forced {
            return Err(error::invalid_parameter(
                "The service cannot be stopped while it is scaled above 0.",
            ));
        }
        service.status = ServiceStatus::Draining;
        service.desired_count = 0;
        let service = service.clone();
        Ok(json!({ "service": view::service(world, &service) }))
    })
}
