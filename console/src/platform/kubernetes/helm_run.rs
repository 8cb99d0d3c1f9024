//! A `helm rollback` at work: started, and found again by the record that helm itself keeps.
//!
//! Helm writes the new revision's record, `pending-rollback`, before it touches anything, and its
//! end into the same record. So a run is followed, and resumed by another console, by looking.

use super::{
    KubernetesPlatform,
    helm_program::HelmProblem,
    progress::{outcome, rolled_out},
    scene::Scene,
    session::Link,
    template,
};
use crate::{
    model::{RevisionId, RolloutId, RolloutOutcome, RolloutProgress, RolloutSide},
    platform::{Permit, PlatformError, text::clean},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::ListParams};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How often we look whether helm has begun.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Helm gives each hook five minutes (`--timeout`); a record that is pending for longer than this,
/// without a helm of ours, was left behind by one that was killed.
const AT_WORK_MAX: SignedDuration = SignedDuration::from_mins(10);
/// Where helm keeps no records that we can see, its end is waited for this long.
const END_TIMEOUT: Duration = Duration::from_secs(360);
/// How helm signs what it writes.
const HELM: &str = "helm";

/// How the helms that this console started stand, by release and revision.
#[derive(Debug, Default)]
pub struct Helms(Mutex<HashMap<(String, u32), Stand>>);

#[derive(Clone, Debug)]
enum Stand {
    AtWork,
    Failed(String),
}

impl Helms {
    fn set(&self, release: &str, revision: u32, stand: Option<Stand>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (release.to_owned(), revision);
        match stand {
            Some(stand) => held.insert(key, stand),
            None => held.remove(&key),
        };
    }

    fn get(&self, release: &str, revision: u32) -> Option<Stand> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&(release.to_owned(), revision)).cloned()
    }
}

/// One revision's record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    revision: u32,
    status: String,
    at: Option<Timestamp>,
}

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelmRun<'a> {
    /// The release.
    pub release: &'a str,
    /// The revision that the rollback makes; `None` where its record cannot be seen.
    pub revision: Option<u32>,
    /// The revision that it goes back to.
    pub to: u32,
    /// The template's fingerprint that is expected of it.
    pub fingerprint: &'a str,
}

/// How it stands: outcome, why, and helm's own step.
pub type HelmStanding = (RolloutOutcome, Option<String>, Option<String>);

impl KubernetesPlatform {
    /// Starts the rollback and comes back as soon as helm has begun: with the number of the
    /// revision that it makes, or `None` where that cannot be seen and helm is done.
    pub(super) async fn helm_rollback(
        &self,
        permit: &Permit,
        link: &Link,
        release: &str,
        to: u32,
    ) -> Result<Option<u32>, PlatformError> {
        let failed = |problem: HelmProblem| PlatformError::Invalid {
            operation: format!("helm rollback {release} {to}"),
            cause: format!("{problem}. {}", problem.way_out(release)),
        };
        let newest = async || {
            let records = self.helm_records(link, release).await;
            records.and_then(|records| records.into_iter().map(|record| record.revision).max())
        };
        let before = newest().await;
        let mut at_work = self
            .helm(link)
            .start(permit, &["rollback", release, &to.to_string()])
            .map_err(failed)?;
        let deadline = Instant::now() + END_TIMEOUT;
        loop {
            tokio::select! {
                biased;
                ended = at_work.ended() => {
                    let begun = newest().await.filter(|newest| Some(*newest) > before);
                    return match (ended, begun) {
                        (Ok(()), begun) => Ok(begun),
                        // It was begun: how far it came is told by following it.
                        (Err(problem), Some(revision)) => {
                            let stand = Stand::Failed(problem.to_string());
                            self.helms.set(release, revision, Some(stand));
                            Ok(Some(revision))
                        }
                        (Err(problem), None) => Err(failed(problem)),
                    };
                }
                () = sleep(LOOK_AGAIN) => {}
            }
            if before.is_some()
                && let Some(revision) = newest().await.filter(|newest| Some(*newest) > before)
            {
                self.helms.set(release, revision, Some(Stand::AtWork));
                let (helms, release) = (Arc::clone(&self.helms), release.to_owned());
                tokio::spawn(async move {
                    let failed = at_work.ended().await.err();
                    let stand = failed.map(|problem| Stand::Failed(problem.to_string()));
                    helms.set(&release, revision, stand);
                });
                return Ok(Some(revision));
            }
            if Instant::now() >= deadline {
                return Err(PlatformError::Other {
                    operation: format!("helm rollback {release} {to}"),
                    cause: format!(
                        "it is still at work after {} s; `helm status {release}` shows how it ends",
                        END_TIMEOUT.as_secs()
                    ),
                });
            }
        }
    }

