//! One look at a service and all that hangs on it.

use super::{
    EcsPlatform,
    deployments::DeploymentView,
    metrics::TaskUse,
    rollout_view::{self, Scene},
    service::{self, count},
    shortage,
    task_definition::TaskDefinition,
    tasks::TaskView,
    text::clean,
    time::timestamp,
};
use crate::{
    model::{
        Alarm, ClusterName, Deployed, Event, Instance, InstanceState, Observation, ReleaseDigest,
        RevisionId, RolloutOutcome, RolloutProgress, RolloutRecord, Service as ServiceModel,
        ServiceName, StoppedInstance, Target,
    },
    platform::PlatformError,
};
use aws_sdk_ecs::types::{Deployment, Service};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use std::{collections::HashMap, sync::Arc};

/// Task definitions by ARN, as far as they could be read.
pub type Definitions = HashMap<RevisionId, Arc<TaskDefinition>>;

/// What the calls of one look brought.
pub struct World {
    pub service: Service,
    pub tasks: Vec<TaskView>,
    pub targets: Vec<Target>,
    pub alarms: Vec<Alarm>,
    pub definitions: Definitions,
    /// Release names by task definition.
    pub releases: HashMap<RevisionId, String>,
    pub container_port: Option<i32>,
    pub has_balancer: bool,
}

impl EcsPlatform {
    pub(super) async fn look(&self) -> Result<Observation, PlatformError> {
        let at = Timestamp::now();
        let world = self.world().await?;
        let (groups, _) = service::target_groups(&world.service);
        let ids: Vec<&str> = world
            .tasks
            .iter()
            .filter(|task| task.state == InstanceState::Running)
            .map(|task| task.id.as_str())
            .collect();
        let (balancers, usage, current) = futures::try_join!(
            tolerate("load balancers", self.balancers(&groups)),
            tolerate("task metrics", self.task_use(&ids)),
            self.deployment_if_rolling_out(&world.service),
        )?;
        let rollout = self.rollout_of(&world, current, at).await;
        let mut instances = self.instances(&world);
        add_use(&mut instances, &usage);
        let wanted = self.config.container.as_deref();
        let stopped: Vec<StoppedInstance> = world
            .tasks
            .iter()
            .filter(|task| task.state == InstanceState::Stopped)
            .map(|task| {
                task.to_stopped(
                    world.definitions.get(&task.revision).map(Arc::as_ref),
                    wanted,
                    world.releases.get(&task.revision).cloned(),
                )
            })
            .collect();
        let shortage = shortage::why(&world.service, &stopped);
        Ok(Observation {
            // AWS refuses what is signed by a clock that is far off.
            clock_ahead_s: None,
            at,
            service: ServiceModel {
                name: ServiceName::new(clean(&self.config.service)),
                cluster: ClusterName::new(clean(&self.config.cluster)),
                desired: count(world.service.desired_count()),
                running: count(world.service.running_count()),
                pending: count(world.service.pending_count()),
                deployed: self.deployed(&world),
                rollout,
                instances,
                stopped,
                events: events(&world.service, None),
                targets: world.targets,
                alarms: world.alarms,
                url: balancers.url.clone(),
                autoscaler: None,
                budget: None,
                shortage,
            },
        })
    }

    /// Service, tasks, targets, alarms and task definitions, asked for side by side.
    pub(super) async fn world(&self) -> Result<World, PlatformError> {
        // When both fail, the service's error says more (its nearest name, the cluster).
        let (service, tasks) = futures::join!(self.service(), self.tasks());
        let (service, tasks) = (service?, tasks?);
        let (groups, balanced_port) = service::target_groups(&service);
        let guards = service::guarding_alarms(&service);
        let wanted = service
            .deployments()
            .iter()
            .filter_map(Deployment::task_definition)
            .map(RevisionId::from)
            .chain(tasks.iter().map(|task| task.revision.clone()));
        let (targets, alarms, definitions) = futures::try_join!(
            tolerate("target health", self.targets(&groups)),
            tolerate("alarms", self.alarms(&guards)),
            self.definitions(wanted.collect()),
        )?;
        let releases = self.release_names(&definitions, &tasks).await;
        let container = self.config.container.as_deref();
        let own_port = service
            .task_definition()
            .and_then(|id| definitions.get(&RevisionId::from(id)))
            .and_then(|definition| definition.container_port(container));
        Ok(World {
            has_balancer: !groups.is_empty(),
            container_port: balanced_port.or(own_port),
            service,
            tasks,
            targets,
            alarms,
            definitions,
            releases,
        })
    }

