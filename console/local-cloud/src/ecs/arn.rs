//! Names of ECS things: ARNs, ids, and how a client may refer to them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::protocol::{ACCOUNT, REGION};

fn ecs_arn(resource: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:{resource}")
}

/// The ARN of a cluster.
pub fn cluster(name: &str) -> String {
    ecs_arn(&format!("cluster/{name}"))
}

/// The ARN of a service, in the long format.
pub fn service(cluster: &str, name: &str) -> String {
    ecs_arn(&format!("service/{cluster}/{name}"))
}

/// The ARN of a task, in the long format.
pub fn task(cluster: &str, id: &str) -> String {
    ecs_arn(&format!("task/{cluster}/{id}"))
}

/// The ARN of one container of a task.
pub fn container(cluster: &str, task: &str, id: &str) -> String {
    ecs_arn(&format!("container/{cluster}/{task}/{id}"))
}

/// A new service deployment of a service.
pub fn new_service_deployment(cluster: &str, service: &str) -> String {
    let id = Uuid::new_v4().simple().to_string();
    ecs_arn(&format!(
        "service-deployment/{cluster}/{service}/{}",
        &id[..22]
    ))
}

/// A new service revision of a service.
pub fn new_service_revision(cluster: &str, service: &str) -> String {
    ecs_arn(&format!(
        "service-revision/{cluster}/{service}/{}",
        digits()
    ))
}

/// A new deployment id, such as `ecs-svc/1234567890123456789`.
pub fn new_deployment_id() -> String {
    format!("ecs-svc/{}", digits())
}

/// A new task id: 32 hexadecimal digits.
pub fn new_task_id() -> String {
    Uuid::new_v4().simple().to_string()
}

fn digits() -> String {
    let number = Uuid::new_v4().as_u128() % 9_000_000_000_000_000_000;
    (number + 1_000_000_000_000_000_000).to_string()
}

/// The last part of an ARN or the name itself: `dev` for `dev` and `arn:…:cluster/dev`.
pub fn last_part(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// Which task definition: `family:revision`, written with its ARN on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskDefinitionId {
    /// The family, such as `api-dev`.
    pub family: String,
    /// Counts from 1 within the family.
    pub revision: u32,
}

impl TaskDefinitionId {
    /// The ARN.
    pub fn arn(&self) -> String {
        ecs_arn(&format!(
            "task-definition/{}:{}",
            self.family, self.revision
        ))
    }
}

/// How a client refers to a task definition: `family`, `family:revision`, or the ARN.
pub fn parse_task_definition(reference: &str) -> (String, Option<u32>) {
    let name = last_part(reference);
    match name.split_once(':') {
        Some((family, revision)) => (family.to_owned(), revision.parse().ok().or(Some(0))),
        None => (name.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_definition_may_be_named_in_three_ways() {
        let id = TaskDefinitionId {
            family: "api-dev".into(),
            revision: 7,
        };
        assert_eq!(
            parse_task_definition(&id.arn()),
            ("api-dev".into(), Some(7))
        );
        assert_eq!(
            parse_task_definition("api-dev:7"),
            ("api-dev".into(), Some(7))
        );
        assert_eq!(parse_task_definition("api-dev"), ("api-dev".into(), None));
    }

    #[test]
    fn a_deployment_id_has_nineteen_digits() {
        let id = new_deployment_id();
        assert_eq!(id.len(), "ecs-svc/".len() + 19, "{id}");
    }
}
