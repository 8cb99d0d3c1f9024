//! What ECS remembers: clusters, task definitions, services with their history, tasks.
//!
//! Plain data, kept over restarts. Times are milliseconds since the epoch.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arn::{self, TaskDefinitionId};

/// Tags in the order they were given.
pub type Tags = Vec<(String, String)>;

/// Everything.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct World {
    /// By name.
    pub clusters: BTreeMap<String, Cluster>,
    /// By family, revisions in order.
    pub families: BTreeMap<String, Vec<TaskDefinition>>,
    /// In the order they were made.
    pub services: Vec<Service>,
    /// Live tasks and those that stopped lately, by id.
    pub tasks: BTreeMap<String, Task>,
}

/// A cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
}

/// Whether a task definition may be used for new things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskDefinitionStatus {
    /// It may.
    Active,
    /// It was deregistered: services that use it go on, nothing new can use it.
    Inactive,
}

/// One revision of a family. Immutable but for its status and tags.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// Which one.
    pub id: TaskDefinitionId,
    /// Usable or deregistered.
    pub status: TaskDefinitionStatus,
    /// What was registered, as the client wrote it: `containerDefinitions`, `cpu`, `memory`, …
    pub body: Value,
    /// When.
    pub registered_at: i64,
    /// When it was deregistered.
    pub deregistered_at: Option<i64>,
    /// Its tags.
    pub tags: Tags,
}

impl TaskDefinition {
    /// The containers, as registered.
    pub fn containers(&self) -> &[Value] {
        crate::protocol::members::list(&self.body, "containerDefinitions")
    }

    /// CPU units reserved for the task: 1024 are one vCPU.
    pub fn cpu_units(&self) -> u32 {
        self.size("cpu").unwrap_or(256)
    }

    /// MiB of memory reserved for the task.
    pub fn memory_mib(&self) -> u32 {
        self.size("memory").unwrap_or(512)
    }

    fn size(&self, name: &str) -> Option<u32> {
        let own = crate::protocol::members::integer(&self.body, name);
        let sum = || {
            self.containers()
                .iter()
                .filter_map(|c| crate::protocol::members::integer(c, name))
                .reduce(|a, b| a + b)
        };
        own.or_else(sum)
            .and_then(|size| u32::try_from(size).ok())
            .filter(|size| *size > 0)
    }
}

/// Life of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceStatus {
    /// It runs.
    Active,
    /// It was deleted and its tasks are ending.
    Draining,
    /// It was deleted.
    Inactive,
}

/// A service's `loadBalancers[]` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLoadBalancer {
    /// The target group the tasks are registered with.
    pub target_group_arn: String,
    /// The container that takes the traffic.
    pub container_name: String,
    /// The port it listens on inside the task.
    pub container_port: u16,
}

/// `deploymentConfiguration.deploymentCircuitBreaker`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Failing tasks fail the deployment.
    pub enable: bool,
    /// A failed deployment is rolled back.
    pub rollback: bool,
    /// A healthy task sets the failure count to 0. The default is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_on_healthy_task: Option<bool>,
}

/// `deploymentConfiguration.alarms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentAlarms {
    /// Alarms that fail the deployment when they go red during it.
    pub alarm_names: Vec<String>,
    /// They are watched.
    pub enable: bool,
    /// A failed deployment is rolled back.
    pub rollback: bool,
}

/// `deploymentConfiguration` of a rolling service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentConfiguration {
    /// The breaker.
    pub deployment_circuit_breaker: CircuitBreaker,
    /// Upper limit on running and pending tasks, in percent of the desired count, rounded down.
    pub maximum_percent: u32,
    /// Lower limit on healthy tasks, in percent of the desired count, rounded up.
    pub minimum_healthy_percent: u32,
    /// Alarms, when the service has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarms: Option<DeploymentAlarms>,
    /// Always `ROLLING` here.
    pub strategy: String,
    /// As given; for a rolling service ECS computes the bake time from its alarms.
    pub bake_time_in_minutes: u32,
}

