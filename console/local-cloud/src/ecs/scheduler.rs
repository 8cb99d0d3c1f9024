//! The service scheduler's decisions: which tasks to start and stop now, as ECS's rolling update
//! decides it.
//!
//! It only looks at the world and changes it; the processes are somebody else's work
//! ([`super::driver`]), so that a test can play a whole rollout without a process and without
//! waiting.
//! Rules: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html>

use std::collections::BTreeMap;

use super::arn;
use super::model::{
    Deployment, RolloutState, Service, ServiceStatus, StopCode, Task, TaskDefinition, TaskStatus,
    World,
};
use super::rollout;
use crate::settings::Pace;

/// What the load balancer thinks of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetState {
    /// Not registered, or not probed often enough.
    Initial,
    /// It gets requests.
    Healthy,
    /// Too many probes failed; the sentence says how.
    Unhealthy(String),
}

/// An alarm as a rollout sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlarmView {
    /// It is in `ALARM`.
    pub red: bool,
    /// How long it takes to notice something.
    pub window_ms: i64,
}

/// What the scheduler sees besides the world.
pub struct Observation<'a> {
    /// Now.
    pub now_ms: i64,
    /// What the load balancer thinks of a task.
    pub target: &'a dyn Fn(&Task) -> TargetState,
    /// An alarm by its name, none when it does not exist.
    pub alarm: &'a dyn Fn(&str) -> Option<AlarmView>,
    /// Intervals.
    pub pace: &'a Pace,
}

/// What has to be done about processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start this task.
    Launch(String),
    /// End this task: out of the load balancer, drained, SIGTERM, SIGKILL.
    Stop(String),
}

/// One look at every service.
pub fn tick(world: &mut World, seen: &Observation<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    forget_old_tasks(world, seen);
    let World {
        services,
        tasks,
        families,
        ..
    } = world;
    for service in services.iter_mut() {
        let mut turn = Turn {
            service,
            tasks,
            seen,
            effects: &mut effects,
        };
        match turn.service.status {
            ServiceStatus::Active => turn.run(families),
            ServiceStatus::Draining => turn.drain(),
            ServiceStatus::Inactive => {}
        }
    }
    effects
}

fn forget_old_tasks(world: &mut World, seen: &Observation<'_>) {
    let keep_ms = i64::try_from(seen.pace.stopped_task_retention.as_millis()).unwrap_or(i64::MAX);
    let oldest = seen.now_ms.saturating_sub(keep_ms);
    world
        .tasks
        .retain(|_, task| task.stopped_at.is_none_or(|at| at >= oldest) || !task.accounted);
}

/// One look at one service.
pub(super) struct Turn<'a, 's> {
    pub service: &'a mut Service,
    pub tasks: &'a mut BTreeMap<String, Task>,
    pub seen: &'a Observation<'s>,
    pub effects: &'a mut Vec<Effect>,
}

impl Turn<'_, '_> {
    fn run(&mut self, families: &BTreeMap<String, Vec<TaskDefinition>>) {
        rollout::begin(self);
        self.account_for_ended_tasks();
        self.note_healthy_tasks();
        self.stop_unhealthy_tasks();
        rollout::judge(self);
        self.stop_surplus();
        self.start_missing(families);
        self.drop_empty_deployments();
        rollout::finish(self);
        self.count();
    }

    /// A deleted service ends all its tasks and is gone when they are.
    fn drain(&mut self) {
        for id in self.of_service(|t| t.is_live()) {
            self.stop(&id, "Task stopped because its service was deleted");
        }
        for id in self.of_service(|t| !t.accounted && t.last_status == TaskStatus::Stopped) {
            self.account(&id);
        }
        if self
            .of_service(|t| t.last_status != TaskStatus::Stopped)
            .is_empty()
        {
            self.service.status = ServiceStatus::Inactive;
            self.service.deployments.clear();
        }
    }

    /// Ids of this service's tasks, oldest first.
    pub fn of_service(&self, want: impl Fn(&Task) -> bool) -> Vec<String> {
        let mut found: Vec<&Task> = self
            .tasks
            .values()
            .filter(|t| {
                t.cluster == self.service.cluster
                    && t.service() == Some(self.service.name.as_str())
                    && want(t)
            })
            .collect();
        found.sort_by_key(|t| (t.created_at, t.id.clone()));
        found.into_iter().map(|t| t.id.clone()).collect()
    }

    /// Ids of one deployment's tasks, oldest first.
    pub fn of_deployment(&self, deployment: &str, want: impl Fn(&Task) -> bool) -> Vec<String> {
        self.of_service(|t| t.started_by.as_deref() == Some(deployment) && want(t))
    }

