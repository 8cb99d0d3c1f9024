//! ReplicaSets read as revisions and rollouts: what was live, in which order, and whether it was
//! ever fully available.
//!
//! A ReplicaSet that was scaled down keeps no record of how it fared, so the evidence is put
//! together: it is available now, or the one before it was scaled down to nothing before the next
//! began (a rolling update takes the last old pods away only when the new ones are available), or
//! the Deployment has been available without a break since before the next began.

use super::{
    KubernetesPlatform, annotations,
    prepare::FIELD_MANAGER,
    scene::{Scene, Writer, count, name_of, revision_number, was_used_again},
    template::{self, Image},
};
use crate::{
    model::{
        Author, Deployed, ReleaseDigest, Revision, RevisionId, RolloutId, RolloutOutcome,
        RolloutRecord,
    },
    platform::{PlatformError, text::clean},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ReplicaSet;

impl KubernetesPlatform {
    /// Rollouts, oldest first.
    pub(super) fn records(&self, scene: &Scene) -> Vec<RolloutRecord> {
        let mut records: Vec<RolloutRecord> = Vec::new();
        for (index, set) in scene.sets.iter().enumerate() {
            let print = template::fingerprint(&template::of_set(set));
            let mark = annotations::mark_of(set.metadata.annotations.as_ref(), &print);
            let created = created_at(set);
            let next = scene.sets.get(index + 1);
            let writer = next.is_none().then(|| scene.template_writer()).flatten();
            // Our own writes bear a mark of who made them, which tells more.
            let writer = writer.filter(|writer| writer.manager != FIELD_MANAGER);
            // Made current again long after it was created: when, our own mark can say, and of the
            // newest the API server's record of who wrote the template last.
            let own = mark
                .as_ref()
                .and_then(|mark| mark.sent_at)
                .or(writer.and_then(|writer| writer.at))
                .filter(|_| was_used_again(set))
                .unwrap_or(created);
            let after_the_one_before = records
                .last()
                .map(|before| before.started_at + SignedDuration::from_millis(1));
            let started_at = after_the_one_before.map_or(own, |floor| own.max(floor));
            let (outcome, reason) = match next {
                None => self.outcome_of_newest(scene, set),
                Some(next) => evidence(scene, index, set, created_at(next)),
            };
            let image = Image::of(&template::of_set(set), self.config.container.as_deref());
            records.push(RolloutRecord {
                inferred: next.is_some(),
                id: rollout_id(set),
                from: records.last().map(|before| before.to.clone()),
                to: RevisionId::from(name_of(set)),
                release: image.release().map(|name| clean(&name)),
                digest: self.digest_of(scene, set),
                started_at,
                finished_at: match outcome {
                    RolloutOutcome::InProgress => None,
                    _ => next
                        .is_none()
                        .then(|| progressed_at(scene))
                        .flatten()
                        .map(|at| at.max(started_at)),
                },
                outcome,
                reason,
                alarms: Vec::new(),
                author: mark.map(|mark| mark.author).or(writer.map(author)),
            });
        }
        records
    }

    fn outcome_of_newest(
        &self,
        scene: &Scene,
        set: &ReplicaSet,
    ) -> (RolloutOutcome, Option<String>) {
        let is_current = scene
            .current()
            .is_some_and(|current| name_of(current) == name_of(set));
        if !is_current {
            return (RolloutOutcome::InProgress, None);
        }
        super::progress::outcome(scene)
    }

    /// The image's digest: as written, else as the kubelet resolved it.
    pub(super) fn digest_of(&self, scene: &Scene, set: &ReplicaSet) -> Option<ReleaseDigest> {
        let wanted = self.config.container.as_deref();
        let template = template::of_set(set);
        if let Some(digest) = Image::of(&template, wanted).digest {
            return Some(digest);
        }
        let name = &template::container(&template, wanted)?.name;
        scene.pods_of(set).find_map(|pod| {
            let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
            let status = statuses.iter().find(|status| status.name == *name)?;
            let (_, digest) = status.image_id.rsplit_once('@')?;
            digest
                .starts_with("sha256:")
                .then(|| ReleaseDigest::from(digest))
        })
    }

    /// A ReplicaSet as what is live.
    pub(super) fn deployed(&self, scene: &Scene, record: &RolloutRecord) -> Option<Deployed> {
        let set = scene.set(record.to.as_str())?;
        let template = template::of_set(set);
        let print = template::fingerprint(&template);
        let mark = annotations::mark_of(set.metadata.annotations.as_ref(), &print);
        let image = Image::of(&template, self.config.container.as_deref());
        Some(Deployed {
            revision: record.to.clone(),
            image: clean(&image.reference),
            release: record.release.clone(),
            digest: record.digest.clone(),
            deployed_at: Some(record.started_at),
            // A program that wrote it may have been ours: our own records name who, in the list of
            // rollouts.
            author: mark.map(|mark| mark.author),
        })
    }

    pub(super) async fn revision_of(&self, id: &RevisionId) -> Result<Revision, PlatformError> {
        let scene = self.scene().await?;
        let set = scene
            .set(id.as_str())
            .ok_or_else(|| no_revision(&scene, id))?;
        let template = template::of_set(set);
        let print = template::fingerprint(&template);
        let mark = annotations::mark_of(set.metadata.annotations.as_ref(), &print);
        let image = Image::of(&template, self.config.container.as_deref());
        Ok(Revision {
            id: id.clone(),
            release: image.release().map(|name| clean(&name)),
            digest: self.digest_of(&scene, set),
            image: clean(&image.reference),
            active: true,
            registered_at: Some(created_at(set)),
            reason: mark.as_ref().and_then(|mark| mark.reason.clone()),
            author: mark.map(|mark| mark.author),
            document: template::document(&template),
        })
    }
}

/// A revision that is gone: the Deployment keeps only so many.
pub fn no_revision(scene: &Scene, id: &RevisionId) -> PlatformError {
    let kept = scene
        .deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.revision_history_limit)
        .unwrap_or(10);
    PlatformError::NotFound {
        what: format!("the ReplicaSet {id}"),
        hint: Some(format!(
            "The Deployment keeps {kept} old ones (revisionHistoryLimit)"
        )),
    }
}

