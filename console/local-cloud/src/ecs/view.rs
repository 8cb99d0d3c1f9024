//! What clients see of ECS's things: the shapes of the API reference.

use serde_json::{Map, Value, json};

use super::arn;
use super::model::{
    Cluster, Deployment, Service, ServiceDeployment, ServiceRevision, ServiceStatus, Tags, Task,
    TaskDefinition, TaskStatus, World,
};
use crate::protocol::{epoch_seconds, members};

/// The setting that says that per-task metrics are recorded.
pub const CONTAINER_INSIGHTS_SETTING: Setting = Setting {
    name: "containerInsights",
    value: "enhanced",
};

/// A cluster setting.
#[derive(serde::Serialize)]
pub struct Setting {
    name: &'static str,
    value: &'static str,
}

/// The platform that Fargate tasks run on.
const PLATFORM_VERSION: &str = "1.4.0";

fn time(at: Option<i64>) -> Value {
    at.map_or(Value::Null, |at| json!(epoch_seconds(at)))
}

/// Leaves out members that have no value, as the services do.
fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

/// `tags`.
pub fn tags(tags: &Tags) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}

/// An entry of `failures` for something that is not there.
pub fn missing(arn: &str) -> Value {
    json!({ "arn": arn, "reason": "MISSING" })
}

/// A cluster.
pub fn cluster(world: &World, cluster: &Cluster) -> Value {
    let of_cluster = |want: fn(&Task) -> bool| {
        let own = world.tasks.values().filter(|t| t.cluster == cluster.name);
        own.filter(|t| want(t)).count()
    };
    let services = world
        .services
        .iter()
        .filter(|s| s.cluster == cluster.name && s.status == ServiceStatus::Active)
        .count();
    json!({
        "clusterArn": arn::cluster(&cluster.name),
        "clusterName": cluster.name,
        "status": "ACTIVE",
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": of_cluster(Task::is_running),
        "pendingTasksCount": of_cluster(Task::is_pending),
        "activeServicesCount": services,
        "statistics": [],
        "tags": [],
        "settings": [],
        "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        "defaultCapacityProviderStrategy": [],
    })
}

/// A task definition, without its tags.
pub fn task_definition(definition: &TaskDefinition) -> Value {
    let mut seen = Map::new();
    seen.insert("taskDefinitionArn".to_owned(), json!(definition.id.arn()));
    let containers: Vec<Value> = definition.containers().iter().map(container).collect();
    seen.insert("containerDefinitions".to_owned(), Value::Array(containers));
    seen.insert("family".to_owned(), json!(definition.id.family));
    seen.insert("revision".to_owned(), json!(definition.id.revision));
    seen.insert("status".to_owned(), json!(definition.status));
    for name in ["volumes", "placementConstraints", "requiresAttributes"] {
        seen.insert(name.to_owned(), json!([]));
    }
    seen.insert("compatibilities".to_owned(), json!(["EC2", "FARGATE"]));
    if let Some(given) = definition.body.as_object() {
        for (name, value) in given
            .iter()
            .filter(|(name, _)| *name != "containerDefinitions")
        {
            seen.insert(name.clone(), value.clone());
        }
    }
    seen.insert(
        "registeredAt".to_owned(),
        time(Some(definition.registered_at)),
    );
    seen.insert(
        "registeredBy".to_owned(),
        json!(format!(
            "arn:aws:iam::{}:user/local",
            crate::protocol::ACCOUNT
        )),
    );
    seen.insert(
        "deregisteredAt".to_owned(),
        time(definition.deregistered_at),
    );
    without_nulls(Value::Object(seen))
}

