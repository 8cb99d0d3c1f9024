//! Finding what a run sent whose console was killed before it could record the answer.

use super::{EcsPlatform, request::Handle, service, task_definition::tags};
use crate::{
    model::{Change, RolloutTicket, RunId},
    platform::PlatformError,
};
use jiff::{SignedDuration, Timestamp};

/// The clocks of ECS and of this machine may differ so much.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);

impl EcsPlatform {
    pub(super) async fn trace_of(
        &self,
        run: &RunId,
        change: &Change,
        since: Timestamp,
    ) -> Result<Option<RolloutTicket>, PlatformError> {
        match change {
            Change::NewImage { .. } | Change::ToRevision { .. } => self.marked(run, since).await,
            Change::StopRollout { rollout } => {
                let deployment = self.deployment(rollout).await?;
                let stopped = deployment.filter(|deployment| {
                    deployment.is_going_back()
                        || deployment.is_over()
                            && deployment
                                .finished_at
                                .is_some_and(|at| at + CLOCK_SKEW >= since)
                });
                let Some(deployment) = stopped else {
                    return Ok(None);
                };
                let record = self.record_of(&deployment, None).await?;
                let desired = self.service().await?.desired_count();
                Ok(Some(RolloutTicket {
                    rollout: Some(rollout.clone()),
                    revision: record.from,
                    handle: Some(Handle::StopRollout.to_text()),
                    sent_at: since,
                    desired: service::count(desired),
                }))
            }
            Change::Scale { desired } => {
                // Whoever set it: it is as was asked, and nothing is left to send.
                let now = service::count(self.service().await?.desired_count());
                Ok((now == *desired).then(|| RolloutTicket {
                    rollout: None,
                    revision: None,
                    handle: Some(Handle::Scale.to_text()),
                    sent_at: since,
                    desired: now,
                }))
            }
            // Nothing tells ours from anybody's.
            Change::Restart | Change::StopInstance { .. } => Ok(None),
        }
    }

    /// The deployment of a task definition that carries the run's tag.
    async fn marked(
        &self,
        run: &RunId,
        since: Timestamp,
    ) -> Result<Option<RolloutTicket>, PlatformError> {
        let desired = service::count(self.service().await?.desired_count());
        let recent = self.rollout_history().await?.into_iter();
        for rollout in recent.filter(|rollout| rollout.started_at + CLOCK_SKEW >= since) {
            let definition = self.task_definition(&rollout.to).await?;
            if definition.tags.get(tags::RUN).map(String::as_str) == Some(run.as_str()) {
                return Ok(Some(RolloutTicket {
                    rollout: Some(rollout.id),
                    revision: Some(rollout.to),
                    handle: None,
                    sent_at: rollout.started_at,
                    desired,
                }));
            }
        }
        Ok(None)
    }
}