    /// Those that cannot be read are left out, unless none can be.
    pub(super) async fn definitions(
        &self,
        mut ids: Vec<RevisionId>,
    ) -> Result<Definitions, PlatformError> {
        ids.sort();
        ids.dedup();
        ids.retain(|id| !id.as_str().is_empty());
        let read: Vec<_> = stream::iter(ids)
            .map(|id| async move { (id.clone(), self.task_definition(&id).await) })
            .buffered(4)
            .collect()
            .await;
        let mut definitions = HashMap::new();
        for (id, definition) in read {
            match definition {
                Ok(definition) => {
                    definitions.insert(id, definition);
                }
                Err(error) if is_about_one_thing(&error) => {
                    tracing::warn!(%id, %error, "a task definition cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(definitions)
    }

    async fn release_names(
        &self,
        definitions: &Definitions,
        tasks: &[TaskView],
    ) -> HashMap<RevisionId, String> {
        let wanted = self.config.container.as_deref();
        let mut names = HashMap::new();
        for (id, definition) in definitions {
            let container = definition.container_name(wanted);
            let running = tasks
                .iter()
                .filter(|task| task.revision == *id)
                .find_map(|task| task.digest(container));
            if let Some(name) = self.release_name(definition, running).await {
                names.insert(id.clone(), name);
            }
        }
        names
    }

    /// The name from the image's tag or from what was recorded; else the tag that the registry
    /// has for the digest.
    pub(super) async fn release_name(
        &self,
        definition: &TaskDefinition,
        digest: Option<ReleaseDigest>,
    ) -> Option<String> {
        let wanted = self.config.container.as_deref();
        let written = definition.release(wanted);
        if written.as_deref().is_some_and(|name| name != "latest") {
            return written;
        }
        let digest = definition.pinned_digest(wanted).or(digest);
        let image = definition.image(wanted)?;
        match digest {
            Some(digest) => self.tag_of(image, &digest).await.or(written),
            None => written,
        }
    }

    fn instances(&self, world: &World) -> Vec<Instance> {
        let wanted = self.config.container.as_deref();
        let mut instances: Vec<Instance> = world
            .tasks
            .iter()
            .filter(|task| task.state != InstanceState::Stopped)
            .map(|task| {
                task.to_instance(
                    world.definitions.get(&task.revision).map(Arc::as_ref),
                    wanted,
                    world.releases.get(&task.revision).cloned(),
                    world.container_port,
                )
            })
            .collect();
        for instance in &mut instances {
            let target = world
                .targets
                .iter()
                .find(|target| Some(&target.address) == instance.address.as_ref());
            match target.map(|target| target.state.as_str()) {
                Some("healthy") => instance.healthy = Some(true),
                Some("unhealthy") => instance.healthy = Some(false),
                Some(_) => instance.healthy = None,
                None => {}
            }
        }
        instances.sort_by(|a, b| a.started_at.cmp(&b.started_at).then(a.id.cmp(&b.id)));
        instances
    }

    fn deployed(&self, world: &World) -> Option<Deployed> {
        let wanted = self.config.container.as_deref();
        let live = service::live(&world.service);
        let revision = live
            .and_then(Deployment::task_definition)
            .or(world.service.task_definition())
            .map(RevisionId::from)?;
        let definition = world.definitions.get(&revision);
        let container = definition.and_then(|definition| definition.container_name(wanted));
        let running = world
            .tasks
            .iter()
            .filter(|task| task.revision == revision && task.state == InstanceState::Running)
            .find_map(|task| task.digest(container));
        Some(Deployed {
            image: definition
                .and_then(|definition| definition.image(wanted))
                .map(clean)
                .unwrap_or_default(),
            release: world.releases.get(&revision).cloned(),
            digest: definition
                .and_then(|definition| definition.pinned_digest(wanted))
                .or(running),
            deployed_at: live.and_then(|deployment| timestamp(deployment.created_at())),
            author: definition.and_then(|definition| definition.author()),
            revision,
        })
    }

    /// ECS's own record of the rollout that goes on; `None` also where it may not be read.
    async fn deployment_if_rolling_out(
        &self,
        service: &Service,
    ) -> Result<Option<DeploymentView>, PlatformError> {
        if !service::is_rolling_out(service) {
            return Ok(None);
        }
        tolerate("service deployments", self.current_deployment()).await
    }

    /// The rollout that goes on, if one does.
    async fn rollout_of(
        &self,
        world: &World,
        current: Option<DeploymentView>,
        at: Timestamp,
    ) -> Option<RolloutProgress> {
        if !service::is_rolling_out(&world.service) {
            return None;
        }
        let record = match &current {
            Some(deployment) => self.record_of(deployment, None).await.ok(),
            None => None,
        };
        let primary = service::primary(&world.service)?;
        let record = record.or_else(|| {
            let state = primary.rollout_state().map(|state| state.as_str());
            // Only old tasks still drain: ECS has nothing more to decide.
            (state != Some("COMPLETED")).then(|| {
                let from = service::live(&world.service)
                    .and_then(Deployment::task_definition)
                    .filter(|revision| Some(*revision) != primary.task_definition())
                    .map(RevisionId::from);
                rollout_view::record_without_history(primary, from, RolloutOutcome::InProgress)
            })
        })?;
        Some(self.rollout_progress(world, record, current.as_ref(), None, at))
    }

    /// A rollout with its sides. `handle` is the id of our own deployment, when we know it.
    pub(super) fn rollout_progress(
        &self,
        world: &World,
        mut record: RolloutRecord,
        current: Option<&DeploymentView>,
        handle: Option<&str>,
        at: Timestamp,
    ) -> RolloutProgress {
        let deployments = world.service.deployments();
        let going_back = current.is_some_and(DeploymentView::is_going_back)
            || record.outcome == RolloutOutcome::RolledBack;
        let ours = our_deployment(deployments, &record.to, handle, going_back);
        let scene = Scene {
            tasks: &world.tasks,
            targets: &world.targets,
            has_balancer: world.has_balancer,
            container_port: world.container_port,
        };
        let release_of = |revision: &str| world.releases.get(&RevisionId::from(revision)).cloned();
        let reported = current.and_then(|deployment| deployment.breaker);
        let breaker = rollout_view::breaker(&world.service, ours, reported);
        if record.release.is_none() {
            record.release = release_of(record.to.as_str());
        }
        if record.author.is_none() {
            record.author = world
                .definitions
                .get(&record.to)
                .and_then(|definition| definition.author());
        }
        let our_side = match ours {
            Some(deployment) => scene.side(deployment, record.release.clone()),
            None => rollout_view::gone(
                record.to.clone(),
                record.release.clone(),
                breaker.map_or(0, |breaker| breaker.failures),
            ),
        };
        let others = deployments
            .iter()
            .filter(|deployment| ours.is_none_or(|ours| ours.id() != deployment.id()))
            .map(|deployment| {
                scene.side(
                    deployment,
                    release_of(deployment.task_definition().unwrap_or_default()),
                )
            })
            .collect();
        RolloutProgress {
            at,
            ours: our_side,
            others,
            breaker,
            alarms: world
                .alarms
                .iter()
                .filter(|alarm| alarm.guards_rollouts)
                .cloned()
                .collect(),
            events: events(&world.service, Some(record.started_at)),
            platform_stage: current.and_then(|deployment| deployment.lifecycle_stage.clone()),
            record,
        }
    }
}

/// Ours by its id; else by revision. The old side of a restart has the same revision: while going
/// forward ours is the PRIMARY, while going back it is the other.
fn our_deployment<'a>(
    deployments: &'a [Deployment],
    to: &RevisionId,
    handle: Option<&str>,
    going_back: bool,
) -> Option<&'a Deployment> {
    if let Some(handle) = handle {
        return deployments
            .iter()
            .find(|deployment| deployment.id() == Some(handle));
    }
    let of_revision = |deployment: &&Deployment| deployment.task_definition() == Some(to.as_str());
    let is_primary = |deployment: &&Deployment| deployment.status() == Some("PRIMARY");
    deployments
        .iter()
        .filter(of_revision)
        .find(|deployment| is_primary(deployment) != going_back)
        .or_else(|| {
            (!going_back)
                .then(|| deployments.iter().find(of_revision))
                .flatten()
        })
}

/// The service's events, newest first.
pub fn events(service: &Service, since: Option<Timestamp>) -> Vec<Event> {
    let mut events: Vec<Event> = service
        .events()
        .iter()
        .filter_map(|event| {
            Some(Event {
                at: timestamp(event.created_at())?,
                message: clean(event.message()?),
            })
        })
        .filter(|event| since.is_none_or(|since| event.at >= since))
        .collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events
}

fn add_use(instances: &mut [Instance], usage: &HashMap<String, TaskUse>) {
    for instance in instances {
        if let Some(used) = usage.get(instance.id.as_str()) {
            instance.cpu_percent = used.cpu_percent;
            instance.memory_percent = used.memory_percent;
        }
    }
}

/// A side call that is refused leaves a hole (doctor names the missing permission); one that fails
/// for a while fails the look, because half a look would show alarms and targets as gone.
pub async fn tolerate<T: Default>(
    what: &str,
    call: impl Future<Output = Result<T, PlatformError>>,
) -> Result<T, PlatformError> {
    match call.await {
        Err(error) if is_about_one_thing(&error) => {
            tracing::warn!(%error, "{what} cannot be read");
            Ok(T::default())
        }
        result => result,
    }
}

fn is_about_one_thing(error: &PlatformError) -> bool {
    matches!(
        error,
        PlatformError::Denied { .. }
            | PlatformError::NotFound { .. }
            | PlatformError::Invalid { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(id: &str, status: &str, revision: &str) -> Deployment {
        Deployment::builder()
            .id(id)
            .status(status)
            .task_definition(revision)
            .build()
    }

    #[test]
    fn our_side_of_a_restart_is_the_primary_until_ecs_goes_back() {
        let both = [
            deployment("new", "PRIMARY", "api:1"),
            deployment("old", "ACTIVE", "api:1"),
        ];
        let to = RevisionId::from("api:1");
        let ours =
            |going_back| our_deployment(&both, &to, None, going_back).and_then(Deployment::id);
        assert_eq!(ours(false), Some("new"));
        assert_eq!(ours(true), Some("old"));
        let known = our_deployment(&both, &to, Some("gone"), false);
        assert!(
            known.is_none(),
            "a deployment that has vanished is nobody else's"
        );
    }
}
