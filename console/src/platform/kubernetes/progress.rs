//! How OUR rollout stands: judged by the template that we sent, never by "something is stable".

use super::{
    KubernetesPlatform, pods,
    request::Handle,
    revisions::rollout_id,
    scene::{Scene, count, name_of},
    template::{self, Image},
};
use crate::{
    model::{
        InstanceState, RevisionId, RolloutId, RolloutOutcome, RolloutProgress, RolloutRecord,
        RolloutSide, RolloutTicket,
    },
    platform::{PlatformError, text::clean},
};
use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use kube::{Api, api::LogParams};

/// Last lines of a container that crashed, shown with the reason.
const LAST_LINES: i64 = 5;

impl KubernetesPlatform {
    pub(super) async fn follow(
        &self,
        ticket: &RolloutTicket,
    ) -> Result<RolloutProgress, PlatformError> {
        let scene = match self.scene().await {
            Err(PlatformError::NotFound { what, .. }) => {
                return Ok(gone(ticket, &format!("{what} does not exist any more")));
            }
            scene => scene?,
        };
        let handle = ticket.handle.as_deref().and_then(Handle::from_text);
        let (outcome, reason) = match &handle {
            Some(Handle::Scale) => scaled(&scene, ticket.desired),
            Some(Handle::StopPod { uid }) => replaced(&scene, uid),
            Some(Handle::Rollout {
                generation,
                fingerprint,
                back,
            }) => match rolled_out(&scene, *generation, fingerprint) {
                (RolloutOutcome::Succeeded, reason) if *back => {
                    (RolloutOutcome::RolledBack, reason)
                }
                verdict => verdict,
            },
            None => outcome(&scene),
        };
        let mut progress = self.progress_of(&scene).await;
        progress.record.outcome = outcome;
        // The reason read with the progress is the same one, explained by the pods.
        progress.record.reason = if outcome == RolloutOutcome::Superseded {
            reason
        } else {
            progress.record.reason.or(reason)
        };
        progress.record.finished_at = (!outcome.is_in_progress()).then_some(scene.at);
        if let Some(rollout) = &ticket.rollout {
            progress.record.id = rollout.clone();
        }
        Ok(progress)
    }

    /// The newest rollout as it stands, explained by its pods.
    pub(super) async fn progress_of(&self, scene: &Scene) -> RolloutProgress {
        let records = self.records(scene);
        let current = scene.current();
        let record = current
            .and_then(|set| {
                let id = rollout_id(set);
                records.iter().find(|record| record.id == id).cloned()
            })
            .unwrap_or_else(|| self.coming(scene, records.last()));
        let mut record = record;
        let (outcome, reason) = outcome(scene);
        record.outcome = outcome;
        record.reason = reason;
        if let Some(set) = current
            && outcome != RolloutOutcome::Succeeded
            && let Some(why) = self.explanation(scene, set).await
        {
            record.reason = Some(match record.reason {
                Some(reason) => format!("{reason}; {why}"),
                None => why,
            });
        }
        let ours = current.map_or_else(
            || RolloutSide {
                revision: record.to.clone(),
                release: record.release.clone(),
                desired: scene.desired(),
                running: 0,
                pending: 0,
                in_service: 0,
                draining: 0,
                failed: 0,
            },
            |set| RolloutSide {
                desired: scene.desired(),
                ..self.side(scene, set)
            },
        );
        let others = scene
            .sets
            .iter()
            .filter(|set| current.is_none_or(|current| name_of(current) != name_of(set)))
            .filter(|set| scene.pods_of(set).next().is_some())
            .map(|set| self.side(scene, set))
            .collect();
        RolloutProgress {
            at: scene.at,
            record,
            ours,
            others,
            breaker: None,
            alarms: Vec::new(),
            events: pods::events(scene),
            platform_stage: scene.is_paused().then(|| "paused".to_owned()),
        }
    }

    /// The rollout whose ReplicaSet the controller has not made yet.
    fn coming(&self, scene: &Scene, before: Option<&RolloutRecord>) -> RolloutRecord {
        let template = template::of_deployment(&scene.deployment);
        let image = Image::of(&template, self.config.container.as_deref());
        RolloutRecord {
            inferred: false,
            id: RolloutId::new(""),
            from: before.map(|before| before.to.clone()),
            to: RevisionId::new(format!("{}-(coming)", scene.name())),
            release: image.release().map(|name| clean(&name)),
            digest: image.digest,
            started_at: scene.at,
            finished_at: None,
            outcome: RolloutOutcome::InProgress,
            reason: None,
            alarms: Vec::new(),
            author: None,
        }
    }

    fn side(&self, scene: &Scene, set: &ReplicaSet) -> RolloutSide {
        let image = Image::of(&template::of_set(set), self.config.container.as_deref());
        let in_state = |state: InstanceState| {
            number(
                scene
                    .pods_of(set)
                    .filter(|pod| pods::state(pod) == state)
                    .count(),
            )
        };
        RolloutSide {
            revision: RevisionId::from(name_of(set)),
            release: image.release().map(|name| clean(&name)),
            desired: set
                .spec
                .as_ref()
                .and_then(|spec| spec.replicas)
                .map_or(0, count),
            running: in_state(InstanceState::Running),
            pending: in_state(InstanceState::Starting),
            in_service: set
                .status
                .as_ref()
                .and_then(|status| status.available_replicas)
                .map_or(0, count),
            draining: in_state(InstanceState::Stopping),
            failed: pods::failed(scene, set),
        }
    }

