//! The actions on tasks.

use std::sync::Arc;

use serde_json::{Value, json};

use super::task_definitions::find_active;
use super::{cluster_name, includes, read_tags};
use crate::cloud::Cloud;
use crate::ecs::model::{ServiceStatus, StopCode, Task, TaskStatus};
use crate::ecs::paging::Page;
use crate::ecs::scheduler::Effect;
use crate::ecs::{arn, driver, error, view};
use crate::protocol::{AwsError, members, now_ms};

pub(super) fn list(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let status = match members::text(body, "desiredStatus") {
        None | Some("RUNNING" | "PENDING") => TaskStatus::Running,
        Some("STOPPED") => TaskStatus::Stopped,
        Some(other) => {
            return Err(error::invalid_parameter(format!(
                "Invalid desiredStatus: {other}"
            )));
        }
    };
    let service = members::text(body, "serviceName").map(arn::last_part);
    let family = members::text(body, "family");
    let started_by = members::text(body, "startedBy");
    let arns: Vec<String> = cloud.ecs.read(|world| {
        let cluster = cluster_name(world, body)?;
        if let Some(name) = service {
            world
                .service(&cluster, name)
                .filter(|s| s.status != ServiceStatus::Inactive)
                .ok_or_else(error::service_not_found)?;
        }
        let mut found: Vec<&Task> = world
            .tasks
            .values()
            .filter(|t| t.cluster == cluster && t.desired_status == status)
            .filter(|t| service.is_none_or(|name| t.service() == Some(name)))
            .filter(|t| family.is_none_or(|f| t.task_definition.family == f))
            .filter(|t| started_by.is_none_or(|s| t.started_by.as_deref() == Some(s)))
            .collect();
        found.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok::<_, AwsError>(found.iter().map(|t| arn::task(&cluster, &t.id)).collect())
    })?;
    let page = Page::of(body, arns, 100, 100, String::clone)?;
    Ok(json!({ "taskArns": page.items, "nextToken": page.next_token }))
}

pub(super) fn describe(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let asked = members::texts(body, "tasks");
    if asked.is_empty() {
        return Err(error::invalid_parameter("Tasks cannot be empty."));
    }
    if asked.len() > 100 {
        return Err(error::invalid_parameter(
            "Tasks cannot have more than 100 elements.",
        ));
    }
    let tags = includes(body, "TAGS");
    cloud.ecs.read(|world| {
        let cluster = cluster_name(world, body)?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for reference in asked {
            let id = arn::last_part(reference);
            match world.tasks.get(id).filter(|t| t.cluster == cluster) {
                Some(task) => {
                    let mut seen = view::task(world, task);
                    if tags {
                        seen["tags"] = view::tags(&task.tags);
                    }
                    found.push(seen);
                }
                None => failures.push(view::missing(&arn::task(&cluster, id))),
            }
        }
        Ok(json!({ "tasks": found, "failures": failures }))
    })
}

pub(super) fn stop(cloud: &Arc<Cloud>, body: &Value) -> Result<Value, AwsError> {
    let reference = members::text(body, "task").ok_or_else(|| error::missing("task"))?;
    let id = arn::last_part(reference).to_owned();
    let reason = members::text(body, "reason").unwrap_or("Task stopped by user");
    let answer = cloud.ecs.change(|world| {
        let cluster = cluster_name(world, body)?;
        let task = world
            .tasks
            .get_mut(&id)
            .filter(|t| t.cluster == cluster)
            .ok_or_else(|| error::invalid_parameter("The referenced task was not found."))?;
        if task.desired_status == TaskStatus::Running {
            task.desired_status = TaskStatus::Stopped;
            task.stop_code = Some(StopCode::UserInitiated);
            task.stopped_reason = Some(reason.to_owned());
            task.stopping_at = Some(now_ms());
        }
        let task = task.clone();
        Ok::<_, AwsError>(json!({ "task": view::task(world, &task) }))
    })?;
    tokio::spawn(driver::perform(cloud.clone(), Effect::Stop(id)));
    Ok(answer)
}

/// The most tasks that one RunTask starts.
const RUN_TASK_MAX: i64 = 10;

pub(super) fn run(cloud: &Arc<Cloud>, body: &Value) -> Result<Value, AwsError> {
    let reference =
        members::text(body, "taskDefinition").ok_or_else(|| error::missing("taskDefinition"))?;
    let count = members::integer(body, "count").unwrap_or(1);
    if !(1..=RUN_TASK_MAX).contains(&count) {
        return Err(error::invalid_parameter("count must be between 1 and 10."));
    }
    let tags = read_tags(body)?;
    let overrides = body.get("overrides").cloned().unwrap_or_default();
    let (ids, answer) = cloud.ecs.change(|world| {
        let cluster = cluster_name(world, body)?;
        let definition = find_active(world, reference)?;
        let id = definition.id.clone();
        let containers = definition.containers().to_vec();
        let container = containers
            .first()
            .ok_or_else(|| error::client("TaskDefinition has no container."))?;
        let name = members::text(container, "name").unwrap_or_default();
        for given in members::list(&overrides, "containerOverrides") {
            let named = members::text(given, "name");
            if !containers.iter().any(|c| members::text(c, "name") == named) {
                return Err(error::invalid_parameter(format!(
                    "Override for container named {} is not a container in the TaskDefinition.",
                    named.unwrap_or_default()
                )));
            }
        }
        let image = members::text(container, "image").unwrap_or_default();
        let mut ids = Vec::new();
        for _ in 0..count {
            let task = Task {
                group: members::text(body, "group")
                    .map_or_else(|| format!("family:{}", id.family), str::to_owned),
                started_by: members::text(body, "startedBy").map(str::to_owned),
                overrides: overrides.clone(),
                tags: tags.clone(),
                // No service waits for its end.
                accounted: true,
                ..Task::new(&cluster, id.clone(), name, image, now_ms())
            };
            ids.push(task.id.clone());
            world.tasks.insert(task.id.clone(), task);
        }
        let seen: Vec<Value> = ids
            .iter()
            .filter_map(|id| world.tasks.get(id))
            .map(|task| view::task(world, task))
            .collect();
        Ok((ids, json!({ "tasks": seen, "failures": [] })))
    })?;
    for id in ids {
        tokio::spawn(driver::perform(cloud.clone(), Effect::Launch(id)));
    }
    Ok(answer)
}