/// A service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Service {
    /// The cluster it is in.
    pub cluster: String,
    /// Its name, unique among the active services of the cluster.
    pub name: String,
    /// Life.
    pub status: ServiceStatus,
    /// How many tasks it should have.
    pub desired_count: u32,
    /// How its deployments go.
    pub configuration: DeploymentConfiguration,
    /// Where its traffic comes from.
    pub load_balancers: Vec<ServiceLoadBalancer>,
    /// `networkConfiguration` as given.
    pub network: Value,
    /// Seconds after a task's start in which failing health checks are ignored.
    pub grace_period_seconds: u32,
    /// Other parameters that are only repeated: `launchType`, `propagateTags`, …
    pub parameters: Value,
    /// The `PRIMARY` first, then older ones that still have tasks.
    pub deployments: Vec<Deployment>,
    /// All service deployments, newest first.
    pub service_deployments: Vec<ServiceDeployment>,
    /// All revisions, oldest first.
    pub revisions: Vec<ServiceRevision>,
    /// The last deployment that completed, to which a failed one is rolled back.
    pub last_completed: Option<Completed>,
    /// Newest first, at most 100 as on ECS.
    pub events: VecDeque<ServiceEvent>,
    /// It said "has reached a steady state" and nothing happened since.
    pub steady: bool,
    /// When it was made.
    pub created_at: i64,
    /// Its tags.
    pub tags: Tags,
}

/// A deployment to which the service can be rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// `ecs-svc/…`
    pub deployment_id: String,
    /// The revision it deployed.
    pub revision: String,
}

/// One sentence about a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// Unique.
    pub id: String,
    /// When.
    pub at: i64,
    /// Worded as ECS words it.
    pub message: String,
}

/// `deployments[].rolloutState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RolloutState {
    /// On its way.
    InProgress,
    /// The service became steady on it.
    Completed,
    /// The breaker or an alarm ended it.
    Failed,
}

/// An entry of `deployments[]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deployment {
    /// `ecs-svc/…`, also the `startedBy` of its tasks.
    pub id: String,
    /// What it runs.
    pub task_definition: TaskDefinitionId,
    /// The revision it deploys.
    pub revision: String,
    /// How many tasks it should have; falls while a newer deployment takes over.
    pub desired_count: u32,
    /// Consecutively failed tasks.
    pub failed_tasks: u32,
    /// Nothing is started for it before this time.
    pub backoff_until: i64,
    /// It became steady once, so its tasks are worth keeping.
    pub completed_once: bool,
    /// Life.
    pub rollout_state: RolloutState,
    /// One sentence.
    pub rollout_state_reason: String,
    /// When it was made.
    pub created_at: i64,
    /// When its state changed last.
    pub updated_at: i64,
}

/// `serviceDeployment.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceDeploymentStatus {
    /// Made, not begun.
    Pending,
    /// Under way.
    InProgress,
    /// The target revision is what the service runs.
    Successful,
    /// A newer one was asked for.
    StopRequested,
    /// It ended without success and without going back.
    Stopped,
    /// Someone asked for the way back.
    RollbackRequested,
    /// On the way back.
    RollbackInProgress,
    /// The service runs the last completed revision again.
    RollbackSuccessful,
    /// The way back failed, too.
    RollbackFailed,
}

impl ServiceDeploymentStatus {
    /// The service scheduler is not done with it.
    pub fn is_ongoing(self) -> bool {
        matches!(
            self,
            Self::Pending
                | Self::InProgress
                | Self::StopRequested
                | Self::RollbackRequested
                | Self::RollbackInProgress
        )
    }
}

/// State of the breaker or of the alarms in a service deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MonitorStatus {
    /// It ended the deployment.
    Triggered,
    /// It watches.
    Monitoring,
    /// The deployment ended otherwise.
    MonitoringComplete,
    /// Not in use.
    Disabled,
}

