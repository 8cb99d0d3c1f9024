//! Service deployments and service revisions: ECS's own record of what was rolled out and how it
//! ended (kept for 90 days).

use super::{
    EcsPlatform,
    operations::{
        DESCRIBE_SERVICE_DEPLOYMENTS, DESCRIBE_SERVICE_REVISIONS, LIST_SERVICE_DEPLOYMENTS,
    },
    text::clean,
    time::{date_time, timestamp},
};
use crate::{
    model::{ReleaseDigest, RevisionId, RolloutId, RolloutOutcome},
    platform::PlatformError,
};
use aws_sdk_ecs::types::{
    CreatedAt, ServiceDeployment, ServiceDeploymentBrief, ServiceDeploymentStatus, ServiceRevision,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use std::{collections::HashMap, sync::Arc};

/// DescribeServiceDeployments and DescribeServiceRevisions take at most so many (API reference).
const DESCRIBE_MAX: usize = 20;
/// A service that is deployed oftener is shown its newest so many.
pub const DEPLOYMENTS_MAX: usize = 200;
const PAGES_MAX: usize = 20;
/// ECS stops a deployment within moments of the one that takes its place.
const SUPERSEDED_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// What is read of a service deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentView {
    pub id: RolloutId,
    /// The platform's word: `SUCCESSFUL`…
    pub status: String,
    pub status_reason: Option<String>,
    pub created_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// ARNs of service revisions.
    pub target: Option<String>,
    pub source: Option<String>,
    pub rollback_reason: Option<String>,
    pub triggered_alarms: Vec<String>,
    pub lifecycle_stage: Option<String>,
    /// (failures, threshold) of the circuit breaker, when ECS tells them.
    pub breaker: Option<(u32, u32)>,
    /// The circuit breaker or an alarm condemned it.
    pub condemned: bool,
}

/// What is read of a service revision. It never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionView {
    pub task_definition: RevisionId,
    /// (container, image, digest) as ECS resolved them.
    images: Vec<(String, String, Option<ReleaseDigest>)>,
}

impl RevisionView {
    /// What ECS resolved for that container, or for the only one.
    pub fn digest(&self, container: Option<&str>) -> Option<ReleaseDigest> {
        let image = match container {
            Some(name) => self.images.iter().find(|image| image.0 == name),
            None => self.images.first(),
        };
        image.and_then(|image| image.2.clone())
    }
}

impl DeploymentView {
    pub fn of(deployment: &ServiceDeployment) -> Option<Self> {
        let alarms = deployment.alarms();
        let breaker = deployment.deployment_circuit_breaker();
        Some(Self {
            id: RolloutId::new(clean(deployment.service_deployment_arn()?)),
            status: status(deployment.status()),
            status_reason: words(deployment.status_reason()),
            created_at: timestamp(deployment.created_at().or(deployment.started_at())),
            finished_at: timestamp(deployment.finished_at().or(deployment.stopped_at())),
            target: deployment
                .target_service_revision()
                .and_then(|revision| revision.arn())
                .map(str::to_owned),
            source: deployment
                .source_service_revisions()
                .iter()
                .find_map(|revision| revision.arn())
                .map(str::to_owned),
            rollback_reason: deployment
                .rollback()
                .and_then(|rollback| words(rollback.reason())),
            triggered_alarms: alarms
                .map(|alarms| {
                    alarms
                        .triggered_alarm_names()
                        .iter()
                        .map(|name| clean(name))
                        .collect()
                })
                .unwrap_or_default(),
            lifecycle_stage: deployment
                .lifecycle_stage()
                .map(|stage| clean(stage.as_str())),
            condemned: [
                breaker.and_then(|breaker| breaker.status()),
                alarms.and_then(|alarms| alarms.status()),
            ]
            .into_iter()
            .flatten()
            .any(|status| status.as_str() == "TRIGGERED"),
            breaker: breaker
                .filter(|breaker| breaker.threshold() > 0)
                .map(|breaker| {
                    (
                        super::service::count(breaker.failure_count()),
                        super::service::count(breaker.threshold()),
                    )
                }),
        })
    }

    /// True once nothing about it changes any more.
    pub fn is_over(&self) -> bool {
        is_over(&self.status)
    }

    /// True from the moment ECS, or somebody, decided to go back.
    pub fn is_going_back(&self) -> bool {
        matches!(
            self.status.as_str(),
            "STOP_REQUESTED" | "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS"
        )
    }

    /// Why it ended as it did, in ECS's words.
    pub fn reason(&self) -> Option<String> {
        match (&self.rollback_reason, &self.status_reason) {
            (Some(rollback), Some(status)) if !status.contains(rollback.as_str()) => {
                Some(format!("{status} ({rollback})"))
            }
            (rollback, status) => status.clone().or_else(|| rollback.clone()),
        }
    }
}