/// When a ReplicaSet was made.
pub fn created_at(set: &ReplicaSet) -> Timestamp {
    let created = set.metadata.creation_timestamp.as_ref();
    created.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// As an author of a rollout; where it was at work is not known.
fn author(writer: Writer) -> Author {
    Author {
        name: clean(writer.manager),
        host: None,
    }
}

/// When the pod template was changed last, as the API server keeps it.
pub fn template_changed_at(scene: &Scene) -> Option<Timestamp> {
    scene.template_writer()?.at
}

/// When the newest rollout made its last step. The condition's transition is older where it was
/// true before, too.
fn progressed_at(scene: &Scene) -> Option<Timestamp> {
    let conditions = scene.deployment.status.as_ref()?.conditions.as_ref()?;
    let progressing = conditions
        .iter()
        .find(|known| known.type_ == "Progressing")?;
    let (updated, changed) = (
        &progressing.last_update_time,
        &progressing.last_transition_time,
    );
    updated.as_ref().or(changed.as_ref()).map(|time| time.0)
}

/// One rollout: a ReplicaSet, and which time it was made current.
pub fn rollout_id(set: &ReplicaSet) -> RolloutId {
    RolloutId::new(format!("{}@{}", name_of(set), revision_number(set)))
}

/// How an earlier rollout ended, with who says so.
fn evidence(
    scene: &Scene,
    index: usize,
    set: &ReplicaSet,
    next_began: Timestamp,
) -> (RolloutOutcome, Option<String>) {
    let status = set.status.as_ref();
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas);
    let (wanted, available) = (
        wanted.map_or(0, count),
        status
            .and_then(|status| status.available_replicas)
            .map_or(0, count),
    );
    if wanted > 0 && available >= wanted {
        return succeeded("its ReplicaSet is fully available");
    }
    let before = index
        .checked_sub(1)
        .and_then(|before| scene.sets.get(before));
    let rolls = scene
        .deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.strategy.as_ref())
        .and_then(|strategy| strategy.type_.as_deref())
        != Some("Recreate");
    if rolls
        && before
            .and_then(scaled_down_at)
            .is_some_and(|at| at >= created_at(set) && at <= next_began)
    {
        return succeeded("its ReplicaSet had taken the whole place of the one before it");
    }
    if let Some(condition) = scene.condition("Available")
        && condition.is_true
        && condition.since.is_some_and(|since| since <= next_began)
        && before.is_none()
    {
        return succeeded("the Deployment has been available since before the next rollout");
    }
    (
        RolloutOutcome::Superseded,
        Some("nothing shows that it was ever fully available".to_owned()),
    )
}

fn succeeded(why: &str) -> (RolloutOutcome, Option<String>) {
    (RolloutOutcome::Succeeded, Some(why.to_owned()))
}

/// When the last pod of a ReplicaSet went: the time of the last write to its status, kept by the
/// API server for every field manager.
fn scaled_down_at(set: &ReplicaSet) -> Option<Timestamp> {
    if set.status.as_ref()?.replicas > 0 {
        return None;
    }
    set.metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.subresource.as_deref() == Some("status"))
        .filter_map(|entry| entry.time.as_ref().map(|time| time.0))
        .max()
}