    /// What holds it up, with the last lines of a container that crashed.
    async fn explanation(&self, scene: &Scene, set: &ReplicaSet) -> Option<String> {
        let trouble = pods::why_stuck(scene, set)?;
        let Some(container) = &trouble.crashed else {
            return Some(trouble.text);
        };
        let pod = scene
            .pods_of(set)
            .find(|pod| trouble.text.starts_with(pods::pod_name(pod)))?;
        let lines = self.last_lines(pod, container).await;
        Some(match lines {
            Some(lines) => format!("{}; its last lines: {lines}", trouble.text),
            None => trouble.text,
        })
    }

    async fn last_lines(&self, pod: &Pod, container: &str) -> Option<String> {
        let link = self.session.link().await.ok()?;
        let api: Api<Pod> = Api::namespaced(link.client, &link.namespace);
        let params = LogParams {
            container: Some(container.to_owned()),
            previous: true,
            tail_lines: Some(LAST_LINES),
            limit_bytes: Some(8_192),
            ..LogParams::default()
        };
        let text = api.logs(pods::pod_name(pod), &params).await.ok()?;
        // For a moment after a crash the kubelet answers with this text and status 200.
        if text.trim().is_empty() || text.starts_with("unable to retrieve container logs") {
            return None;
        }
        let lines: Vec<&str> = text.lines().collect();
        Some(clean(&crate::model::mask_text(&lines.join(" | "))))
    }
}

/// How the newest rollout stands, by the Deployment's own word.
pub fn outcome(scene: &Scene) -> (RolloutOutcome, Option<String>) {
    if !scene.is_observed(scene.generation()) {
        return (RolloutOutcome::InProgress, None);
    }
    let status = scene.deployment.status.clone().unwrap_or_default();
    let desired = scene.desired();
    let [all, updated, available] = [
        status.replicas,
        status.updated_replicas,
        status.available_replicas,
    ]
    .map(|number| number.map_or(0, count));
    if updated == desired && all == updated && available == updated {
        return (RolloutOutcome::Succeeded, None);
    }
    if let Some(progressing) = scene.condition("Progressing")
        && progressing.reason == "ProgressDeadlineExceeded"
    {
        return (RolloutOutcome::Failed, Some(clean(progressing.message)));
    }
    // Complete once and short of pods since: that is the service's health, not its rollout.
    if let Some(progressing) = scene.condition("Progressing")
        && progressing.reason == "NewReplicaSetAvailable"
        && updated == desired
        && all == updated
    {
        return (RolloutOutcome::Succeeded, None);
    }
    if scene.is_paused() {
        return (
            RolloutOutcome::InProgress,
            Some("the Deployment is paused".to_owned()),
        );
    }
    (RolloutOutcome::InProgress, None)
}

fn rolled_out(
    scene: &Scene,
    generation: i64,
    fingerprint: &str,
) -> (RolloutOutcome, Option<String>) {
    let now = template::of_deployment(&scene.deployment);
    if template::fingerprint(&now) != fingerprint {
        let image = Image::of(&now, None);
        let by = scene
            .deployment
            .metadata
            .managed_fields
            .iter()
            .flatten()
            .filter(|entry| entry.subresource.is_none())
            .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
            .and_then(|entry| entry.manager.clone())
            .unwrap_or_else(|| "another writer".to_owned());
        return (
            RolloutOutcome::Superseded,
            Some(clean(&format!(
                "{by} changed the pod template meanwhile; it now asks for {}",
                image.reference
            ))),
        );
    }
    if !scene.is_observed(generation) {
        return (RolloutOutcome::InProgress, None);
    }
    outcome(scene)
}

fn scaled(scene: &Scene, desired: u32) -> (RolloutOutcome, Option<String>) {
    if scene.desired() != desired {
        return (
            RolloutOutcome::Superseded,
            Some(format!(
                "somebody, or an autoscaler, changed the count to {}",
                scene.desired()
            )),
        );
    }
    let status = scene.deployment.status.clone().unwrap_or_default();
    let [all, ready] =
        [status.replicas, status.ready_replicas].map(|number| number.map_or(0, count));
    if scene.is_observed(scene.generation()) && all == desired && ready == desired {
        (RolloutOutcome::Succeeded, None)
    } else {
        (RolloutOutcome::InProgress, None)
    }
}

fn replaced(scene: &Scene, uid: &str) -> (RolloutOutcome, Option<String>) {
    let is_there = scene
        .pods
        .iter()
        .any(|pod| pod.metadata.uid.as_deref() == Some(uid));
    let status = scene.deployment.status.clone().unwrap_or_default();
    let ready = status.ready_replicas.map_or(0, count);
    if !is_there && ready >= scene.desired() {
        (RolloutOutcome::Succeeded, None)
    } else {
        (RolloutOutcome::InProgress, None)
    }
}

/// The Deployment was deleted in mid-rollout.
fn gone(ticket: &RolloutTicket, reason: &str) -> RolloutProgress {
    let at = jiff::Timestamp::now();
    let revision = ticket
        .revision
        .clone()
        .unwrap_or_else(|| RevisionId::from("-"));
    RolloutProgress {
        at,
        record: RolloutRecord {
            inferred: false,
            id: ticket.rollout.clone().unwrap_or_else(|| RolloutId::new("")),
            from: None,
            to: revision.clone(),
            release: None,
            digest: None,
            started_at: ticket.sent_at,
            finished_at: Some(at),
            outcome: RolloutOutcome::Failed,
            reason: Some(reason.to_owned()),
            alarms: Vec::new(),
            author: None,
        },
        ours: RolloutSide {
            revision,
            release: None,
            desired: ticket.desired,
            running: 0,
            pending: 0,
            in_service: 0,
            draining: 0,
            failed: 0,
        },
        others: Vec::new(),
        breaker: None,
        alarms: Vec::new(),
        events: Vec::new(),
        platform_stage: None,
    }
}

fn number(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
