//! The actions on tags of any resource.

use serde_json::{Value, json};

use super::{check_tags, read_tags};
use crate::cloud::Cloud;
use crate::ecs::arn;
use crate::ecs::model::{Tags, World};
use crate::ecs::{error, view};
use crate::protocol::{AwsError, members};

fn not_found() -> AwsError {
    error::invalid_parameter("The specified resource is not found.")
}

/// The tags of the resource that an ARN names.
fn tags_of<'a>(world: &'a mut World, body: &Value) -> Result<&'a mut Tags, AwsError> {
    let reference =
        members::text(body, "resourceArn").ok_or_else(|| error::missing("resourceArn"))?;
    let resource = reference
        .strip_prefix("arn:aws:ecs:")
        .and_then(|rest| rest.splitn(3, ':').nth(2))
        .ok_or_else(|| error::invalid_parameter("Invalid resourceArn."))?;
    let parts: Vec<&str> = resource.split('/').collect();
    match parts[..] {
        ["cluster", name] => world.clusters.get_mut(name).map(|c| &mut c.tags),
        ["service", cluster, name] => world.service_mut(cluster, name).map(|s| &mut s.tags),
        ["task", _, id] => world.tasks.get_mut(id).map(|t| &mut t.tags),
        ["task-definition", name] => {
            let (family, revision) = arn::parse_task_definition(name);
            world
                .families
                .get_mut(&family)
                .and_then(|all| all.iter_mut().find(|d| Some(d.id.revision) == revision))
                .map(|d| &mut d.tags)
        }
        _ => None,
    }
    .ok_or_else(not_found)
}

pub(super) fn tag(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let given = read_tags(body)?;
    cloud.ecs.change(|world| {
        let tags = tags_of(world, body)?;
        let mut merged = tags.clone();
        for (key, value) in given {
            match merged.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => merged.push((key, value)),
            }
        }
        check_tags(&merged)?;
        *tags = merged;
        Ok(json!({}))
    })
}

pub(super) fn untag(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let keys = members::texts(body, "tagKeys");
    cloud.ecs.change(|world| {
        tags_of(world, body)?.retain(|(key, _)| !keys.contains(&key.as_str()));
        Ok(json!({}))
    })
}

pub(super) fn list(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    cloud
        .ecs
        .change(|world| Ok(json!({ "tags": view::tags(tags_of(world, body)?) })))
}