    /// Running and, behind a load balancer, found healthy by it.
    pub fn is_healthy(&self, task: &Task) -> bool {
        task.is_running()
            && (task.load_balancers.is_empty() || (self.seen.target)(task) == TargetState::Healthy)
    }

    fn healthy(&self, deployment: &str) -> u32 {
        count(&self.of_deployment(deployment, |t| self.is_healthy(t)))
    }

    fn live(&self, deployment: &str) -> u32 {
        count(&self.of_deployment(deployment, Task::is_live))
    }

    fn account(&mut self, id: &str) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.accounted = true;
        }
    }

    /// Processes that ended by themselves: failures when they were never healthy, and in any
    /// case a reason to wait before the next one.
    fn account_for_ended_tasks(&mut self) {
        let ended = self.of_service(|t| t.last_status == TaskStatus::Stopped && !t.accounted);
        for id in ended {
            self.account(&id);
            self.service.steady = false;
            let Some(task) = self.tasks.get(&id) else {
                continue;
            };
            let failed = matches!(
                task.stop_code,
                Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited)
            );
            let (deployment, never_healthy) = (task.started_by.clone(), !task.ever_healthy);
            if failed && let Some(deployment) = deployment {
                self.count_failure(&deployment, never_healthy);
            }
        }
    }

    /// Counts a failed task and sets the wait before the next start: doubled with each
    /// consecutive failure.
    fn count_failure(&mut self, deployment: &str, counts: bool) {
        let now = self.seen.now_ms;
        let pace = self.seen.pace;
        let Some(found) = self
            .service
            .deployments
            .iter_mut()
            .find(|d| d.id == deployment)
        else {
            return;
        };
        if counts {
            found.failed_tasks += 1;
        }
        let doublings = found.failed_tasks.saturating_sub(1).min(16);
        let wait = pace
            .restart_backoff_first
            .saturating_mul(1 << doublings)
            .min(pace.restart_backoff_max);
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        found.backoff_until = found.backoff_until.max(now.saturating_add(wait_ms));
        found.updated_at = now;
        let throttled = found.failed_tasks > 0 && found.failed_tasks.is_multiple_of(5);
        if throttled {
            self.service.say(
                now,
                "is unable to consistently start tasks successfully. For more information, see \
                 the Troubleshooting section of the Amazon ECS Developer Guide.",
            );
        }
    }

    /// The first time that a task is healthy sets its deployment's failure count to 0, unless the
    /// breaker was told not to.
    fn note_healthy_tasks(&mut self) {
        let fresh = self.of_service(|t| !t.ever_healthy && self.is_healthy(t));
        for id in fresh {
            let Some(task) = self.tasks.get_mut(&id) else {
                continue;
            };
            task.ever_healthy = true;
            let resets = self
                .service
                .configuration
                .deployment_circuit_breaker
                .reset_on_healthy_task
                .unwrap_or(true);
            let deployment = task.started_by.as_deref();
            if let Some(found) = self
                .service
                .deployments
                .iter_mut()
                .find(|d| Some(d.id.as_str()) == deployment)
            {
                found.backoff_until = 0;
                if resets {
                    found.failed_tasks = 0;
                }
            }
        }
    }

    /// Tasks that the load balancer gave up on are replaced, after their grace period.
    fn stop_unhealthy_tasks(&mut self) {
        let grace_ms = i64::from(self.service.grace_period_seconds) * 1000;
        let now = self.seen.now_ms;
        for id in self.of_service(Task::is_running) {
            let Some(task) = self.tasks.get(&id) else {
                continue;
            };
            let Some(balancer) = task.load_balancers.first() else {
                continue;
            };
            let TargetState::Unhealthy(reason) = (self.seen.target)(task) else {
                continue;
            };
            let in_grace = !task.ever_healthy
                && task
                    .started_at
                    .is_some_and(|at| now < at.saturating_add(grace_ms));
            if in_grace {
                continue;
            }
            let group = balancer.target_group_arn.clone();
            let port = balancer.container_port;
            let deployment = task.started_by.clone();
            self.service.say(
                now,
                &format!(
                    "(task {id}) (port {port}) is unhealthy in (target-group {group}) due to \
                     (reason {reason})"
                ),
            );
            self.stop(
                &id,
                &format!("Task failed ELB health checks in (target-group {group})"),
            );
            if let Some(deployment) = deployment {
                self.count_failure(&deployment, true);
            }
        }
    }

    /// Ends a task that is not needed.
    pub fn stop(&mut self, id: &str, reason: &str) {
        let now = self.seen.now_ms;
        if let Some(task) = self.tasks.get_mut(id)
            && task.desired_status == TaskStatus::Running
        {
            task.desired_status = TaskStatus::Stopped;
            task.stop_code = Some(StopCode::ServiceSchedulerInitiated);
            task.stopped_reason = Some(reason.to_owned());
            task.stopping_at = Some(now);
            self.service.steady = false;
            self.effects.push(Effect::Stop(id.to_owned()));
        }
    }

    /// Tasks above the desired count, and tasks of older deployments as soon as the rule of the
    /// minimum healthy percent allows.
    fn stop_surplus(&mut self) {
        let Some(primary) = self.service.primary() else {
            return;
        };
        let (primary_id, primary_failed) = (
            primary.id.clone(),
            primary.rollout_state == RolloutState::Failed,
        );
        let mut stopped = Vec::new();

        let mut own = self.of_deployment(&primary_id, Task::is_live);
        // The least useful first: those that are not healthy, then the youngest.
        own.reverse();
        own.sort_by_key(|id| self.tasks.get(id).is_some_and(|t| self.is_healthy(t)));
        let surplus = own
            .len()
            .saturating_sub(self.service.desired_count as usize);
        for id in own.into_iter().take(surplus) {
            self.stop(
                &id,
                &format!("Scaling activity initiated by (deployment {primary_id})"),
            );
            stopped.push(id);
        }

        // A failed deployment without a way back neither starts tasks nor takes any away.
        if !primary_failed {
            // What nobody wants back goes first.
            let mut older: Vec<Deployment> =
                self.service.deployments.iter().skip(1).cloned().collect();
            older.sort_by_key(|d| d.completed_once);
            for deployment in older {
                self.stop_older(&deployment, &primary_id, &mut stopped);
            }
        }
        if !stopped.is_empty() {
            let list: String = stopped.iter().map(|id| format!(" (task {id})")).collect();
            self.service.say(
                self.seen.now_ms,
                &format!("has stopped {} running tasks:{list}.", stopped.len()),
            );
        }
    }

    fn stop_older(&mut self, older: &Deployment, primary: &str, stopped: &mut Vec<String>) {
        let desired = self.service.desired_count;
        let limits = Limits::of(self.service);
        let mut tasks = self.of_deployment(&older.id, Task::is_live);
        tasks.sort_by_key(|id| self.tasks.get(id).is_some_and(|t| self.is_healthy(t)));
        let before = count(&tasks);
        let mut left = before;
        for id in tasks {
            let healthy_all = count(&self.of_service(|t| self.is_healthy(t)));
            let live_all = count(&self.of_service(Task::is_live));
            let is_healthy = self.tasks.get(&id).is_some_and(|t| self.is_healthy(t));
            let covered = self.healthy(primary) + left > desired;
            let no_room = live_all >= limits.most && self.live(primary) < desired;
            let allowed = if is_healthy {
                healthy_all > limits.least_healthy && (covered || no_room)
            } else {
                covered || !older.completed_once
            };
            if !allowed {
                continue;
            }
            self.stop(
                &id,
                &format!("Scaling activity initiated by (deployment {primary})"),
            );
            left -= 1;
            stopped.push(id);
        }
        let still_needed = desired.saturating_sub(self.healthy(primary));
        if let Some(found) = self
            .service
            .deployments
            .iter_mut()
            .find(|d| d.id == older.id)
        {
            found.desired_count = if found.completed_once {
                // Only what was taken away on purpose: a task lost by accident is replaced for as
                // long as the newest deployment does not stand in for it.
                found
                    .desired_count
                    .saturating_sub(before - left)
                    .min(still_needed)
            } else {
                left
            };
        }
    }

    /// Starts what is missing: first what an older good deployment lost, so that it keeps
    /// serving, then the newest deployment's, within the maximum percent and the back-off.
    fn start_missing(&mut self, families: &BTreeMap<String, Vec<TaskDefinition>>) {
        let limits = Limits::of(self.service);
        let now = self.seen.now_ms;
        let Some(primary_id) = self.service.primary().map(|d| d.id.clone()) else {
            return;
        };
        let mut order: Vec<Deployment> = self.service.deployments.iter().skip(1).cloned().collect();
        order.retain(|d| d.completed_once);
        order.extend(self.service.primary().cloned());
        for deployment in order {
            let is_primary = deployment.id == primary_id;
            if is_primary && deployment.rollout_state == RolloutState::Failed {
                continue;
            }
            let wanted = if is_primary {
                self.service.desired_count
            } else {
                deployment.desired_count.min(
                    self.service
                        .desired_count
                        .saturating_sub(self.healthy(&primary_id)),
                )
            };
            if is_primary && let Some(primary) = self.service.deployments.first_mut() {
                primary.desired_count = wanted;
            }
            if now < deployment.backoff_until {
                continue;
            }
            let missing = wanted.saturating_sub(self.live(&deployment.id));
            let room = limits
                .most
                .saturating_sub(count(&self.of_service(Task::is_live)));
            let started: Vec<String> = (0..missing.min(room))
                .filter_map(|_| self.new_task(&deployment, families))
                .collect();
            if started.is_empty() {
                continue;
            }
            self.service.steady = false;
            let list: String = started.iter().map(|id| format!(" (task {id})")).collect();
            self.service
                .say(now, &format!("has started {} tasks:{list}.", started.len()));
            self.effects.extend(started.into_iter().map(Effect::Launch));
        }
    }

    fn new_task(
        &mut self,
        deployment: &Deployment,
        families: &BTreeMap<String, Vec<TaskDefinition>>,
    ) -> Option<String> {
        let definition = families
            .get(&deployment.task_definition.family)?
            .iter()
            .find(|d| d.id == deployment.task_definition)?;
        let revision = self.service.revision(&deployment.revision);
        let container = definition.containers().first()?;
        let name = crate::protocol::members::text(container, "name").unwrap_or_default();
        let image = crate::protocol::members::text(container, "image").unwrap_or_default();
        let digest = revision
            .and_then(|r| r.images.iter().find(|i| i.container_name == name))
            .and_then(|i| i.image_digest.clone());
        let task = Task {
            group: format!("service:{}", self.service.name),
            started_by: Some(deployment.id.clone()),
            load_balancers: self.service.load_balancers.clone(),
            image_digest: digest,
            tags: Vec::new(),
            ..Task::new(
                &self.service.cluster,
                definition.id.clone(),
                name,
                image,
                self.seen.now_ms,
            )
        };
        let id = task.id.clone();
        self.tasks.insert(id.clone(), task);
        Some(id)
    }

    /// An older deployment goes when its last task has ended.
    fn drop_empty_deployments(&mut self) {
        let primary = self.service.primary().map(|d| d.id.clone());
        let empty: Vec<String> = self
            .service
            .deployments
            .iter()
            .filter(|d| Some(&d.id) != primary.as_ref() && d.desired_count == 0)
            .filter(|d| {
                self.of_deployment(&d.id, |t| t.last_status != TaskStatus::Stopped)
                    .is_empty()
            })
            .map(|d| d.id.clone())
            .collect();
        self.service.deployments.retain(|d| !empty.contains(&d.id));
    }

    /// Writes the counts into the ongoing service deployment.
    fn count(&mut self) {
        let counts: BTreeMap<String, (u32, u32)> = self
            .service
            .deployments
            .iter()
            .map(|d| {
                let running = count(&self.of_deployment(&d.id, Task::is_running));
                let pending = count(&self.of_deployment(&d.id, Task::is_pending));
                (d.revision.clone(), (running, pending))
            })
            .collect();
        let failed = self
            .service
            .deployments
            .first()
            .map_or(0, |d| d.failed_tasks);
        if let Some(ongoing) = self.service.ongoing() {
            let target_is_primary = ongoing.rollback.is_none();
            for revision in ongoing.sources.iter_mut().chain([&mut ongoing.target]) {
                let (running, pending) =
                    counts.get(&revision.revision).copied().unwrap_or_default();
                revision.running = running;
                revision.pending = pending;
            }
            if target_is_primary {
                ongoing.breaker.failure_count = failed;
            }
        }
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// How many tasks a service may and must have.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Running and pending at most.
    pub most: u32,
    /// Healthy at least.
    pub least_healthy: u32,
}

