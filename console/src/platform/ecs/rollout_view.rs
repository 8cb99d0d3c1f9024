//! A rollout as the screen tells it: who is on which side, how near the breaker is.

use super::{
    deployments::{DeploymentView, outcome},
    service::count,
    tasks::TaskView,
};
use crate::model::{
    Breaker, InstanceState, RevisionId, RolloutId, RolloutOutcome, RolloutRecord, RolloutSide,
    Target,
};
use aws_sdk_ecs::types::{Deployment, Service};
use jiff::Timestamp;

/// Everything that the sides of a rollout are counted from.
pub struct Scene<'a> {
    pub tasks: &'a [TaskView],
    pub targets: &'a [Target],
    pub has_balancer: bool,
    pub container_port: Option<i32>,
}

impl Scene<'_> {
    /// The instances of one deployment.
    pub fn side(&self, deployment: &Deployment, release: Option<String>) -> RolloutSide {
        let id = deployment.id().unwrap_or_default();
        let revision = deployment.task_definition().unwrap_or_default();
        // Tasks say which deployment started them; the revision alone would mix up the two sides
        // of a restart.
        let mine = |task: &&TaskView| match task.started_by.as_deref() {
            Some(started_by) if !id.is_empty() => started_by == id,
            _ => task.revision.as_str() == revision,
        };
        let state_of = |task: &TaskView| {
            let address = task.address(self.container_port)?;
            self.targets
                .iter()
                .find(|target| target.address == address)
                .map(|target| target.state.as_str())
        };
        let mut in_service = 0;
        let mut draining = 0;
        for task in self.tasks.iter().filter(mine) {
            match state_of(task) {
                Some("healthy") => in_service += 1,
                Some("draining" | "unhealthy.draining") => draining += 1,
                _ if task.state == InstanceState::Stopping => draining += 1,
                _ => {}
            }
        }
        let running = count(deployment.running_count());
        RolloutSide {
            revision: RevisionId::new(revision),
            release,
            desired: count(deployment.desired_count()),
            running,
            pending: count(deployment.pending_count()),
            in_service: if self.has_balancer {
                in_service
            } else {
                running
            },
            draining,
            failed: count(deployment.failed_tasks()),
        }
    }
}

/// The side of a revision that has no deployment left: nothing of it runs.
pub fn gone(revision: RevisionId, release: Option<String>, failed: u32) -> RolloutSide {
    RolloutSide {
        revision,
        release,
        desired: 0,
        running: 0,
        pending: 0,
        in_service: 0,
        draining: 0,
        failed,
    }
}

/// The deployment circuit breaker: ECS's own figures where it tells them, else its rule,
/// ⌈50 % × desired⌉ clamped to 3–200 (ECS developer guide, "deployment circuit breaker").
pub fn breaker(
    service: &Service,
    ours: Option<&Deployment>,
    reported: Option<(u32, u32)>,
) -> Option<Breaker> {
    let configured = service
        .deployment_configuration()
        .and_then(|configuration| configuration.deployment_circuit_breaker())?;
    let desired = ours.map_or(service.desired_count(), Deployment::desired_count);
    let failures = ours.map_or(0, |deployment| count(deployment.failed_tasks()));
    let (failures, threshold) = match reported {
        Some((reported, threshold)) => (reported.max(failures), threshold),
        None => (failures, threshold(configured, count(desired))),
    };
    Some(Breaker {
        enabled: configured.enable(),
        rolls_back: configured.rollback(),
        failures,
        threshold,
    })
}

fn threshold(configured: &aws_sdk_ecs::types::DeploymentCircuitBreaker, desired: u32) -> u32 {
    let share = |percent: u32| (desired * percent).div_ceil(100);
    match configured.threshold_configuration() {
        Some(chosen) => {
            let value = count(chosen.value());
            match chosen.r#type().as_str() {
                "COUNT" => value,
                "UNBOUNDED_PERCENT" => share(value).max(1),
                _ => share(value).clamp(3, 200),
            }
        }
        None => share(50).clamp(3, 200),
    }
}