    /// The release's records by their labels alone, without what is in them; `None` where they
    /// cannot be seen.
    async fn helm_records(&self, link: &Link, release: &str) -> Option<Vec<Record>> {
        let api: Api<Secret> = Api::namespaced(link.client.clone(), &link.namespace);
        let params = ListParams::default().labels(&format!("owner=helm,name={release}"));
        let listed = self.session.in_time(api.list_metadata(&params)).await;
        let records = listed.ok()?.ok()?.items.into_iter().filter_map(|secret| {
            let label = |key: &str| secret.metadata.labels.as_ref()?.get(key).cloned();
            Some(Record {
                revision: label("version")?.parse().ok()?,
                status: label("status")?,
                at: label("modifiedAt")
                    .or_else(|| label("createdAt"))
                    .and_then(|seconds| seconds.parse().ok())
                    .and_then(|seconds| Timestamp::from_second(seconds).ok()),
            })
        });
        Some(records.collect()).filter(|records: &Vec<Record>| !records.is_empty())
    }

    /// How a rollback stands: first by helm's record, then by the pods.
    pub(super) async fn helm_standing(
        &self,
        scene: &Scene,
        run: &HelmRun<'_>,
    ) -> Result<HelmStanding, PlatformError> {
        let Some(revision) = run.revision else {
            let (outcome, reason) = by_pods(scene, run.fingerprint);
            return Ok((outcome, reason, None));
        };
        let link = self.session.link().await?;
        let records = self.helm_records(&link, run.release).await;
        let stand = self.helms.get(run.release, revision);
        let standing = standing(
            records.as_deref().unwrap_or_default(),
            run,
            revision,
            stand.as_ref(),
            scene.at,
        );
        let step = standing.step(run, revision);
        Ok(match standing {
            Standing::AtWork => (RolloutOutcome::InProgress, None, Some(step)),
            Standing::Failed(why) => (RolloutOutcome::Failed, Some(why), Some(step)),
            Standing::Superseded(by) => (RolloutOutcome::Superseded, Some(by), Some(step)),
            Standing::Deployed => {
                let (outcome, reason) = by_pods(scene, run.fingerprint);
                (outcome, reason, Some(step))
            }
        })
    }
}

/// What helm's record says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    AtWork,
    Deployed,
    Failed(String),
    Superseded(String),
}

impl Standing {
    /// For the screen.
    fn step(&self, run: &HelmRun<'_>, revision: u32) -> String {
        let what = format!("helm revision {revision}, a rollback to {}", run.to);
        match self {
            Self::AtWork => format!(
                "{what}: at work, hooks first. It is not stopped half way: that would leave the release pending"
            ),
            Self::Deployed => format!("{what}: deployed; the pods follow"),
            Self::Failed(_) => format!("{what}: failed"),
            Self::Superseded(_) => format!("{what}: overtaken"),
        }
    }
}

fn standing(
    records: &[Record],
    run: &HelmRun<'_>,
    revision: u32,
    stand: Option<&Stand>,
    now: Timestamp,
) -> Standing {
    let release = run.release;
    let ours = records.iter().find(|record| record.revision == revision);
    let for_s = ours.and_then(|record| record.at).map(|at| {
        let age = now.duration_since(at);
        age.as_secs().max(0)
    });
    let failed = |why: &str| {
        Standing::Failed(clean(&format!(
            "{why}. `helm history {release}` shows it; `helm rollback {release} {}` tries again",
            run.to
        )))
    };
    match (ours.map(|record| record.status.as_str()), stand) {
        (Some("deployed"), _) => Standing::Deployed,
        (Some("superseded" | "uninstalling" | "uninstalled"), _) => {
            let newest = records.iter().map(|record| record.revision).max();
            Standing::Superseded(format!(
                "helm went on to revision {} of {release}",
                newest.unwrap_or(revision)
            ))
        }
        (Some("failed"), Some(Stand::Failed(said))) => failed(said),
        (Some("failed"), _) => failed(&format!("helm recorded revision {revision} as failed")),
        (Some(_), Some(Stand::Failed(said))) => failed(said),
        (Some(_), Some(Stand::AtWork)) => Standing::AtWork,
        (Some(status), None) => {
            if for_s.is_some_and(|seconds| seconds > AT_WORK_MAX.as_secs()) {
                failed(&format!(
                    "revision {revision} is {status} for {} min: its helm was killed",
                    for_s.unwrap_or_default() / 60
                ))
            } else {
                Standing::AtWork
            }
        }
        // Pruned by a long history, or not to be seen now: the pods tell the rest.
        (None, Some(Stand::AtWork)) => Standing::AtWork,
        (None, Some(Stand::Failed(said))) => failed(said),
        (None, None) => Standing::Deployed,
    }
}

