//! The tasks of a service, running and lately stopped.

use super::{
    EcsPlatform,
    operations::{DESCRIBE_TASKS, LIST_TASKS},
    task_definition::TaskDefinition,
    text::clean,
    time::timestamp,
};
use crate::{
    model::{Instance, InstanceId, InstanceState, ReleaseDigest, RevisionId, StoppedInstance},
    platform::PlatformError,
};
use aws_sdk_ecs::types::{DesiredStatus, Task};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

/// DescribeTasks takes at most so many (API reference).
const DESCRIBE_MAX: usize = 100;
/// More tasks than that are not shown one by one; the counts still hold.
const RUNNING_MAX: usize = 1_000;
/// ECS keeps stopped tasks for about an hour; a crash loop can leave hundreds.
const STOPPED_MAX: usize = 100;
const CONCURRENT_CALLS: usize = 4;

/// What is read of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskView {
    pub id: InstanceId,
    pub revision: RevisionId,
    /// The deployment that started it: `ecs-svc/…`.
    pub started_by: Option<String>,
    pub state: InstanceState,
    pub started_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    pub stop_code: Option<String>,
    pub stop_reason: Option<String>,
    pub zone: Option<String>,
    pub capacity_provider: Option<String>,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`, from the container's own health check.
    pub health: Option<bool>,
    pub private_ip: Option<String>,
    containers: Vec<ContainerView>,
}

#[derive(Clone, Debug, PartialEq)]
struct ContainerView {
    name: String,
    digest: Option<ReleaseDigest>,
    exit_code: Option<i32>,
    reason: Option<String>,
    /// (container port, host address and port).
    bindings: Vec<(i32, String)>,
}

impl TaskView {
    pub fn of(task: &Task) -> Option<Self> {
        let arn = task.task_arn()?;
        let containers = task.containers();
        Some(Self {
            id: InstanceId::new(clean(arn.rsplit('/').next().unwrap_or(arn))),
            revision: RevisionId::new(clean(task.task_definition_arn().unwrap_or_default())),
            started_by: task.started_by().map(str::to_owned),
            state: state(task.last_status(), task.desired_status()),
            started_at: timestamp(task.started_at().or(task.created_at())),
            stopped_at: timestamp(task.stopped_at().or(task.stopping_at())),
            stop_code: task.stop_code().map(|code| clean(code.as_str())),
            stop_reason: task.stopped_reason().map(clean),
            zone: task.availability_zone().map(clean),
            capacity_provider: task.capacity_provider_name().map(clean),
            health: match task.health_status().map(|health| health.as_str()) {
                Some("HEALTHY") => Some(true),
                Some("UNHEALTHY") => Some(false),
                _ => None,
            },
            private_ip: private_ip(task),
            containers: containers.iter().map(ContainerView::of).collect(),
        })
    }

    fn container(&self, name: Option<&str>) -> Option<&ContainerView> {
        name.and_then(|name| {
            self.containers
                .iter()
                .find(|container| container.name == name)
        })
        .or_else(|| self.containers.first())
    }

    /// What the container of that name really runs.
    pub fn digest(&self, container: Option<&str>) -> Option<ReleaseDigest> {
        self.container(container)?.digest.clone()
    }

    /// Where the load balancer reaches that port: the task's own address with awsvpc networking,
    /// else the host port it is bound to.
    pub fn address(&self, container_port: Option<i32>) -> Option<String> {
        let bound = self
            .containers
            .iter()
            .flat_map(|container| &container.bindings)
            .find(|(port, _)| container_port.is_none_or(|wanted| wanted == *port))
            .map(|(_, address)| address.clone());
        bound.or_else(|| {
            let ip = self.private_ip.as_ref()?;
            Some(match container_port {
                Some(port) => format!("{ip}:{port}"),
                None => ip.clone(),
            })
        })
    }

    /// The model's view of a task that is not gone yet.
    pub fn to_instance(
        &self,
        definition: Option<&TaskDefinition>,
        wanted: Option<&str>,
        release: Option<String>,
        container_port: Option<i32>,
    ) -> Instance {
        let container = definition.and_then(|definition| definition.container_name(wanted));
        Instance {
            id: self.id.clone(),
            revision: self.revision.clone(),
            release,
            digest: self.digest(container),
            state: self.state,
            healthy: self.health,
            started_at: self.started_at,
            cpu_percent: None,
            memory_percent: None,
            address: self.address(container_port),
            zone: self.zone.clone(),
            log_stream: self.log_stream(definition, wanted),
        }
    }

    /// The model's view of a task that is gone.
    pub fn to_stopped(
        &self,
        definition: Option<&TaskDefinition>,
        wanted: Option<&str>,
        release: Option<String>,
    ) -> StoppedInstance {
        let name = definition.and_then(|definition| definition.container_name(wanted));
        let container = self.container(name);
        let why_container = container.and_then(|container| container.reason.clone());
        StoppedInstance {
            id: self.id.clone(),
            revision: self.revision.clone(),
            release,
            stopped_at: self.stopped_at,
            reason: match (self.stop_reason.clone(), why_container) {
                (Some(task), Some(container)) if !task.contains(&container) => {
                    Some(format!("{task} ({container})"))
                }
                (task, container) => task.or(container),
            },
            code: self.stop_code.clone(),
            exit_code: container.and_then(|container| container.exit_code),
            log_stream: self.log_stream(definition, wanted),
        }
    }

    fn log_stream(
        &self,
        definition: Option<&TaskDefinition>,
        wanted: Option<&str>,
    ) -> Option<String> {
        let definition = definition?;
        definition
            .awslogs(wanted)?
            .stream(definition.container_name(wanted)?, self.id.as_str())
    }
}

impl ContainerView {
    fn of(container: &aws_sdk_ecs::types::Container) -> Self {
        Self {
            name: container.name().map(clean).unwrap_or_default(),
            digest: container
                .image_digest()
                .filter(|digest| !digest.is_empty())
                .map(|digest| ReleaseDigest::new(clean(digest))),
            exit_code: container.exit_code(),
            reason: container.reason().map(clean),
            bindings: container
                .network_bindings()
                .iter()
                .filter_map(|binding| {
                    let ip = binding.bind_ip().filter(|ip| *ip != "0.0.0.0")?;
                    Some((
                        binding.container_port()?,
                        format!("{}:{}", clean(ip), binding.host_port()?),
                    ))
                })
                .collect(),
        }
    }
}

fn private_ip(task: &Task) -> Option<String> {
    let attached = task
        .attachments()
        .iter()
        .flat_map(|attachment| attachment.details())
        .find(|detail| detail.name() == Some("privateIPv4Address"))
        .and_then(|detail| detail.value());
    let of_container = task
        .containers()
        .iter()
        .flat_map(|container| container.network_interfaces())
        .find_map(|interface| interface.private_ipv4_address());
    attached.or(of_container).map(clean)
}

/// The task lifecycle of the ECS developer guide, in four words. A status of tomorrow counts as
/// what the task is meant to become.
fn state(last: Option<&str>, desired: Option<&str>) -> InstanceState {
    match (last.unwrap_or_default(), desired.unwrap_or_default()) {
        ("STOPPED" | "DELETED", _) => InstanceState::Stopped,
        ("DEACTIVATING" | "STOPPING" | "DEPROVISIONING", _) => InstanceState::Stopping,
        (_, "STOPPED") => InstanceState::Stopping,
        ("RUNNING", _) => InstanceState::Running,
        _ => InstanceState::Starting,
    }
}

impl EcsPlatform {
    /// Running, starting and lately stopped tasks; the newest of the stopped ones first.
    pub(super) async fn tasks(&self) -> Result<Vec<TaskView>, PlatformError> {
        let (running, stopped) = futures::try_join!(
            self.task_arns(DesiredStatus::Running, RUNNING_MAX),
            self.task_arns(DesiredStatus::Stopped, STOPPED_MAX),
        )?;
        let mut arns = running;
        arns.extend(stopped);
        arns.dedup();
        self.describe_tasks(arns).await
    }

    /// Those tasks; ones that ECS has forgotten are left out.
    pub(super) async fn describe_tasks(
        &self,
        arns: Vec<String>,
    ) -> Result<Vec<TaskView>, PlatformError> {
        let chunks: Vec<Vec<String>> = arns.chunks(DESCRIBE_MAX).map(<[_]>::to_vec).collect();
        let described: Vec<Vec<TaskView>> = stream::iter(chunks)
            .map(|chunk| async move {
                let answer = self
                    .session
                    .read(&DESCRIBE_TASKS, |clients| {
                        clients
                            .ecs
                            .describe_tasks()
                            .cluster(&self.config.cluster)
                            .set_tasks(Some(chunk.clone()))
                            .send()
                    })
                    .await?;
                Ok::<_, PlatformError>(answer.tasks().iter().filter_map(TaskView::of).collect())
            })
            .buffered(CONCURRENT_CALLS)
            .try_collect()
            .await?;
        let mut tasks: Vec<TaskView> = described.into_iter().flatten().collect();
        tasks.sort_by(|a, b| b.stopped_at.cmp(&a.stopped_at).then(a.id.cmp(&b.id)));
        tasks.dedup_by(|a, b| a.id == b.id);
        Ok(tasks)
    }

    async fn task_arns(
        &self,
        status: DesiredStatus,
        most: usize,
    ) -> Result<Vec<String>, PlatformError> {
        let mut arns = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .session
                .read(&LIST_TASKS, |clients| {
                    clients
                        .ecs
                        .list_tasks()
                        .cluster(&self.config.cluster)
                        .service_name(&self.config.service)
                        .desired_status(status.clone())
                        .max_results(100)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            arns.extend(page.task_arns().iter().cloned());
            token = page.next_token().map(str::to_owned);
            if token.is_none() || arns.len() >= most {
                arns.truncate(most);
                return Ok(arns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{Attachment, Container, KeyValuePair, NetworkBinding};

    #[test]
    fn a_task_that_is_meant_to_stop_is_stopping_although_it_still_runs() {
        assert_eq!(
            state(Some("RUNNING"), Some("STOPPED")),
            InstanceState::Stopping
        );
        assert_eq!(
            state(Some("RUNNING"), Some("RUNNING")),
            InstanceState::Running
        );
        assert_eq!(
            state(Some("SOMETHING_NEW"), Some("RUNNING")),
            InstanceState::Starting
        );
        assert_eq!(
            state(Some("STOPPED"), Some("STOPPED")),
            InstanceState::Stopped
        );
    }

    #[test]
    fn an_awsvpc_task_is_reached_at_its_own_address_and_the_balanced_port() {
        let task = Task::builder()
            .task_arn("arn:aws:ecs:us-east-1:123456789012:task/prod/0123")
            .attachments(
                Attachment::builder()
                    .details(
                        KeyValuePair::builder()
                            .name("privateIPv4Address")
                            .value("10.0.1.7")
                            .build(),
                    )
                    .build(),
            )
            .build();
        let task = TaskView::of(&task).expect("a task");
        assert_eq!(task.address(Some(8080)).as_deref(), Some("10.0.1.7:8080"));
        assert_eq!(task.id.as_str(), "0123");
    }

    #[test]
    fn a_bound_port_wins_over_the_container_port() {
        let container = Container::builder()
            .name("api")
            .network_bindings(
                NetworkBinding::builder()
                    .bind_ip("127.0.0.1")
                    .container_port(8080)
                    .host_port(41_001)
                    .build(),
            )
            .build();
        let task = Task::builder()
            .task_arn("t/1")
            .containers(container)
            .build();
        let task = TaskView::of(&task).expect("a task");
        assert_eq!(task.address(Some(8080)).as_deref(), Some("127.0.0.1:41001"));
    }
}
