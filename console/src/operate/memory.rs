//! What the executor remembers of looks at an environment, and knows better than the platform.

use super::{Operator, facts, notes::Known};
use crate::{
    model::{EnvironmentName, Metrics, Observation, RolloutRecord},
    store::{HistoryQuery, StoreError},
};
use jiff::Timestamp;

impl Operator {
    /// Remembers a look at an environment: caches it for the next start, and notes what it holds
    /// against the revision that is live, for rollbacks to come. Call it after every look; a
    /// store that cannot be written is no error here.
    pub async fn remember(
        &self,
        environment: &EnvironmentName,
        observation: &Observation,
        metrics: Option<&Metrics>,
        rollouts: Option<&[RolloutRecord]>,
        now: Timestamp,
    ) {
        let inner = &self.inner;
        let Some(config) = inner.connections.config(environment) else {
            return;
        };
        let scope = config.scope();
        let remembered = async {
            inner.store.save_observation(&scope, observation).await?;
            if let Some(metrics) = metrics {
                inner.store.save_metrics(&scope, now, metrics).await?;
            }
            let Some(rollouts) = rollouts else {
                return Ok(());
            };
            inner.store.save_rollouts(&scope, now, rollouts).await?;
            let judgements = inner.store.judgements(environment).await?;
            let known = Known {
                environment,
                rollouts,
                judgements: &judgements,
                now,
            };
            for judgement in known.held_against(observation, metrics) {
                let is_known = judgements.iter().any(|old| {
                    old.revision == judgement.revision && old.verdict == judgement.verdict
                });
                if !is_known {
                    inner.store.judge(&judgement).await?;
                }
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = remembered.await {
            tracing::debug!(%environment, %error, "the look was not remembered");
        }
    }

    /// Names who started each rollout that was ours. The platform knows who registered a revision,
    /// which is somebody else when an old one was brought back.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn credit(
        &self,
        environment: &EnvironmentName,
        rollouts: &mut [RolloutRecord],
    ) -> Result<(), StoreError> {
        let query = HistoryQuery {
            environment: Some(environment.clone()),
            before: None,
            limit: facts::RUNS_READ,
        };
        let runs = self.inner.store.history(&query).await?;
        facts::credit(&runs, rollouts);
        Ok(())
    }
}