/// A container definition with the defaults that ECS fills in.
fn container(given: &Value) -> Value {
    let mut seen = given.clone();
    if let Some(fields) = seen.as_object_mut() {
        for (name, default) in [
            ("cpu", json!(0)),
            ("portMappings", json!([])),
            ("essential", json!(true)),
            ("environment", json!([])),
            ("mountPoints", json!([])),
            ("volumesFrom", json!([])),
            ("systemControls", json!([])),
        ] {
            fields.entry(name).or_insert(default);
        }
        if let Some(mappings) = fields.get_mut("portMappings").and_then(Value::as_array_mut) {
            for mapping in mappings.iter_mut().filter_map(Value::as_object_mut) {
                let port = mapping.get("containerPort").cloned().unwrap_or_default();
                mapping.entry("hostPort").or_insert(port);
                mapping.entry("protocol").or_insert(json!("tcp"));
            }
        }
    }
    seen
}

/// How many tasks of a service, or of one of its deployments, run or are on their way.
fn counts(world: &World, service: &Service, deployment: Option<&str>) -> (usize, usize) {
    let own = |task: &&Task| {
        task.cluster == service.cluster
            && task.service() == Some(service.name.as_str())
            && deployment.is_none_or(|id| task.started_by.as_deref() == Some(id))
    };
    let tasks = || world.tasks.values().filter(own);
    (
        tasks().filter(|t| t.is_running()).count(),
        tasks().filter(|t| t.is_pending()).count(),
    )
}

/// A service, without its tags.
pub fn service(world: &World, service: &Service) -> Value {
    let (running, pending) = counts(world, service, None);
    let deployments: Vec<Value> = service
        .deployments
        .iter()
        .enumerate()
        .map(|(index, d)| deployment(world, service, d, index == 0))
        .collect();
    let events: Vec<Value> = service
        .events
        .iter()
        .map(|event| {
            json!({ "id": event.id, "createdAt": epoch_seconds(event.at), "message": event.message })
        })
        .collect();
    let current = service
        .service_deployments
        .iter()
        .find(|d| d.status.is_ongoing());
    let revisions: Vec<Value> = service
        .deployments
        .iter()
        .map(|d| {
            let (running, pending) = counts(world, service, Some(&d.id));
            json!({
                "arn": d.revision,
                "requestedTaskCount": d.desired_count,
                "runningTaskCount": running,
                "pendingTaskCount": pending,
            })
        })
        .collect();
    let parameter = |name: &str| service.parameters.get(name).cloned();
    without_nulls(json!({
        "serviceArn": service.arn(),
        "serviceName": service.name,
        "clusterArn": arn::cluster(&service.cluster),
        "loadBalancers": service.load_balancers,
        "serviceRegistries": [],
        "status": service.status,
        "desiredCount": service.desired_count,
        "runningCount": running,
        "pendingCount": pending,
        "launchType": "FARGATE",
        "platformVersion": parameter("platformVersion").unwrap_or_else(|| json!("LATEST")),
        "platformFamily": "Linux",
        "taskDefinition": service.primary().map(|d| d.task_definition.arn()),
        "deploymentConfiguration": service.configuration,
        "deployments": deployments,
        "events": events,
        "createdAt": epoch_seconds(service.created_at),
        "currentServiceDeployment": current.map(|d| d.arn.clone()),
        "currentServiceRevisions": revisions,
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": service.network,
        "healthCheckGracePeriodSeconds": service.grace_period_seconds,
        "schedulingStrategy": "REPLICA",
        "deploymentController": { "type": "ECS" },
        "createdBy": format!("arn:aws:iam::{}:user/local", crate::protocol::ACCOUNT),
        "enableECSManagedTags": parameter("enableECSManagedTags").unwrap_or(json!(false)),
        "propagateTags": parameter("propagateTags").unwrap_or(json!("NONE")),
        "enableExecuteCommand": parameter("enableExecuteCommand").unwrap_or(json!(false)),
        "availabilityZoneRebalancing":
            parameter("availabilityZoneRebalancing").unwrap_or(json!("DISABLED")),
    }))
}