/// How a service deployment ended. Only SUCCESSFUL is success; a STOPPED one was superseded when
/// the deployment that follows it began before it ended, and has failed when the breaker or an
/// alarm condemned it and ECS was not told to roll back.
pub fn outcome(deployment: &DeploymentView, next_created_at: Option<Timestamp>) -> RolloutOutcome {
    match deployment.status.as_str() {
        "SUCCESSFUL" => RolloutOutcome::Succeeded,
        "ROLLBACK_SUCCESSFUL" => RolloutOutcome::RolledBack,
        "ROLLBACK_FAILED" => RolloutOutcome::Failed,
        "STOPPED" => {
            let ended = deployment.finished_at.or(deployment.created_at);
            let superseded = next_created_at
                .zip(ended)
                .is_some_and(|(next, ended)| next <= ended + SUPERSEDED_WITHIN);
            if deployment.condemned {
                RolloutOutcome::Failed
            } else if superseded {
                RolloutOutcome::Superseded
            } else {
                RolloutOutcome::Stopped
            }
        }
        // PENDING, IN_PROGRESS, STOP_REQUESTED, ROLLBACK_REQUESTED, ROLLBACK_IN_PROGRESS, and
        // whatever AWS adds: not over until it is known to be.
        _ => RolloutOutcome::InProgress,
    }
}

fn is_over(status: &str) -> bool {
    matches!(
        status,
        "SUCCESSFUL" | "STOPPED" | "ROLLBACK_SUCCESSFUL" | "ROLLBACK_FAILED"
    )
}

fn status(status: Option<&ServiceDeploymentStatus>) -> String {
    status.map_or_else(|| "UNKNOWN".to_owned(), |status| clean(status.as_str()))
}

fn words(text: Option<&str>) -> Option<String> {
    text.map(clean).filter(|text| !text.is_empty())
}

impl EcsPlatform {
    /// Briefs of the deployments created after `since`, newest first.
    pub(super) async fn deployment_briefs(
        &self,
        since: Timestamp,
        statuses: &[ServiceDeploymentStatus],
    ) -> Result<Vec<ServiceDeploymentBrief>, PlatformError> {
        let mut briefs = Vec::new();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .session
                .read(&LIST_SERVICE_DEPLOYMENTS, |clients| {
                    let statuses = (!statuses.is_empty()).then(|| statuses.to_vec());
                    clients
                        .ecs
                        .list_service_deployments()
                        .cluster(&self.config.cluster)
                        .service(&self.config.service)
                        .created_at(CreatedAt::builder().after(date_time(since)).build())
                        .set_status(statuses)
                        .max_results(100)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            token = page.next_token().map(str::to_owned);
            briefs.extend(page.service_deployments.unwrap_or_default());
            if token.is_none() {
                break;
            }
        }
        briefs.sort_by_key(|brief| std::cmp::Reverse(timestamp(brief.created_at())));
        Ok(briefs)
    }

    /// Those deployments; finished ones are asked for once only.
    pub(super) async fn deployments(
        &self,
        ids: &[RolloutId],
    ) -> Result<HashMap<RolloutId, DeploymentView>, PlatformError> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for id in ids {
            match self.caches.deployments.get(id) {
                Some(known) => {
                    found.insert(id.clone(), known);
                }
                None => missing.push(id.as_str().to_owned()),
            }
        }
        let chunks: Vec<Vec<String>> = missing.chunks(DESCRIBE_MAX).map(<[_]>::to_vec).collect();
        let described: Vec<Vec<DeploymentView>> = stream::iter(chunks)
            .map(|chunk| async move {
                let answer = self
                    .session
                    .read(&DESCRIBE_SERVICE_DEPLOYMENTS, |clients| {
                        clients
                            .ecs
                            .describe_service_deployments()
                            .set_service_deployment_arns(Some(chunk.clone()))
                            .send()
                    })
                    .await?;
                Ok::<_, PlatformError>(
                    answer
                        .service_deployments()
                        .iter()
                        .filter_map(DeploymentView::of)
                        .collect(),
                )
            })
            .buffered(4)
            .try_collect()
            .await?;
        for deployment in described.into_iter().flatten() {
            if deployment.is_over() {
                self.caches
                    .deployments
                    .put(deployment.id.clone(), deployment.clone());
            }
            found.insert(deployment.id.clone(), deployment);
        }
        Ok(found)
    }

    /// One deployment.
    pub(super) async fn deployment(
        &self,
        id: &RolloutId,
    ) -> Result<Option<DeploymentView>, PlatformError> {
        Ok(self.deployments(std::slice::from_ref(id)).await?.remove(id))
    }

