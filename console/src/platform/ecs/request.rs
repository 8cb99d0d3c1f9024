//! What passes from prepare to execute to progress: the request, the state of the world that it
//! presumes, and the handle by which our rollout is found again.

use super::service;
use crate::model::RevisionId;
use aws_sdk_ecs::types::Service;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A change as it will be sent. Opaque to everyone else; may hold secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Request {
    /// Register a task definition, then update the service to it.
    Register {
        /// The document to register.
        document: Value,
        /// Its tags; the run's is added when it is sent.
        tags: BTreeMap<String, String>,
    },
    /// Update the service to a task definition that is there.
    Update {
        /// Which.
        revision: RevisionId,
    },
    /// Replace every task.
    Restart,
    /// Change the desired count.
    Scale {
        /// To how many.
        desired: u32,
    },
    /// Stop a service deployment and roll it back.
    StopRollout {
        /// Its ARN.
        rollout: String,
        /// The task definition it goes back to, when known.
        back_to: Option<RevisionId>,
    },
    /// Stop a task.
    StopTask {
        /// Its id.
        task: String,
    },
}

/// What the service looked like when the change was prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precondition {
    /// The PRIMARY deployment's id; changes with every deployment.
    primary: Option<String>,
    task_definition: Option<String>,
    /// Only where the change is about it: autoscaling may move it at any time.
    desired: Option<i32>,
}

impl Precondition {
    /// Remembers the service; the desired count only for `scale`.
    pub fn of(service: &Service, scale: bool) -> Self {
        Self {
            primary: service::primary(service)
                .and_then(|deployment| deployment.id())
                .map(str::to_owned),
            task_definition: service.task_definition().map(str::to_owned),
            desired: scale.then_some(service.desired_count()),
        }
    }

    /// What has changed since, in words; `None` when nothing has.
    pub fn violated_by(&self, now: &Service) -> Option<String> {
        let after = Self::of(now, self.desired.is_some());
        if *self == after {
            return None;
        }
        let short = |arn: &Option<String>| {
            arn.as_deref()
                .map_or("nothing", |arn| arn.rsplit('/').next().unwrap_or(arn))
                .to_owned()
        };
        Some(if self.task_definition != after.task_definition {
            format!(
                "somebody deployed {} while {} was expected",
                short(&after.task_definition),
                short(&self.task_definition)
            )
        } else if self.primary != after.primary {
            "somebody started another deployment of the same task definition, or ECS rolled back"
                .to_owned()
        } else {
            format!(
                "the desired count is {} and was {}",
                after.desired.unwrap_or_default(),
                self.desired.unwrap_or_default()
            )
        })
    }
}

/// How our change is found again. Written into the audit record as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handle {
    /// The PRIMARY deployment that UpdateService made: `ecs-svc/…`.
    Deployment(String),
    /// The desired count.
    Scale,
    /// A service deployment that is being stopped.
    StopRollout,
    /// A task that is being stopped.
    StopTask(String),
}

const STOP_TASK: &str = "stop-task:";

impl Handle {
    /// As a ticket carries it.
    pub fn to_text(&self) -> String {
        match self {
            Self::Deployment(id) => id.clone(),
            Self::Scale => "scale".to_owned(),
            Self::StopRollout => "stop-rollout".to_owned(),
            Self::StopTask(task) => format!("{STOP_TASK}{task}"),
        }
    }

    /// As a ticket carries it.
    pub fn from_text(text: &str) -> Self {
        match text {
            "scale" => Self::Scale,
            "stop-rollout" => Self::StopRollout,
            text => match text.strip_prefix(STOP_TASK) {
                Some(task) => Self::StopTask(task.to_owned()),
                None => Self::Deployment(text.to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::Deployment;

    fn service(primary: &str, task_definition: &str, desired: i32) -> Service {
        Service::builder()
            .task_definition(task_definition)
            .desired_count(desired)
            .deployments(Deployment::builder().id(primary).status("PRIMARY").build())
            .build()
    }

    #[test]
    fn another_deployment_between_plan_and_execution_is_noticed_and_named() {
        let before = Precondition::of(&service("d1", "x/api:1", 2), false);
        assert_eq!(before.violated_by(&service("d1", "x/api:1", 5)), None);
        let changed = before.violated_by(&service("d2", "x/api:2", 2));
        assert!(changed.is_some_and(|words| words.contains("api:2")));
        assert!(before.violated_by(&service("d2", "x/api:1", 2)).is_some());
    }

    #[test]
    fn scaling_notices_that_somebody_else_scaled() {
        let before = Precondition::of(&service("d1", "x/api:1", 2), true);
        let changed = before.violated_by(&service("d1", "x/api:1", 5));
        assert!(changed.is_some_and(|words| words.contains('5')));
    }

    #[test]
    fn a_handle_survives_the_audit_record() {
        for handle in [
            Handle::Deployment("ecs-svc/123".to_owned()),
            Handle::Scale,
            Handle::StopRollout,
            Handle::StopTask("0123".to_owned()),
        ] {
            assert_eq!(Handle::from_text(&handle.to_text()), handle);
        }
    }
}
