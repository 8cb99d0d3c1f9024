//! Finds what a run sent when the console was killed before it could record its ticket.

use super::{KubernetesPlatform, annotations, request::Handle, scene, template};
use crate::{
    model::{Change, RevisionId, RolloutTicket, RunId},
    platform::PlatformError,
};
use jiff::Timestamp;

impl KubernetesPlatform {
    /// By the run's annotation, as long as the template is the one that it was written for.
    pub(super) async fn trace_of(
        &self,
        run: &RunId,
        change: &Change,
        since: Timestamp,
    ) -> Result<Option<RolloutTicket>, PlatformError> {
        let scene = self.scene().await?;
        let now = template::of_deployment(&scene.deployment);
        let annotations = &scene.deployment.metadata.annotations;
        let is_ours =
            scene::annotation(&scene.deployment.metadata, annotations::RUN) == Some(run.as_str());
        if !is_ours {
            return Ok(None);
        }
        let fingerprint = template::fingerprint(&now);
        let mark = annotations::mark_of(annotations.as_ref(), &fingerprint);
        let handle = Handle::Rollout {
            generation: scene.generation(),
            fingerprint,
            back: matches!(change, Change::StopRollout { .. }),
        };
        Ok(Some(RolloutTicket {
            rollout: None,
            revision: scene
                .current()
                .map(|set| RevisionId::from(scene::name_of(set))),
            handle: Some(handle.to_text()),
            sent_at: mark.and_then(|mark| mark.sent_at).unwrap_or(since),
            desired: scene.desired(),
        }))
    }
}