impl Limits {
    /// The maximum rounds down and the minimum rounds up.
    pub fn of(service: &Service) -> Self {
        let desired = u64::from(service.desired_count);
        let percent = |of: u32| desired * u64::from(of);
        let to_u32 = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            most: to_u32(percent(service.configuration.maximum_percent) / 100),
            least_healthy: to_u32(
                percent(service.configuration.minimum_healthy_percent).div_ceil(100),
            ),
        }
    }
}

impl Task {
    /// A task that was just decided on.
    pub fn new(
        cluster: &str,
        task_definition: arn::TaskDefinitionId,
        container: &str,
        image: &str,
        now_ms: i64,
    ) -> Self {
        Self {
            id: arn::new_task_id(),
            cluster: cluster.to_owned(),
            group: format!("family:{}", task_definition.family),
            started_by: None,
            task_definition,
            container: container.to_owned(),
            image: image.to_owned(),
            image_digest: None,
            load_balancers: Vec::new(),
            last_status: TaskStatus::Provisioning,
            desired_status: TaskStatus::Running,
            overrides: serde_json::Value::Null,
            port: None,
            pid: None,
            exit_code: None,
            stop_code: None,
            stopped_reason: None,
            container_reason: None,
            ever_healthy: false,
            accounted: false,
            created_at: now_ms,
            pulled_at: None,
            started_at: None,
            stopping_at: None,
            stopped_at: None,
            tags: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