/// The record of a service deployment. `to` and `from` are task definitions.
pub fn record(
    deployment: &DeploymentView,
    next_created_at: Option<Timestamp>,
    to: RevisionId,
    from: Option<RevisionId>,
) -> RolloutRecord {
    RolloutRecord {
        inferred: false,
        id: deployment.id.clone(),
        from,
        to,
        release: None,
        digest: None,
        started_at: deployment.created_at.unwrap_or(Timestamp::UNIX_EPOCH),
        finished_at: deployment.finished_at.filter(|_| deployment.is_over()),
        outcome: outcome(deployment, next_created_at),
        reason: deployment.reason(),
        alarms: deployment.triggered_alarms.clone(),
        author: None,
    }
}

/// The record of a deployment as DescribeServices alone tells it, where the service deployments
/// cannot be read.
pub fn record_without_history(
    deployment: &Deployment,
    from: Option<RevisionId>,
    outcome: RolloutOutcome,
) -> RolloutRecord {
    RolloutRecord {
        inferred: false,
        id: RolloutId::new(deployment.id().unwrap_or_default()),
        from,
        to: RevisionId::new(deployment.task_definition().unwrap_or_default()),
        release: None,
        digest: None,
        started_at: super::time::timestamp(deployment.created_at())
            .unwrap_or(Timestamp::UNIX_EPOCH),
        finished_at: super::time::timestamp(deployment.updated_at())
            .filter(|_| !outcome.is_in_progress()),
        outcome,
        // While it goes on this says no more than that ("… in progress.").
        reason: deployment
            .rollout_state_reason()
            .filter(|_| !outcome.is_in_progress())
            .map(super::text::clean),
        alarms: Vec::new(),
        author: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{DeploymentCircuitBreaker, DeploymentConfiguration, Task};

    fn service(desired: i32) -> Service {
        Service::builder()
            .desired_count(desired)
            .deployment_configuration(
                DeploymentConfiguration::builder()
                    .deployment_circuit_breaker(
                        DeploymentCircuitBreaker::builder()
                            .enable(true)
                            .rollback(true)
                            .build(),
                    )
                    .build(),
            )
            .build()
    }

    #[test]
    fn the_breaker_trips_at_half_of_the_tasks_but_never_below_three_nor_above_two_hundred() {
        for (desired, expected) in [(1, 3), (6, 3), (7, 4), (25, 13), (1_000, 200)] {
            let breaker = breaker(&service(desired), None, None).expect("a breaker");
            assert_eq!(breaker.threshold, expected, "{desired} tasks");
        }
    }

    #[test]
    fn the_figures_that_ecs_reports_win() {
        let breaker = breaker(&service(4), None, Some((2, 10))).expect("a breaker");
        assert_eq!((breaker.failures, breaker.threshold), (2, 10));
    }

    #[test]
    fn the_two_sides_of_a_restart_are_told_apart_by_the_deployment_that_started_the_task() {
        let task = |id: &str, by: &str| {
            let task = Task::builder()
                .task_arn(format!("t/{id}"))
                .task_definition_arn("api:1")
                .started_by(by)
                .last_status("RUNNING")
                .desired_status("RUNNING")
                .build();
            TaskView::of(&task).expect("a task")
        };
        let mut old = task("1", "ecs-svc/1");
        old.private_ip = Some("10.0.0.1".to_owned());
        let mut new = task("2", "ecs-svc/2");
        new.private_ip = Some("10.0.0.2".to_owned());
        let target = |address: &str, state: &str| Target {
            address: address.to_owned(),
            state: state.to_owned(),
            reason: None,
        };
        let scene = Scene {
            tasks: &[old, new],
            targets: &[
                target("10.0.0.1:80", "draining"),
                target("10.0.0.2:80", "healthy"),
            ],
            has_balancer: true,
            container_port: Some(80),
        };
        let deployment = |id: &str| {
            Deployment::builder()
                .id(id)
                .task_definition("api:1")
                .running_count(1)
                .build()
        };
        let ours = scene.side(&deployment("ecs-svc/2"), None);
        let others = scene.side(&deployment("ecs-svc/1"), None);
        assert_eq!((ours.in_service, ours.draining), (1, 0));
        assert_eq!((others.in_service, others.draining), (0, 1));
    }
}