/// The breaker's part of a service deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakerState {
    /// State.
    pub status: MonitorStatus,
    /// Failed tasks.
    pub failure_count: u32,
    /// Failures at which it trips.
    pub threshold: u32,
}

/// The alarms' part of a service deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmsState {
    /// State.
    pub status: MonitorStatus,
    /// Those configured.
    pub alarm_names: Vec<String>,
    /// Those that ended the deployment.
    pub triggered_alarm_names: Vec<String>,
}

/// The way back of a service deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rollback {
    /// Why.
    pub reason: String,
    /// When it began.
    pub started_at: i64,
    /// Where it goes.
    pub revision: String,
}

/// How many tasks a revision has in a service deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevisionCounts {
    /// The revision.
    pub revision: String,
    /// Wanted.
    pub requested: u32,
    /// Running.
    pub running: u32,
    /// On their way.
    pub pending: u32,
}

/// One entry of a service's history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceDeployment {
    /// Its ARN.
    pub arn: String,
    /// The deployment it makes.
    pub deployment_id: String,
    /// What ran before.
    pub sources: Vec<RevisionCounts>,
    /// What is wanted.
    pub target: RevisionCounts,
    /// State.
    pub status: ServiceDeploymentStatus,
    /// One sentence about the state.
    pub status_reason: Option<String>,
    /// How it goes: as it was when it began.
    pub configuration: DeploymentConfiguration,
    /// The breaker.
    pub breaker: BreakerState,
    /// The alarms.
    pub alarms: AlarmsState,
    /// Alarms that were red when it began, which ECS does not consider then.
    pub ignored_alarms: Vec<String>,
    /// The way back.
    pub rollback: Option<Rollback>,
    /// When the service became steady and the bake time began.
    pub baking_since: Option<i64>,
    /// When it was made.
    pub created_at: i64,
    /// When it began.
    pub started_at: Option<i64>,
    /// When it reached its end.
    pub finished_at: Option<i64>,
    /// When it was stopped.
    pub stopped_at: Option<i64>,
    /// When it changed last.
    pub updated_at: i64,
}

/// An image of a revision, with the digest that its tag had when the revision was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerImage {
    /// The container.
    pub container_name: String,
    /// The image as the task definition names it.
    pub image: String,
    /// `sha256:…`, unless the image did not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
}

/// An immutable record of what a service ran.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceRevision {
    /// Its ARN.
    pub arn: String,
    /// What it runs.
    pub task_definition: TaskDefinitionId,
    /// With which bits.
    pub images: Vec<ContainerImage>,
    /// Behind what.
    pub load_balancers: Vec<ServiceLoadBalancer>,
    /// In which network.
    pub network: Value,
    /// When it was made.
    pub created_at: i64,
}

/// `lastStatus` and `desiredStatus` of a task, as far as tasks here have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    /// Decided on.
    Provisioning,
    /// Its image is looked up and its process started.
    Pending,
    /// Its process runs.
    Running,
    /// It leaves the load balancer.
    Deactivating,
    /// Its process was told to end.
    Stopping,
    /// Its process ended.
    Stopped,
}

/// `stopCode` of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCode {
    /// Its process never ran.
    TaskFailedToStart,
    /// Its process ended by itself.
    EssentialContainerExited,
    /// Someone asked.
    UserInitiated,
    /// The service did not need it any more, or it was unhealthy.
    ServiceSchedulerInitiated,
    /// The local cloud ended.
    TerminationNotice,
}

