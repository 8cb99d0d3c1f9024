//! Ways back: to the last known-good, to a revision that the operator chose, and out of a rollout
//! in flight, none of which may bring a bad release back unsaid.

use super::{
    OperateError,
    known_good::{Evidence, KnownGood, PassedOver},
    plan::{Planner, Resolved, name_of},
};
use crate::model::{Blocker, Change, Deployed, PlanSide, RevisionId, RolloutRecord};

impl Planner<'_> {
    pub(super) async fn back_to(&self, to: &RevisionId) -> Result<Resolved, OperateError> {
        let revision = self.environment.platform.revision(to).await?;
        let rollout = self.facts.rollout_of(to);
        let mut resolved = Resolved::new(
            Change::ToRevision {
                revision: to.clone(),
            },
            "the operator's choice",
        );
        if let Some(record) = self.in_flight() {
            resolved.replaces = Some(record.id.clone());
            resolved.warnings.push(format!(
                "the rollout of {} is in flight; this takes its place",
                name_of(record.release.as_deref(), &record.to)
            ));
        }
        let name = revision
            .release
            .clone()
            .unwrap_or_else(|| to.short().to_owned());
        match self.facts.history(None).verdict(to) {
            Ok(good) => resolved.because = format!("the operator's choice; {}", record_of(&good)),
            Err(why) => resolved
                .warnings
                .push(format!("{name} is not known to be good: {why}")),
        }
        resolved.to = Some(PlanSide {
            deployed: Deployed {
                revision: to.clone(),
                image: revision.image,
                release: revision.release.clone(),
                digest: rollout
                    .and_then(|rollout| rollout.digest.clone())
                    .or(revision.digest),
                deployed_at: rollout.map(|rollout| rollout.started_at),
                author: revision.author,
            },
            fared: self.fared(to),
            rollout: rollout.cloned(),
        });
        resolved.release = Some(name);
        Ok(resolved)
    }

    /// Stops the rollout in flight, unless that would bring a bad revision back: stopping goes
    /// to what was live before, and that may be what somebody is just going away from.
    pub(super) async fn stop(&self, record: &RolloutRecord) -> Result<Resolved, OperateError> {
        let history = self.facts.history(Some(&record.to));
        let live = self
            .facts
            .observation
            .service
            .deployed
            .as_ref()
            .map(|deployed| &deployed.revision);
        let Some(back) = record
            .from
            .as_ref()
            .or(live)
            .filter(|back| **back != record.to)
        else {
            return Ok(Resolved::new(
                Change::StopRollout {
                    rollout: record.id.clone(),
                },
                "a rollout is in flight; there is nothing before it",
            ));
        };
        let going = name_of(record.release.as_deref(), &record.to);
        let unknown = self.facts.rollout_of(back).is_none();
        let fled = self.facts.history(None).is_back(back, &record.to);
        let verdict = match history.verdict(back) {
            // The platform itself would go there, and nothing is held against it.
            Err(_) if unknown && !fled => Ok(()),
            Err(why) => Err(why),
            Ok(_) if fled => Err("the rollout in flight is a way back from it".to_owned()),
            Ok(_) => Ok(()),
        };
        match verdict {
            Ok(()) => {
                let mut resolved = Resolved::new(
                    Change::StopRollout {
                        rollout: record.id.clone(),
                    },
                    format!(
                        "the rollout of {going} is in flight: it is stopped, and the platform goes back"
                    ),
                );
                resolved.to = Some(self.side(back));
                resolved.release = resolved
                    .to
                    .as_ref()
                    .and_then(|side| side.deployed.release.clone());
                Ok(resolved)
            }
            Err(why) if fled && self.may_arrive(&record.to) => {
                let behind = self.side(back);
                let mut resolved = Resolved::new(
                    Change::StopRollout {
                        rollout: record.id.clone(),
                    },
                    format!("a way back to {going} is in flight"),
                );
                resolved.blockers.push(Blocker {
                    what: format!(
                        "{going} is on its way; stopping it would bring {} back ({why})",
                        behind.deployed.name()
                    ),
                    remedy: "Let it arrive, or choose a revision on the Releases screen (`--to`)"
                        .to_owned(),
                });
                resolved.to = Some(behind);
                Ok(resolved)
            }
            Err(why) => {
                let passed = PassedOver {
                    revision: back.clone(),
                    name: name_of(self.side(back).deployed.release.as_deref(), back),
                    why,
                };
                let mut resolved = self.known_good(&[])?;
                if !resolved
                    .passed_over
                    .iter()
                    .any(|known| known.revision == passed.revision)
                {
                    resolved.passed_over.insert(0, passed);
                }
                resolved.replaces = Some(record.id.clone());
                resolved.warnings.push(format!(
                    "the rollout of {going} is in flight; this takes its place, because stopping it would bring a bad release back"
                ));
                Ok(resolved)
            }
        }
    }

    /// Whether what a rollout in flight brings was known-good before.
    fn may_arrive(&self, revision: &RevisionId) -> bool {
        self.facts.history(None).verdict(revision).is_ok()
    }

    /// The last known-good before what is live or in flight, other than `same`, which is word
    /// for word what runs.
    pub(super) fn known_good(&self, same: &[RevisionId]) -> Result<Resolved, OperateError> {
        let in_flight = self.in_flight().map(|record| &record.to);
        let live = self
            .facts
            .observation
            .service
            .deployed
            .as_ref()
            .map(|deployed| &deployed.revision);
        let choice = self
            .facts
            .history(in_flight.or(live))
            .choose_other_than(same);
        let passed_over = choice.passed_over;
        let Some(good) = choice.target else {
            return Err(OperateError::NoKnownGood {
                environment: self.environment.config.name.clone(),
                why: if passed_over.is_empty() {
                    "the platform remembers no rollout before this one".to_owned()
                } else {
                    passed_over
                        .iter()
                        .map(|passed| format!("{}: {}", passed.name, passed.why))
                        .collect::<Vec<_>>()
                        .join("; ")
                },
            });
        };
        let mut resolved = Resolved::new(
            Change::ToRevision {
                revision: good.revision.clone(),
            },
            record_of(&good),
        );
        resolved.to = Some(self.side(&good.revision));
        if let Some(side) = &mut resolved.to {
            side.deployed.digest = good.digest.clone().or(side.deployed.digest.take());
        }
        resolved.release = good.release.clone();
        resolved.passed_over = passed_over;
        Ok(resolved)
    }
}

/// `last known-good (audit and platform)`.
fn record_of(good: &KnownGood) -> String {
    let who = match good.evidence {
        Evidence::Platform => "the platform says its rollout succeeded",
        Evidence::Audit => "our audit says its rollout succeeded",
        Evidence::Both => "audit and platform say its rollout succeeded",
        Evidence::Traces => {
            let traces = good
                .rollout
                .as_ref()
                .and_then(|record| record.reason.as_deref());
            return format!(
                "last known-good (not in our audit; {})",
                traces.unwrap_or("it was fully available")
            );
        }
    };
    format!("last known-good ({who})")
}
