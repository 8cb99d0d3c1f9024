//! The life of a service deployment: begin, be judged by the breaker and the alarms, go back,
//! finish.
//!
//! Rules:
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>,
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html>,
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html>

use super::arn::{self, TaskDefinitionId};
use super::model::{
    AlarmsState, BreakerState, Completed, ContainerImage, Deployment, DeploymentConfiguration,
    MonitorStatus, RevisionCounts, Rollback, RolloutState, Service, ServiceDeployment,
    ServiceDeploymentStatus as Status, ServiceRevision, Task, TaskStatus,
};
use super::scheduler::Turn;

/// The failures at which the breaker trips: half of the desired count, at least 3, at most 200.
pub fn breaker_threshold(desired_count: u32) -> u32 {
    desired_count.div_ceil(2).clamp(3, 200)
}

/// Asks for a new deployment of a service; the one under way, if any, is superseded.
///
/// Returns the ARN of the service deployment.
pub fn request(
    service: &mut Service,
    task_definition: TaskDefinitionId,
    images: Vec<ContainerImage>,
    now: i64,
) -> String {
    let revision = ServiceRevision {
        arn: arn::new_service_revision(&service.cluster, &service.name),
        task_definition: task_definition.clone(),
        images,
        load_balancers: service.load_balancers.clone(),
        network: service.network.clone(),
        created_at: now,
    };
    if let Some(ongoing) = service.ongoing() {
        ongoing.status = Status::StopRequested;
        ongoing.status_reason = Some("A newer service deployment was started.".to_owned());
        ongoing.updated_at = now;
    }
    let desired = service.desired_count;
    let deployment = Deployment {
        id: arn::new_deployment_id(),
        task_definition,
        revision: revision.arn.clone(),
        desired_count: desired,
        failed_tasks: 0,
        backoff_until: 0,
        completed_once: false,
        rollout_state: RolloutState::InProgress,
        rollout_state_reason: String::new(),
        created_at: now,
        updated_at: now,
    };
    let counts = |revision: &str, requested| RevisionCounts {
        revision: revision.to_owned(),
        requested,
        running: 0,
        pending: 0,
    };
    let service_deployment = ServiceDeployment {
        arn: arn::new_service_deployment(&service.cluster, &service.name),
        deployment_id: deployment.id.clone(),
        sources: service
            .deployments
            .iter()
            .map(|d| counts(&d.revision, d.desired_count))
            .collect(),
        target: counts(&revision.arn, desired),
        status: Status::Pending,
        status_reason: None,
        breaker: breaker_of(&service.configuration, desired),
        alarms: alarms_of(&service.configuration),
        configuration: service.configuration.clone(),
        ignored_alarms: Vec::new(),
        rollback: None,
        baking_since: None,
        created_at: now,
        started_at: None,
        finished_at: None,
        stopped_at: None,
        updated_at: now,
    };
    let arn = service_deployment.arn.clone();
    let mut deployment = deployment;
    deployment.rollout_state_reason = format!("ECS deployment {} in progress.", deployment.id);
    service.steady = false;
    service.revisions.push(revision);
    service.deployments.insert(0, deployment);
    service.service_deployments.insert(0, service_deployment);
    arn
}

fn breaker_of(configuration: &DeploymentConfiguration, desired: u32) -> BreakerState {
    let enabled = configuration.deployment_circuit_breaker.enable;
    BreakerState {
        status: if enabled {
            MonitorStatus::Monitoring
        } else {
            MonitorStatus::Disabled
        },
        failure_count: 0,
        threshold: breaker_threshold(desired),
    }
}

fn alarms_of(configuration: &DeploymentConfiguration) -> AlarmsState {
    let alarms = configuration.alarms.as_ref();
    AlarmsState {
        status: if alarms.is_some_and(|a| a.enable) {
            MonitorStatus::Monitoring
        } else {
            MonitorStatus::Disabled
        },
        alarm_names: alarms.map_or(Vec::new(), |a| a.alarm_names.clone()),
        triggered_alarm_names: Vec::new(),
    }
}

/// Takes up what was requested: stops the superseded, goes back where that was asked for, begins
/// the pending.
pub(super) fn begin(turn: &mut Turn<'_, '_>) {
    let now = turn.seen.now_ms;
    for superseded in &mut turn.service.service_deployments {
        if superseded.status == Status::StopRequested {
            end(superseded, Status::Stopped, now);
            superseded.stopped_at = Some(now);
        }
    }
    let Some(ongoing) = turn.service.ongoing() else {
        return;
    };
    match ongoing.status {
        Status::RollbackRequested => go_back(turn, Cause::Asked),
        Status::Pending => {
            ongoing.status = Status::InProgress;
            ongoing.started_at = Some(now);
            ongoing.updated_at = now;
            if ongoing.alarms.status == MonitorStatus::Monitoring {
                // Else a deployment that fixes what is red could never go out.
                ongoing.ignored_alarms = ongoing
                    .alarms
                    .alarm_names
                    .iter()
                    .filter(|name| (turn.seen.alarm)(name).is_some_and(|a| a.red))
                    .cloned()
                    .collect();
                if ongoing.ignored_alarms.len() == ongoing.alarms.alarm_names.len() {
                    ongoing.alarms.status = MonitorStatus::Disabled;
                }
            }
        }
        _ => {}
    }
}