fn deployment(world: &World, service: &Service, deployment: &Deployment, primary: bool) -> Value {
    let (running, pending) = counts(world, service, Some(&deployment.id));
    without_nulls(json!({
        "id": deployment.id,
        "status": if primary { "PRIMARY" } else { "ACTIVE" },
        "taskDefinition": deployment.task_definition.arn(),
        "desiredCount": deployment.desired_count,
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": deployment.failed_tasks,
        "createdAt": epoch_seconds(deployment.created_at),
        "updatedAt": epoch_seconds(deployment.updated_at),
        "launchType": "FARGATE",
        "platformVersion": PLATFORM_VERSION,
        "platformFamily": "Linux",
        "networkConfiguration": service.network,
        "rolloutState": deployment.rollout_state,
        "rolloutStateReason": deployment.rollout_state_reason,
    }))
}

/// One entry of ListServiceDeployments.
pub fn service_deployment_brief(service: &Service, deployment: &ServiceDeployment) -> Value {
    without_nulls(json!({
        "serviceDeploymentArn": deployment.arn,
        "serviceArn": service.arn(),
        "clusterArn": arn::cluster(&service.cluster),
        "createdAt": time(Some(deployment.created_at)),
        "startedAt": time(deployment.started_at),
        "finishedAt": time(deployment.finished_at),
        "targetServiceRevisionArn": deployment.target.revision,
        "status": deployment.status,
        "statusReason": deployment.status_reason,
    }))
}

/// A service deployment.
pub fn service_deployment(service: &Service, deployment: &ServiceDeployment) -> Value {
    let counts = |revision: &super::model::RevisionCounts| {
        json!({
            "arn": revision.revision,
            "requestedTaskCount": revision.requested,
            "runningTaskCount": revision.running,
            "pendingTaskCount": revision.pending,
        })
    };
    let mut seen = service_deployment_brief(service, deployment);
    if let Some(fields) = seen.as_object_mut() {
        fields.shift_remove("targetServiceRevisionArn");
        let sources: Vec<Value> = deployment.sources.iter().map(counts).collect();
        let rollback = deployment.rollback.as_ref().map(|rollback| {
            json!({
                "reason": rollback.reason,
                "startedAt": epoch_seconds(rollback.started_at),
                "serviceRevisionArn": rollback.revision,
            })
        });
        for (name, value) in [
            ("stoppedAt", time(deployment.stopped_at)),
            ("updatedAt", time(Some(deployment.updated_at))),
            ("sourceServiceRevisions", Value::Array(sources)),
            ("targetServiceRevision", counts(&deployment.target)),
            ("deploymentConfiguration", json!(deployment.configuration)),
            ("rollback", rollback.unwrap_or_default()),
            ("deploymentCircuitBreaker", json!(deployment.breaker)),
            ("alarms", json!(deployment.alarms)),
        ] {
            fields.insert(name.to_owned(), value);
        }
    }
    without_nulls(seen)
}

/// A service revision.
pub fn service_revision(service: &Service, revision: &ServiceRevision) -> Value {
    without_nulls(json!({
        "serviceRevisionArn": revision.arn,
        "serviceArn": service.arn(),
        "clusterArn": arn::cluster(&service.cluster),
        "taskDefinition": revision.task_definition.arn(),
        "launchType": "FARGATE",
        "platformVersion": PLATFORM_VERSION,
        "platformFamily": "Linux",
        "loadBalancers": revision.load_balancers,
        "networkConfiguration": revision.network,
        "containerImages": revision.images,
        "guardDutyEnabled": false,
        "createdAt": epoch_seconds(revision.created_at),
    }))
}

/// A number that stays the same for a task, to derive names from.
fn seed_of(id: &str) -> usize {
    id.bytes()
        .fold(0usize, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()))
}

