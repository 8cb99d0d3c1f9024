//! The actions on clusters.

use serde_json::{Value, json};

use super::{check_name, includes, read_tags};
use crate::cloud::Cloud;
use crate::ecs::model::Cluster;
use crate::ecs::paging::Page;
use crate::ecs::{arn, error, view};
use crate::protocol::{AwsError, members};

pub(super) fn list(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let arns: Vec<String> = cloud.ecs.read(|world| {
        world
            .clusters
            .keys()
            .map(|name| arn::cluster(name))
            .collect()
    });
    let page = Page::of(body, arns, 100, 100, String::clone)?;
    Ok(json!({ "clusterArns": page.items, "nextToken": page.next_token }))
}

pub(super) fn describe(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let mut asked = members::texts(body, "clusters");
    if asked.len() > 100 {
        return Err(error::invalid_parameter(
            "Clusters cannot have more than 100 elements.",
        ));
    }
    if asked.is_empty() {
        asked.push("default");
    }
    let (tags, settings) = (includes(body, "TAGS"), includes(body, "SETTINGS"));
    Ok(cloud.ecs.read(|world| {
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for reference in asked {
            let name = arn::last_part(reference);
            match world.clusters.get(name) {
                Some(cluster) => {
                    let mut seen = view::cluster(world, cluster);
                    if tags {
                        seen["tags"] = view::tags(&cluster.tags);
                    }
                    if settings {
                        seen["settings"] = json!([view::CONTAINER_INSIGHTS_SETTING]);
                    }
                    found.push(seen);
                }
                None => failures.push(view::missing(&arn::cluster(name))),
            }
        }
        json!({ "clusters": found, "failures": failures })
    }))
}

pub(super) fn create(cloud: &Cloud, body: &Value) -> Result<Value, AwsError> {
    let name = members::text(body, "clusterName").unwrap_or("default");
    check_name(name, "cluster")?;
    let tags = read_tags(body)?;
    Ok(cloud.ecs.change(|world| {
        // Creating one that is there gives the one that is there, as on ECS.
        let cluster = world
            .clusters
            .entry(name.to_owned())
            .or_insert_with(|| Cluster {
                name: name.to_owned(),
                tags,
            })
            .clone();
        json!({ "cluster": view::cluster(world, &cluster) })
    }))
}