/// Why a deployment goes back.
enum Cause {
    Breaker,
    Alarms(Vec<String>),
    Asked,
}

impl Cause {
    fn rollback_reason(&self) -> String {
        match self {
            Self::Breaker => {
                "Service deployment rolled back because the circuit breaker threshold was exceeded."
                    .to_owned()
            }
            Self::Alarms(names) => format!(
                "Service deployment rolled back because alarms were triggered: {}.",
                names.join(", ")
            ),
            Self::Asked => {
                "Service deployment rolled back because of a StopServiceDeployment request."
                    .to_owned()
            }
        }
    }

    fn failure(&self) -> &'static str {
        match self {
            Self::Breaker => "tasks failed to start.",
            Self::Alarms(_) => "alarm detected.",
            Self::Asked => "rollback requested.",
        }
    }

    fn rollout_state_reason(&self) -> String {
        match self {
            Self::Breaker => "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
            _ => format!("ECS deployment failed: {}", self.failure()),
        }
    }
}

/// Ends the deployment under way when the breaker trips or an alarm goes red.
pub(super) fn judge(turn: &mut Turn<'_, '_>) {
    let failed_tasks = turn.service.primary().map_or(0, |d| d.failed_tasks);
    let seen = turn.seen;
    let Some(ongoing) = turn.service.ongoing() else {
        return;
    };
    let tripped = ongoing.breaker.status != MonitorStatus::Disabled
        && failed_tasks >= ongoing.breaker.threshold;
    let red: Vec<String> = ongoing
        .alarms
        .alarm_names
        .iter()
        .filter(|name| !ongoing.ignored_alarms.contains(name))
        .filter(|name| (seen.alarm)(name).is_some_and(|a| a.red))
        .cloned()
        .collect();
    let cause = match ongoing.status {
        Status::InProgress if tripped => {
            ongoing.breaker.status = MonitorStatus::Triggered;
            ongoing.breaker.failure_count = failed_tasks;
            Cause::Breaker
        }
        Status::InProgress
            if ongoing.alarms.status == MonitorStatus::Monitoring && !red.is_empty() =>
        {
            ongoing.alarms.status = MonitorStatus::Triggered;
            ongoing.alarms.triggered_alarm_names.clone_from(&red);
            Cause::Alarms(red)
        }
        Status::RollbackInProgress if tripped => return give_up(turn, &Cause::Breaker),
        _ => return,
    };
    let rolls_back = match &cause {
        Cause::Alarms(_) => ongoing
            .configuration
            .alarms
            .as_ref()
            .is_some_and(|a| a.rollback),
        _ => ongoing.configuration.deployment_circuit_breaker.rollback,
    };
    if rolls_back {
        go_back(turn, cause);
    } else {
        fail_primary(turn, &cause);
        let now = turn.seen.now_ms;
        if let Some(ongoing) = turn.service.ongoing() {
            ongoing.status_reason = Some(cause.rollout_state_reason());
            ongoing.stopped_at = Some(now);
            end(ongoing, Status::Stopped, now);
        }
    }
}

/// The newest deployment has failed: nothing more is started for it.
fn fail_primary(turn: &mut Turn<'_, '_>, cause: &Cause) {
    let now = turn.seen.now_ms;
    let Some(primary) = turn.service.deployments.first_mut() else {
        return;
    };
    primary.rollout_state = RolloutState::Failed;
    primary.rollout_state_reason = cause.rollout_state_reason();
    primary.updated_at = now;
    let sentence = format!(
        "(deployment {}) deployment failed: {}",
        primary.id,
        cause.failure()
    );
    turn.service.say(now, &sentence);
}

/// The way back failed, or there is none.
fn give_up(turn: &mut Turn<'_, '_>, cause: &Cause) {
    fail_primary(turn, cause);
    let now = turn.seen.now_ms;
    if let Some(ongoing) = turn.service.ongoing() {
        ongoing.status_reason = Some(match ongoing.rollback {
            Some(_) => "The rollback failed: tasks failed to start.".to_owned(),
            None => "No deployment in a COMPLETED state was found to roll back to.".to_owned(),
        });
        end(ongoing, Status::RollbackFailed, now);
    }
}

