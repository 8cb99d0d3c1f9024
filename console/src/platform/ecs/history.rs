//! Finished and running rollouts, as far back as ECS remembers.

use super::{
    EcsPlatform,
    deployments::{DEPLOYMENTS_MAX, DeploymentView},
    rollout_view,
    text::clean,
    time::timestamp,
};
use crate::{
    model::{RevisionId, RolloutId, RolloutRecord},
    platform::PlatformError,
};
use jiff::{SignedDuration, Timestamp};

/// ECS keeps service deployments for 90 days (API reference, ListServiceDeployments).
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);

impl EcsPlatform {
    pub(super) async fn rollout_history(&self) -> Result<Vec<RolloutRecord>, PlatformError> {
        let mut briefs = self.deployment_briefs(Timestamp::now() - KEPT, &[]).await?;
        briefs.truncate(DEPLOYMENTS_MAX);
        let ids: Vec<RolloutId> = briefs
            .iter()
            .filter_map(|brief| brief.service_deployment_arn())
            .map(|arn| RolloutId::new(clean(arn)))
            .collect();
        let mut deployments: Vec<DeploymentView> =
            self.deployments(&ids).await?.into_values().collect();
        deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.created_at));
        // One call for all of them; each record then finds its own in the cache.
        let mut arns: Vec<String> = Vec::new();
        for deployment in &deployments {
            arns.extend(deployment.target.clone());
            arns.extend(deployment.source.clone());
        }
        self.service_revisions(arns).await?;
        let mut records = Vec::with_capacity(deployments.len());
        let mut next: Option<Timestamp> = None;
        for deployment in &deployments {
            records.push(self.record_of(deployment, next).await?);
            next = deployment.created_at;
        }
        Ok(records)
    }

    /// The record of one deployment with its release, digest and author.
    pub(super) async fn record_of(
        &self,
        deployment: &DeploymentView,
        next_created_at: Option<Timestamp>,
    ) -> Result<RolloutRecord, PlatformError> {
        let arns = [deployment.target.clone(), deployment.source.clone()];
        let revisions = self.service_revisions(arns.into_iter().flatten()).await?;
        let find = |arn: &Option<String>| arn.as_ref().and_then(|arn| revisions.get(arn)).cloned();
        let (target, source) = (find(&deployment.target), find(&deployment.source));
        let to = target.as_ref().map_or_else(
            || RevisionId::from("unknown"),
            |view| view.task_definition.clone(),
        );
        let from = source.map(|view| view.task_definition.clone());
        let mut record = rollout_view::record(deployment, next_created_at, to, from);
        let wanted = self.config.container.as_deref();
        // A task definition can be deleted; then only its digest is known.
        let definition = self.task_definition(&record.to).await.ok();
        let container = definition
            .as_ref()
            .and_then(|definition| definition.container_name(wanted));
        record.digest = target.and_then(|view| view.digest(container));
        if let Some(definition) = &definition {
            record.digest = record.digest.or_else(|| definition.pinned_digest(wanted));
            record.author = definition.author();
            record.release = self.release_name(definition, record.digest.clone()).await;
        }
        Ok(record)
    }

    /// When the deployment after that one began: a stopped one may have been superseded by it.
    pub(super) async fn next_created_at(
        &self,
        deployment: &DeploymentView,
    ) -> Result<Option<Timestamp>, PlatformError> {
        let Some(since) = deployment.created_at else {
            return Ok(None);
        };
        let briefs = self.deployment_briefs(since, &[]).await?;
        Ok(briefs
            .iter()
            .filter(|brief| brief.service_deployment_arn() != Some(deployment.id.as_str()))
            .filter_map(|brief| timestamp(brief.created_at()))
            .filter(|created_at| *created_at >= since)
            .min())
    }
}