/// A task, without its tags.
pub fn task(world: &World, task: &Task) -> Value {
    let definition = world.task_definition(&task.task_definition);
    let zones = crate::seed::SUBNETS;
    let (zone, subnet) = zones[seed_of(&task.id) % zones.len()];
    let interface = format!("eni-{}", &task.id[..17.min(task.id.len())]);
    let attached = task.last_status >= TaskStatus::Pending;
    let released = task.last_status == TaskStatus::Stopped;
    let attachment = json!({
        "id": task.id,
        "type": "ElasticNetworkInterface",
        "status": match (attached, released) {
            (_, true) => "DELETED",
            (true, false) => "ATTACHED",
            (false, false) => "PRECREATED",
        },
        "details": [
            { "name": "subnetId", "value": subnet },
            { "name": "networkInterfaceId", "value": interface },
            { "name": "privateIPv4Address", "value": "127.0.0.1" },
        ],
    });
    let overrides = if task.overrides.is_object() {
        task.overrides.clone()
    } else {
        json!({ "containerOverrides": [{ "name": task.container }], "inferenceAcceleratorOverrides": [] })
    };
    without_nulls(json!({
        "taskArn": arn::task(&task.cluster, &task.id),
        "clusterArn": arn::cluster(&task.cluster),
        "taskDefinitionArn": task.task_definition.arn(),
        "attachments": [attachment],
        "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
        "availabilityZone": zone,
        "connectivity": task.started_at.map(|_| "CONNECTED"),
        "connectivityAt": time(task.started_at),
        "containers": [container_of(task, definition, &interface)],
        "cpu": definition.map(|d| d.cpu_units().to_string()),
        "memory": definition.map(|d| d.memory_mib().to_string()),
        "createdAt": time(Some(task.created_at)),
        "desiredStatus": task.desired_status,
        "enableExecuteCommand": false,
        "ephemeralStorage": { "sizeInGiB": 20 },
        "group": task.group,
        "healthStatus": "UNKNOWN",
        "lastStatus": task.last_status,
        "launchType": "FARGATE",
        "overrides": overrides,
        "platformVersion": PLATFORM_VERSION,
        "platformFamily": "Linux",
        "pullStartedAt": time(task.pulled_at),
        "pullStoppedAt": time(task.pulled_at),
        "startedAt": time(task.started_at),
        "startedBy": task.started_by,
        "stopCode": task.stop_code,
        "stoppedReason": task.stopped_reason,
        "stoppingAt": time(task.stopping_at),
        "stoppedAt": time(task.stopped_at),
        "executionStoppedAt": time(task.stopped_at),
        "version": 1 + task.last_status as u32,
    }))
}

/// The task's container. Every task is on 127.0.0.1, so its own port is in the network bindings,
/// which on Fargate are empty because there the address tells tasks apart.
fn container_of(task: &Task, definition: Option<&TaskDefinition>, interface: &str) -> Value {
    let container_port = task
        .load_balancers
        .first()
        .map(|b| i64::from(b.container_port))
        .or_else(|| {
            let first = definition?.containers().first()?;
            let mapping = members::list(first, "portMappings").first()?;
            members::integer(mapping, "containerPort")
        });
    let bindings: Vec<Value> = task
        .port
        .map(|port| {
            json!({
                "bindIP": "127.0.0.1",
                "containerPort": container_port.unwrap_or(i64::from(port)),
                "hostPort": port,
                "protocol": "tcp",
            })
        })
        .into_iter()
        .collect();
    let status = match task.last_status {
        TaskStatus::Provisioning | TaskStatus::Pending => "PENDING",
        TaskStatus::Running | TaskStatus::Deactivating | TaskStatus::Stopping => "RUNNING",
        TaskStatus::Stopped => "STOPPED",
    };
    without_nulls(json!({
        "containerArn": arn::container(&task.cluster, &task.id, &task.id),
        "taskArn": arn::task(&task.cluster, &task.id),
        "name": task.container,
        "image": task.image,
        "imageDigest": task.image_digest,
        "runtimeId": task.pid.map(|pid| format!("{}-{pid}", task.id)),
        "lastStatus": status,
        "exitCode": task.exit_code,
        "reason": task.container_reason,
        "networkBindings": bindings,
        "networkInterfaces": [{
            "attachmentId": task.id,
            "privateIpv4Address": "127.0.0.1",
            "networkInterfaceId": interface,
        }],
        "healthStatus": "UNKNOWN",
        "cpu": "0",
    }))
}