/// Makes the last completed deployment the newest one again.
fn go_back(turn: &mut Turn<'_, '_>, cause: Cause) {
    let now = turn.seen.now_ms;
    let target = turn.service.last_completed.clone().and_then(|completed| {
        let revision = turn.service.revision(&completed.revision)?;
        Some((completed, revision.task_definition.clone()))
    });
    let Some((completed, task_definition)) = target else {
        return give_up(turn, &cause);
    };
    fail_primary(turn, &cause);
    let service = &mut *turn.service;
    let desired = service.desired_count;
    let position = service
        .deployments
        .iter()
        .position(|d| d.id == completed.deployment_id);
    let mut way_back = match position {
        Some(index) => service.deployments.remove(index),
        // Its last task has ended already, so it is deployed anew under its own name.
        None => Deployment {
            id: completed.deployment_id.clone(),
            task_definition,
            revision: completed.revision.clone(),
            desired_count: desired,
            failed_tasks: 0,
            backoff_until: 0,
            completed_once: true,
            rollout_state: RolloutState::InProgress,
            rollout_state_reason: String::new(),
            created_at: now,
            updated_at: now,
        },
    };
    way_back.desired_count = desired;
    way_back.failed_tasks = 0;
    way_back.backoff_until = 0;
    way_back.rollout_state = RolloutState::InProgress;
    way_back.updated_at = now;
    way_back.rollout_state_reason = match cause {
        Cause::Breaker => format!(
            "ECS deployment circuit breaker: rolling back to deploymentId {}",
            way_back.id
        ),
        _ => format!(
            "ECS deployment failed: rolling back to deploymentId {}",
            way_back.id
        ),
    };
    service.say(now, &format!("rolling back to deployment {}.", way_back.id));
    service.deployments.insert(0, way_back);
    service.steady = false;
    if let Some(ongoing) = service.ongoing() {
        ongoing.status = Status::RollbackInProgress;
        ongoing.status_reason = Some(cause.rollback_reason());
        ongoing.updated_at = now;
        ongoing.baking_since = None;
        ongoing.rollback = Some(Rollback {
            reason: cause.rollback_reason(),
            started_at: now,
            revision: completed.revision,
        });
    }
}

/// Says when the service is steady, and completes the deployment under way once it is and its
/// alarms stayed quiet for the bake time.
pub(super) fn finish(turn: &mut Turn<'_, '_>) {
    let now = turn.seen.now_ms;
    let desired = turn.service.desired_count as usize;
    let Some(primary) = turn.service.primary() else {
        return;
    };
    let (id, revision, state) = (
        primary.id.clone(),
        primary.revision.clone(),
        primary.rollout_state,
    );
    let healthy = turn.of_deployment(&id, |t| turn.is_healthy(t)).len();
    let wanted = turn.of_service(Task::is_live).len();
    let alone = turn.service.deployments.len() == 1;
    if state == RolloutState::Failed || !alone || healthy != desired || wanted != desired {
        return;
    }
    if state == RolloutState::InProgress && !baked(turn) {
        return;
    }
    if state == RolloutState::InProgress {
        if let Some(primary) = turn.service.deployments.first_mut() {
            primary.rollout_state = RolloutState::Completed;
            primary.rollout_state_reason = format!("ECS deployment {id} completed.");
            primary.completed_once = true;
            primary.updated_at = now;
        }
        if let Some(ongoing) = turn.service.ongoing() {
            ongoing.target.running = u32::try_from(healthy).unwrap_or(u32::MAX);
            let status = if ongoing.rollback.is_some() {
                ongoing.target.running = 0;
                Status::RollbackSuccessful
            } else {
                Status::Successful
            };
            ongoing.target.pending = 0;
            end(ongoing, status, now);
        }
        turn.service.last_completed = Some(Completed {
            deployment_id: id.clone(),
            revision,
        });
        turn.service
            .say(now, &format!("(deployment {id}) deployment completed."));
    }
    let leaving = turn.of_service(|t| !t.is_live() && t.last_status != TaskStatus::Stopped);
    if !turn.service.steady && leaving.is_empty() {
        turn.service.steady = true;
        turn.service.say(now, "has reached a steady state.");
    }
}

/// The alarms were watched for long enough. ECS computes the bake time of a rolling deployment
/// from its alarms: a red one must have had the time to become red.
fn baked(turn: &mut Turn<'_, '_>) -> bool {
    let now = turn.seen.now_ms;
    let seen = turn.seen;
    let Some(ongoing) = turn.service.ongoing() else {
        return true;
    };
    if ongoing.status != Status::InProgress || ongoing.alarms.status != MonitorStatus::Monitoring {
        return true;
    }
    let longest = ongoing
        .alarms
        .alarm_names
        .iter()
        .filter_map(|name| (seen.alarm)(name))
        .map(|alarm| alarm.window_ms)
        .max()
        .unwrap_or(0);
    let least = i64::try_from(seen.pace.bake_time_min.as_millis()).unwrap_or(i64::MAX);
    let since = *ongoing.baking_since.get_or_insert(now);
    now.saturating_sub(since) >= longest.max(least)
}

fn end(deployment: &mut ServiceDeployment, status: Status, now: i64) {
    deployment.status = status;
    deployment.finished_at = Some(now);
    deployment.updated_at = now;
    for monitor in [
        &mut deployment.breaker.status,
        &mut deployment.alarms.status,
    ] {
        if *monitor == MonitorStatus::Monitoring {
            *monitor = MonitorStatus::MonitoringComplete;
        }
    }
}