/// A task: one process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Its cluster.
    pub cluster: String,
    /// `service:api` or `family:api-dev`.
    pub group: String,
    /// The deployment id for a service's task, anything for others.
    pub started_by: Option<String>,
    /// What it runs.
    pub task_definition: TaskDefinitionId,
    /// The container's name.
    pub container: String,
    /// The image as the task definition names it.
    pub image: String,
    /// With which bits.
    pub image_digest: Option<String>,
    /// Where the service's traffic reaches it.
    pub load_balancers: Vec<ServiceLoadBalancer>,
    /// What it is.
    pub last_status: TaskStatus,
    /// What it should be: `Running` or `Stopped`.
    pub desired_status: TaskStatus,
    /// `overrides` as given to RunTask.
    pub overrides: Value,
    /// The port of its process.
    pub port: Option<u16>,
    /// The process.
    pub pid: Option<u32>,
    /// How it ended: 137 for SIGKILL, 143 for SIGTERM, as a container runtime says it.
    pub exit_code: Option<i32>,
    /// Who ended it.
    pub stop_code: Option<StopCode>,
    /// Why.
    pub stopped_reason: Option<String>,
    /// What the container itself says about its end.
    pub container_reason: Option<String>,
    /// The load balancer found it healthy at least once.
    pub ever_healthy: bool,
    /// Its end has been taken into account by the scheduler.
    pub accounted: bool,
    /// When it was made.
    pub created_at: i64,
    /// When its image was looked up.
    pub pulled_at: Option<i64>,
    /// When its process ran.
    pub started_at: Option<i64>,
    /// When it was told to end.
    pub stopping_at: Option<i64>,
    /// When its process ended.
    pub stopped_at: Option<i64>,
    /// Its tags.
    pub tags: Tags,
}

impl Task {
    /// The service it belongs to.
    pub fn service(&self) -> Option<&str> {
        self.group.strip_prefix("service:")
    }

    /// Wanted and not ended.
    pub fn is_live(&self) -> bool {
        self.desired_status == TaskStatus::Running && self.last_status != TaskStatus::Stopped
    }

    /// Its process runs and is wanted.
    pub fn is_running(&self) -> bool {
        self.last_status == TaskStatus::Running && self.desired_status == TaskStatus::Running
    }

    /// Wanted, and its process does not run yet.
    pub fn is_pending(&self) -> bool {
        self.is_live() && self.last_status < TaskStatus::Running
    }
}

impl Service {
    /// The newest deployment.
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.first()
    }

    /// The service deployment that is under way.
    pub fn ongoing(&mut self) -> Option<&mut ServiceDeployment> {
        self.service_deployments
            .iter_mut()
            .find(|d| d.status.is_ongoing())
    }

    /// A revision by its ARN.
    pub fn revision(&self, arn: &str) -> Option<&ServiceRevision> {
        self.revisions.iter().find(|r| r.arn == arn)
    }

    /// Says one sentence, after "(service NAME) ".
    pub fn say(&mut self, at: i64, sentence: &str) {
        self.events.push_front(ServiceEvent {
            id: uuid::Uuid::new_v4().to_string(),
            at,
            message: format!("(service {}) {sentence}", self.name),
        });
        self.events.truncate(100);
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        arn::service(&self.cluster, &self.name)
    }
}

impl World {
    /// The service of that name that was not deleted, else the last that was.
    pub fn service(&self, cluster: &str, name: &str) -> Option<&Service> {
        let index = self.service_index(cluster, name)?;
        self.services.get(index)
    }

    /// As [`World::service`], to change it.
    pub fn service_mut(&mut self, cluster: &str, name: &str) -> Option<&mut Service> {
        let index = self.service_index(cluster, name)?;
        self.services.get_mut(index)
    }

    fn service_index(&self, cluster: &str, name: &str) -> Option<usize> {
        let named = |s: &Service| s.cluster == cluster && s.name == name;
        self.services
            .iter()
            .position(|s| named(s) && s.status != ServiceStatus::Inactive)
            .or_else(|| self.services.iter().rposition(named))
    }

    /// A task definition by its id.
    pub fn task_definition(&self, id: &TaskDefinitionId) -> Option<&TaskDefinition> {
        self.families
            .get(&id.family)?
            .iter()
            .find(|d| d.id.revision == id.revision)
    }
}