    /// Service revisions by ARN.
    pub(super) async fn service_revisions(
        &self,
        arns: impl IntoIterator<Item = String>,
    ) -> Result<HashMap<String, Arc<RevisionView>>, PlatformError> {
        let mut found = HashMap::new();
        let mut missing: Vec<String> = Vec::new();
        for arn in arns {
            match self.caches.service_revisions.get(&arn) {
                Some(known) => {
                    found.insert(arn, known);
                }
                None => missing.push(arn),
            }
        }
        missing.sort();
        missing.dedup();
        let chunks: Vec<Vec<String>> = missing.chunks(DESCRIBE_MAX).map(<[_]>::to_vec).collect();
        let described: Vec<Vec<ServiceRevision>> = stream::iter(chunks)
            .map(|chunk| async move {
                let answer = self
                    .session
                    .read(&DESCRIBE_SERVICE_REVISIONS, |clients| {
                        clients
                            .ecs
                            .describe_service_revisions()
                            .set_service_revision_arns(Some(chunk.clone()))
                            .send()
                    })
                    .await?;
                Ok::<_, PlatformError>(answer.service_revisions.unwrap_or_default())
            })
            .buffered(4)
            .try_collect()
            .await?;
        for revision in described.into_iter().flatten() {
            let (Some(arn), Some(task_definition)) =
                (revision.service_revision_arn(), revision.task_definition())
            else {
                continue;
            };
            let view = Arc::new(RevisionView {
                task_definition: RevisionId::new(clean(task_definition)),
                images: revision
                    .container_images()
                    .iter()
                    .map(|image| {
                        (
                            image.container_name().map(clean).unwrap_or_default(),
                            image.image().map(clean).unwrap_or_default(),
                            image
                                .image_digest()
                                .filter(|digest| !digest.is_empty())
                                .map(|digest| ReleaseDigest::new(clean(digest))),
                        )
                    })
                    .collect(),
            });
            // While its first task starts, ECS has not resolved the digests yet.
            if view.images.iter().any(|image| image.2.is_some()) {
                self.caches
                    .service_revisions
                    .put(arn.to_owned(), Arc::clone(&view));
            }
            found.insert(arn.to_owned(), view);
        }
        Ok(found)
    }

    /// The deployment that goes on now, if one does.
    pub(super) async fn current_deployment(&self) -> Result<Option<DeploymentView>, PlatformError> {
        let since = Timestamp::now() - SignedDuration::from_hours(24 * 7);
        let briefs = self
            .deployment_briefs(
                since,
                &[
                    ServiceDeploymentStatus::Pending,
                    ServiceDeploymentStatus::InProgress,
                    ServiceDeploymentStatus::StopRequested,
                    ServiceDeploymentStatus::RollbackRequested,
                    ServiceDeploymentStatus::RollbackInProgress,
                ],
            )
            .await?;
        let newest = briefs
            .iter()
            .filter(|brief| !is_over(&status(brief.status())))
            .find_map(|brief| brief.service_deployment_arn());
        match newest {
            Some(arn) => self.deployment(&RolloutId::new(clean(arn))).await,
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(status: &str) -> DeploymentView {
        DeploymentView {
            id: RolloutId::from("d"),
            status: status.to_owned(),
            status_reason: None,
            created_at: Timestamp::from_second(1_000).ok(),
            finished_at: Timestamp::from_second(1_100).ok(),
            target: None,
            source: None,
            rollback_reason: None,
            triggered_alarms: Vec::new(),
            lifecycle_stage: None,
            breaker: None,
            condemned: false,
        }
    }

    #[test]
    fn only_successful_is_success() {
        let ends = [
            ("SUCCESSFUL", RolloutOutcome::Succeeded),
            ("ROLLBACK_SUCCESSFUL", RolloutOutcome::RolledBack),
            ("ROLLBACK_FAILED", RolloutOutcome::Failed),
            ("STOPPED", RolloutOutcome::Stopped),
            ("ROLLBACK_IN_PROGRESS", RolloutOutcome::InProgress),
            ("A_STATUS_OF_TOMORROW", RolloutOutcome::InProgress),
        ];
        for (status, expected) in ends {
            assert_eq!(outcome(&deployment(status), None), expected, "{status}");
        }
    }

    #[test]
    fn a_deployment_that_the_breaker_stopped_without_rolling_back_has_failed() {
        let mut stopped = deployment("STOPPED");
        stopped.condemned = true;
        assert_eq!(outcome(&stopped, None), RolloutOutcome::Failed);
    }

    #[test]
    fn a_stopped_deployment_was_superseded_if_another_began_while_it_went_on() {
        let stopped = deployment("STOPPED");
        let at = |second| Timestamp::from_second(second).ok();
        assert_eq!(outcome(&stopped, at(1_099)), RolloutOutcome::Superseded);
        assert_eq!(outcome(&stopped, at(9_000)), RolloutOutcome::Stopped);
    }
}
