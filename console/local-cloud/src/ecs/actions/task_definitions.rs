//! The actions on task definitions.

use serde_json::{Value, json};

use super::{check_name, includes, read_tags};
use crate::cloud::Cloud;
use crate::ecs::arn::{self, TaskDefinitionId};
use crate::ecs::model::{TaskDefinition, TaskDefinitionStatus, World};
use crate::ecs::paging::Page;
use crate::ecs::{error, view};
use crate::protocol::{AwsError, members, now_ms};

/// The task definition that a request refers to: the newest active revision when it names none.
pub(super) fn find<'a>(world: &'a World, reference: &str) -> Option<&'a TaskDefinition> {
    let (family, revision) = arn::parse_task_definition(reference);
    let revisions = world.families.get(&family)?;
    match revision {
        Some(revision) => revisions.iter().find(|d| d.id.revision == revision),
        None => revisions
            .iter()
            .rev()
            .find(|d| d.status == TaskDefinitionStatus::Active),
    }
}

/// As [`find`], for something that will run.
pub(super) fn find_active<'a>(
    world: &'a World,
    reference: &str,
) -> Result<&'a TaskDefinition, AwsError> {
    let found = find(world, reference).ok_or_else(|| error::client("TaskDefinition not found."))?;
    match found.status {
        TaskDefinitionStatus::Active => Ok(found),
        TaskDefinitionStatus::Inactive => Err(error::client("TaskDefinition is inactive")),
    }
}

pub(super) fn register(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let family = members::text(body, "family").ok_or_else(|| error::missing("family"))?;
    check_name(family, "family")?;
    check_containers(body)?;
    check_fargate_size(body)?;
    let tags = read_tags(body)?;
    let mut kept = body.clone();
    if let Some(members) = kept.as_object_mut() {
        members.shift_remove("tags");
        members.shift_remove("family");
    }
    Ok(cloud.ecs.change(|world| {
        let revisions = world.families.entry(family.to_owned()).or_default();
        let revision = revisions.last().map_or(0, |d| d.id.revision) + 1;
        let definition = TaskDefinition {
            id: TaskDefinitionId {
                family: family.to_owned(),
                revision,
            },
            status: TaskDefinitionStatus::Active,
            body: kept,
            registered_at: now_ms(),
            deregistered_at: None,
            tags,
        };
        let answer = json!({
            "taskDefinition": view::task_definition(&definition),
            "tags": view::tags(&definition.tags),
        });
        revisions.push(definition);
        answer
    }))
}

fn check_containers(body: &Value) -> Result<(), AwsError> {
    let containers = members::list(body, "containerDefinitions");
    if containers.is_empty() {
        return Err(error::client(
            "TaskDefinition must contain at least one container definition.",
        ));
    }
    let mut names = Vec::new();
    for container in containers {
        let name = members::text(container, "name").unwrap_or_default();
        if name.is_empty() {
            return Err(error::client("Container.name should not be null or empty."));
        }
        if members::text(container, "image")
            .unwrap_or_default()
            .is_empty()
        {
            return Err(error::client(
                "Container.image should not be null or empty.",
            ));
        }
        if names.contains(&name) {
            return Err(error::client(
                "Container names should be unique within a task definition.",
            ));
        }
        names.push(name);
    }
    Ok(())
}

/// Fargate has sizes: CPU units, and for each the memory in MiB from, to, in steps of.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>
const FARGATE_SIZES: [(i64, i64, i64, i64); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

fn check_fargate_size(body: &Value) -> Result<(), AwsError> {
    if !members::texts(body, "requiresCompatibilities").contains(&"FARGATE") {
        return Ok(());
    }
    if members::text(body, "networkMode") != Some("awsvpc") {
        return Err(error::client(
            "Fargate only supports network mode ‘awsvpc’.",
        ));
    }
    let (Some(cpu), Some(memory)) = (
        members::integer(body, "cpu"),
        members::integer(body, "memory"),
    ) else {
        return Err(error::client(
            "Fargate requires that 'cpu' and 'memory' be defined at the task level.",
        ));
    };
    let exists = FARGATE_SIZES.iter().any(|(units, from, to, step)| {
        *units == cpu
            && (*from..=*to).contains(&memory)
            // 256 CPU units know 512, 1024 and 2048 MiB, but not 1536.
            && (memory - from) % step == 0
            && !(cpu == 256 && memory == 1536)
    });
    if exists {
        Ok(())
    } else {
        Err(error::client(
            "No Fargate configuration exists for given values.",
        ))
    }
}

pub(super) fn describe(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let reference =
        members::text(body, "taskDefinition").ok_or_else(|| error::missing("taskDefinition"))?;
    cloud.ecs.read(|world| {
        let definition = find(world, reference)
            .ok_or_else(|| error::client("Unable to describe task definition."))?;
        let mut answer = json!({ "taskDefinition": view::task_definition(definition) });
        if includes(body, "TAGS") {
            answer["tags"] = view::tags(&definition.tags);
        }
        Ok(answer)
    })
}

pub(super) fn list(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let prefix = members::text(body, "familyPrefix");
    let status = match members::text(body, "status") {
        None | Some("ACTIVE") => TaskDefinitionStatus::Active,
        Some("INACTIVE") => TaskDefinitionStatus::Inactive,
        Some(other) => {
            return Err(error::invalid_parameter(format!("Invalid status: {other}")));
        }
    };
    let mut arns: Vec<String> = cloud.ecs.read(|world| {
        let wanted = |family: &&String| prefix.is_none_or(|p| family.as_str() == p);
        world
            .families
            .iter()
            .filter(|(family, _)| wanted(family))
            .flat_map(|(_, revisions)| revisions)
            .filter(|d| d.status == status)
            .map(|d| d.id.arn())
            .collect()
    });
    if members::text(body, "sort") == Some("DESC") {
        arns.reverse();
    }
    let page = Page::of(body, arns, 100, 100, String::clone)?;
    Ok(json!({ "taskDefinitionArns": page.items, "nextToken": page.next_token }))
}

pub(super) fn list_families(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let prefix = members::text(body, "familyPrefix").unwrap_or_default();
    let status = members::text(body, "status").unwrap_or("ALL");
    let families: Vec<String> = cloud.ecs.read(|world| {
        world
            .families
            .iter()
            .filter(|(family, _)| family.starts_with(prefix))
            .filter(|(_, revisions)| {
                let active = revisions
                    .iter()
                    .any(|d| d.status == TaskDefinitionStatus::Active);
                match status {
                    "ACTIVE" => active,
                    "INACTIVE" => !active,
                    _ => true,
                }
            })
            .map(|(family, _)| family.clone())
            .collect()
    });
    let page = Page::of(body, families, 100, 100, String::clone)?;
    Ok(json!({ "families": page.items, "nextToken": page.next_token }))
}

pub(super) fn deregister(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let reference =
        members::text(body, "taskDefinition").ok_or_else(|| error::missing("taskDefinition"))?;
    let (family, revision) = arn::parse_task_definition(reference);
    let Some(revision) = revision else {
        return Err(error::invalid_parameter("Please specify revision"));
    };
    cloud.ecs.change(|world| {
        let definition = world
            .families
            .get_mut(&family)
            .and_then(|all| all.iter_mut().find(|d| d.id.revision == revision))
            .ok_or_else(|| error::client("The specified task definition does not exist."))?;
        if definition.status == TaskDefinitionStatus::Active {
            definition.status = TaskDefinitionStatus::Inactive;
            definition.deregistered_at = Some(now_ms());
        }
        Ok(json!({ "taskDefinition": view::task_definition(definition) }))
    })
}
