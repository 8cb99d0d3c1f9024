//! The ECS service itself and its task definitions.

use super::{
    EcsPlatform,
    operations::{DESCRIBE_SERVICES, DESCRIBE_TASK_DEFINITION, LIST_SERVICES},
    task_definition::TaskDefinition,
    text::clean,
    wire_guard::KeepBody,
};
use crate::{model::RevisionId, platform::PlatformError};
use aws_sdk_ecs::types::{Deployment, Service, ServiceField, TaskDefinitionField};
use std::sync::Arc;

/// So many names are looked through for the nearest one.
const NAMES_MAX: usize = 1_000;

impl EcsPlatform {
    /// The service as it is now, tags included.
    pub(super) async fn service(&self) -> Result<Service, PlatformError> {
        let answer = self
            .session
            .read(&DESCRIBE_SERVICES, |clients| {
                clients
                    .ecs
                    .describe_services()
                    .cluster(&self.config.cluster)
                    .services(&self.config.service)
                    .include(ServiceField::Tags)
                    .send()
            })
            .await
            .map_err(|error| match error {
                PlatformError::NotFound { .. } => PlatformError::NotFound {
                    what: format!(
                        "the ECS cluster {} in {}",
                        self.config.cluster, self.config.region
                    ),
                    hint: Some(
                        "Check `cluster`, `region` and `profile` in the configuration, or run \
                         `opsconsole init`"
                            .to_owned(),
                    ),
                },
                error => error,
            })?;
        let mut services = answer.services.unwrap_or_default();
        match services.pop() {
            Some(service) if service.status() != Some("INACTIVE") => Ok(service),
            found => Err(PlatformError::NotFound {
                what: format!(
                    "the ECS service {} in cluster {} ({}){}",
                    self.config.service,
                    self.config.cluster,
                    self.config.region,
                    if found.is_some() {
                        ", which was deleted,"
                    } else {
                        ""
                    }
                ),
                hint: self.nearest_service().await,
            }),
        }
    }

    async fn nearest_service(&self) -> Option<String> {
        let names = self.service_names(&self.config.cluster).await.ok()?;
        let nearest = names
            .iter()
            .filter(|name| **name != self.config.service)
            .map(|name| (strsim::jaro_winkler(name, &self.config.service), name))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((likeness, name)) if likeness > 0.7 => Some(format!("Did you mean {name}?")),
            _ if names.is_empty() => Some("The cluster has no services".to_owned()),
            _ => Some(format!(
                "The cluster has: {}",
                names.iter().take(8).cloned().collect::<Vec<_>>().join(", ")
            )),
        }
    }

    /// The names of the services of a cluster.
    pub(super) async fn service_names(&self, cluster: &str) -> Result<Vec<String>, PlatformError> {
        let mut names = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .session
                .read(&LIST_SERVICES, |clients| {
                    clients
                        .ecs
                        .list_services()
                        .cluster(cluster)
                        .max_results(100)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            names.extend(
                page.service_arns()
                    .iter()
                    .filter_map(|arn| arn.rsplit('/').next())
                    .map(clean),
            );
            token = page.next_token().map(str::to_owned);
            if token.is_none() || names.len() >= NAMES_MAX {
                return Ok(names);
            }
        }
    }

    /// A task definition as ECS has it now: status and tags can change, the rest cannot.
    pub(super) async fn fresh_task_definition(
        &self,
        id: &RevisionId,
    ) -> Result<Arc<TaskDefinition>, PlatformError> {
        let body = KeepBody::default();
        self.session
            .read(&DESCRIBE_TASK_DEFINITION, |clients| {
                clients
                    .ecs
                    .describe_task_definition()
                    .task_definition(id.as_str())
                    .include(TaskDefinitionField::Tags)
                    .customize()
                    .interceptor(body.clone())
                    .send()
            })
            .await
            .map_err(|error| match error {
                // ECS answers a wrong name with a ClientException, which is about the request.
                PlatformError::Invalid { cause, .. } => PlatformError::NotFound {
                    what: format!("the task definition {} ({cause})", id.short()),
                    hint: None,
                },
                error => error,
            })?;
        let definition = body
            .take()
            .and_then(|body| TaskDefinition::from_answer(&body))
            .map(Arc::new)
            .ok_or_else(|| PlatformError::Other {
                operation: DESCRIBE_TASK_DEFINITION.iam_action.to_owned(),
                cause: "the answer holds no task definition".to_owned(),
            })?;
        self.caches
            .task_definitions
            .put(definition.id.clone(), Arc::clone(&definition));
        Ok(definition)
    }

    /// A task definition that may have been read before.
    pub(super) async fn task_definition(
        &self,
        id: &RevisionId,
    ) -> Result<Arc<TaskDefinition>, PlatformError> {
        match self.caches.task_definitions.get(id) {
            Some(definition) => Ok(definition),
            None => self.fresh_task_definition(id).await,
        }
    }
}

/// The deployment that the service is to become.
pub fn primary(service: &Service) -> Option<&Deployment> {
    service
        .deployments()
        .iter()
        .find(|deployment| deployment.status() == Some("PRIMARY"))
}

/// The deployment that users see: the newest completed one while another goes on.
pub fn live(service: &Service) -> Option<&Deployment> {
    let completed = |deployment: &&Deployment| {
        deployment.rollout_state().map(|state| state.as_str()) == Some("COMPLETED")
    };
    service
        .deployments()
        .iter()
        .filter(completed)
        .max_by_key(|deployment| deployment.created_at().map(|at| at.secs()))
        .or_else(|| {
            service
                .deployments()
                .iter()
                .filter(|deployment| deployment.running_count() > 0)
                .max_by_key(|deployment| deployment.running_count())
        })
        .or_else(|| primary(service))
}

/// True while ECS works on a deployment: the PRIMARY one is not complete, or an older one still
/// has tasks.
pub fn is_rolling_out(service: &Service) -> bool {
    let state = primary(service)
        .and_then(|deployment| deployment.rollout_state())
        .map(|state| state.as_str());
    match state {
        Some("COMPLETED") => service.deployments().len() > 1,
        Some(_) => true,
        // Services with another deployment controller have no rollout state.
        None => false,
    }
}

/// The target groups of a service, and the container port they send requests to.
pub fn target_groups(service: &Service) -> (Vec<String>, Option<i32>) {
    let mut groups: Vec<String> = service
        .load_balancers()
        .iter()
        .flat_map(|balancer| {
            // Native blue/green names a second target group.
            let alternate = balancer
                .advanced_configuration()
                .and_then(|advanced| advanced.alternate_target_group_arn());
            balancer.target_group_arn().into_iter().chain(alternate)
        })
        .map(str::to_owned)
        .collect();
    groups.dedup();
    let port = service
        .load_balancers()
        .iter()
        .find_map(|balancer| balancer.container_port());
    (groups, port)
}

/// The names of the alarms that roll deployments back, when that is on.
pub fn guarding_alarms(service: &Service) -> Vec<String> {
    service
        .deployment_configuration()
        .and_then(|configuration| configuration.alarms())
        .filter(|alarms| alarms.enable())
        .map(|alarms| alarms.alarm_names().to_vec())
        .unwrap_or_default()
}

/// Counts come as signed numbers.
pub fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