/// Helm's merge may leave another template than the revision's (helm#13346): what helm itself wrote
/// last is ours, whatever it is.
fn by_pods(scene: &Scene, fingerprint: &str) -> (RolloutOutcome, Option<String>) {
    let now = template::fingerprint(&template::of_deployment(&scene.deployment));
    let writer = scene.template_writer();
    if now != fingerprint && writer.is_some_and(|writer| writer.manager == HELM) {
        return outcome(scene);
    }
    rolled_out(scene, scene.generation(), fingerprint)
}

/// While helm has not come to the Deployment yet, the side that comes in is the one it goes to, not
/// the one that the Deployment still asks for.
pub fn face(progress: &mut RolloutProgress, scene: &Scene, to: &RevisionId) {
    if progress.ours.revision == *to {
        return;
    }
    let target = progress
        .others
        .iter()
        .position(|side| side.revision == *to)
        .map(|at| progress.others.remove(at));
    let target = target.unwrap_or_else(|| RolloutSide {
        revision: to.clone(),
        release: None,
        desired: 0,
        running: 0,
        pending: 0,
        in_service: 0,
        draining: 0,
        failed: 0,
    });
    let target = RolloutSide {
        desired: scene.desired(),
        ..target
    };
    let before = std::mem::replace(&mut progress.ours, target);
    progress.others.insert(0, before);
    progress.record.to = to.clone();
    progress.record.release = progress.ours.release.clone();
    // The rollout itself has no name before its ReplicaSet is used.
    progress.record.id = RolloutId::new("");
    progress.record.reason = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: HelmRun<'static> = HelmRun {
        release: "shop",
        revision: Some(4),
        to: 1,
        fingerprint: "f",
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
    }

    fn stands(status: &str, age_s: i64, stand: Option<Stand>) -> Standing {
        let record = |revision, status: &str| Record {
            revision,
            status: status.to_owned(),
            at: Some(at(0)),
        };
        let records = [record(3, "superseded"), record(4, status)];
        standing(&records, &RUN, 4, stand.as_ref(), at(age_s))
    }

    #[test]
    fn a_pending_record_is_a_helm_at_work_ours_or_not() {
        for stand in [Some(Stand::AtWork), None] {
            let stands = stands("pending-rollback", 12, stand);
            assert_eq!(stands, Standing::AtWork);
        }
        let step = Standing::AtWork.step(&RUN, 4);
        assert!(
            step.starts_with("helm revision 4, a rollback to 1: at work")
                && step.contains("not stopped half way"),
            "{step}"
        );
    }

    #[test]
    fn a_record_left_pending_by_a_helm_that_was_killed_is_not_waited_for_for_ever() {
        let stands = stands("pending-rollback", 3_600, None);
        let Standing::Failed(why) = stands else {
            panic!("{stands:?}")
        };
        assert!(
            why.contains("its helm was killed") && why.contains("helm rollback shop 1"),
            "{why}"
        );
    }

    #[test]
    fn the_end_is_what_the_record_says_with_helms_own_words_where_we_heard_them() {
        assert_eq!(stands("deployed", 5, None), Standing::Deployed);
        let said = Stand::Failed("helm: hook timed out".to_owned());
        for status in ["failed", "pending-rollback"] {
            let stands = stands(status, 5, Some(said.clone()));
            assert!(
                matches!(&stands, Standing::Failed(why) if why.contains("hook timed out")),
                "{stands:?}"
            );
        }
        assert!(
            matches!(stands("failed", 5, None), Standing::Failed(why) if why.contains("revision 4"))
        );
        assert!(matches!(
            stands("superseded", 5, None),
            Standing::Superseded(_)
        ));
        // No record at all: a history that was pruned.
        assert_eq!(standing(&[], &RUN, 4, None, at(0)), Standing::Deployed);
    }
}
