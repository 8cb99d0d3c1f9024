//! How OUR rollout stands: judged by the template that we sent, never by "something is stable".

use super::{
    KubernetesPlatform,
    helm_run::{self, HelmRun},
    log_lines::LineSplitter,
    pods,
    request::Handle,
    revisions::{created_at, rollout_id, template_changed_at},
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
use jiff::SignedDuration;
use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use kube::{Api, api::LogParams};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Last lines of a container that crashed, shown with the reason.
const LAST_LINES: i64 = 5;

/// The container that was asked about last, and its lines.
pub type LastWords = Mutex<Option<(String, String)>>;

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
        let mut step = None;
        let (outcome, reason) = match &handle {
            Some(Handle::Helm {
                release,
                helm_revision,
                to,
                fingerprint,
                back,
            }) => {
                let run = HelmRun {
                    release,
                    revision: *helm_revision,
                    to: *to,
                    fingerprint,
                };
                let (outcome, reason, helms) = self.helm_standing(&scene, &run).await?;
                step = helms;
                match outcome {
                    RolloutOutcome::Succeeded if *back => (RolloutOutcome::RolledBack, reason),
                    outcome => (outcome, reason),
                }
            }
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
        if let (Some(Handle::Helm { fingerprint, .. }), Some(to)) = (&handle, &ticket.revision)
            && template::fingerprint(&template::of_deployment(&scene.deployment)) != *fingerprint
        {
            helm_run::face(&mut progress, &scene, to);
        }
        progress.platform_stage = step.or(progress.platform_stage);
        progress.record.outcome = outcome;
        // The reason read with the progress is the same one, explained by the pods.
        progress.record.reason = if outcome == RolloutOutcome::Superseded {
            reason
        } else if matches!(handle, Some(Handle::Helm { .. })) && reason.is_some() {
            // Helm's own words come before what the pods say.
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
        let of = format!("{}/{container}", pods::pod_name(pod));
        let lines = match self.last_lines(pod, container).await {
            Some(lines) => {
                *self.words() = Some((of, lines.clone()));
                Some(lines)
            }
            None => self
                .words()
                .clone()
                .filter(|(known, _)| *known == of)
                .map(|(_, lines)| lines),
        };
        Some(match lines {
            Some(lines) => format!("{}; its last lines: {lines}", trouble.text),
            None => trouble.text,
        })
    }

    fn words(&self) -> MutexGuard<'_, Option<(String, String)>> {
        self.last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn last_lines(&self, pod: &Pod, container: &str) -> Option<String> {
        let link = self.session.link().await.ok()?;
        let api: Api<Pod> = Api::namespaced(link.client, &link.namespace);
        // Until it is started again the run that crashed is the current one.
        let statuses = pod.status.as_ref()?.container_statuses.as_ref();
        let has_just_ended = statuses
            .and_then(|all| all.iter().find(|status| status.name == *container))
            .and_then(|status| status.state.as_ref())
            .is_some_and(|state| state.terminated.is_some());
        let params = LogParams {
            container: Some(container.to_owned()),
            previous: !has_just_ended,
            tail_lines: Some(LAST_LINES),
            limit_bytes: Some(8_192),
            // They tell a container's lines from the kubelet's own words.
            timestamps: true,
            ..LogParams::default()
        };
        let text = api.logs(pods::pod_name(pod), &params).await.ok()?;
        let mut splitter = LineSplitter::default();
        let mut lines = splitter.push(text.as_bytes());
        lines.extend(splitter.rest());
        if lines.is_empty() || splitter.refusal().is_some() {
            return None;
        }
        let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        Some(clean(&crate::model::mask_text(&lines.join(" | "))))
    }
}

/// How the newest rollout stands, by the Deployment's own word.
pub fn outcome(scene: &Scene) -> (RolloutOutcome, Option<String>) {
    let status = scene.deployment.status.clone().unwrap_or_default();
    let desired = scene.desired();
    let [all, updated, available] = [
        status.replicas,
        status.updated_replicas,
        status.available_replicas,
    ]
    .map(|number| number.map_or(0, count));
    let progressing = scene.condition("Progressing");
    let complete = progressing
        .filter(|condition| all == updated && condition.reason == "NewReplicaSetAvailable");
    let is_observed = scene.is_observed(scene.generation());
    let is_available = all == updated && available == updated;
    // Complete once and short of pods since: that is the service's health, not its rollout.
    if is_observed && updated == desired && (complete.is_some() || is_available) {
        return (RolloutOutcome::Succeeded, None);
    }
    // Complete once, and scaled since, which the controller may not have seen yet: that is the
    // autoscaler at work, not a rollout. The controller reads it so, too (`syncRolloutStatus` in
    // kubernetes/pkg/controller/deployment/progress.go).
    if complete.is_some_and(|condition| is_of_the_current(scene, condition.message)) {
        return (RolloutOutcome::Succeeded, None);
    }
    if !is_observed {
        return (RolloutOutcome::InProgress, None);
    }
    if let Some(condition) = progressing
        && condition.reason == "ProgressDeadlineExceeded"
        && !is_of_the_one_before(scene, condition.message)
    {
        return (RolloutOutcome::Failed, Some(clean(condition.message)));
    }
    if scene.is_paused() {
        return (
            RolloutOutcome::InProgress,
            Some("the Deployment is paused".to_owned()),
        );
    }
    (RolloutOutcome::InProgress, None)
}

/// A condition of progress names its ReplicaSet in quotes, nowhere else.
fn names(message: &str, set: &ReplicaSet) -> bool {
    message.contains(&format!("\"{}\"", name_of(set)))
}

fn is_of_the_current(scene: &Scene, message: &str) -> bool {
    let current = scene.current();
    current.is_some_and(|current| names(message, current))
}

/// The controller leaves the condition of a rollout that failed in place, with its ReplicaSet's
/// name, until the next one makes a step. That one has its own deadline.
fn is_of_the_one_before(scene: &Scene, message: &str) -> bool {
    let Some(current) = scene.current() else {
        return false;
    };
    if names(message, current) || !scene.sets.iter().any(|set| names(message, set)) {
        return false;
    }
    let spec = scene.deployment.spec.as_ref();
    // API reference, DeploymentSpec: 600 where nothing is said.
    let deadline_s = spec.and_then(|spec| spec.progress_deadline_seconds);
    let deadline = SignedDuration::from_secs(deadline_s.unwrap_or(600).into());
    let began = template_changed_at(scene).unwrap_or_else(|| created_at(current));
    scene.at < began + deadline
}

/// How the rollout of that very template stands.
pub fn rolled_out(
    scene: &Scene,
    generation: i64,
    fingerprint: &str,
) -> (RolloutOutcome, Option<String>) {
    let now = template::of_deployment(&scene.deployment);
    if template::fingerprint(&now) != fingerprint {
        let image = Image::of(&now, None);
        let by = scene
            .template_writer()
            .map_or("another writer", |writer| writer.manager);
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A Deployment back on its first ReplicaSet, whose second one was complete last.
    fn scene(of: &str, pods: u32, wanted: u32) -> Scene {
        let template = |tag: &str| json!({"spec": {"containers": [{"name": "api", "image": tag}]}});
        let set = |tag: &str| json!({"metadata": {"name": tag}, "spec": {"selector": {}, "template": template(tag)}});
        let deployment = json!({
            "metadata": {"name": "api", "generation": 3},
            "spec": {"replicas": wanted, "selector": {}, "template": template("api-1")},
            "status": {
                "observedGeneration": 3, "replicas": pods, "updatedReplicas": pods,
                "availableReplicas": pods, "conditions": [{
                    "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                    "message": format!("ReplicaSet \"{of}\" has successfully progressed.")
                }]
            }
        });
        let read = |value: Value| serde_json::from_value(value).expect("a ReplicaSet");
        Scene {
            at: jiff::Timestamp::now(),
            deployment: serde_json::from_value(deployment).expect("a Deployment"),
            sets: vec![read(set("api-2")), read(set("api-1"))],
            pods: Vec::new(),
            events: Vec::new(),
        }
    }

    #[test]
    fn a_complete_rollout_stays_complete_while_it_is_scaled() {
        let mut unseen = scene("api-1", 2, 4);
        unseen.deployment.metadata.generation = Some(4);
        assert_eq!(outcome(&unseen).0, RolloutOutcome::Succeeded);
        assert_eq!(outcome(&scene("api-1", 2, 4)).0, RolloutOutcome::Succeeded);
        assert_eq!(outcome(&scene("api-1", 4, 2)).0, RolloutOutcome::Succeeded);
    }

    #[test]
    fn a_rollout_is_not_complete_by_the_word_about_the_one_before() {
        // `Recreate`: the old pods are gone, the new ones are not made yet.
        assert_eq!(outcome(&scene("api-2", 0, 2)).0, RolloutOutcome::InProgress);
        // Nor before the controller has seen what is asked for.
        let mut unseen = scene("api-2", 2, 2);
        unseen.deployment.metadata.generation = Some(4);
        assert_eq!(outcome(&unseen).0, RolloutOutcome::InProgress);
    }
}
