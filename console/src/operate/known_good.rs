//! Which revision a rollback goes to: the last known-good, never merely the one before.
//!
//! Known-good is the newest revision before the current one whose rollout the platform (or our
//! own audit) calls successful, and that nobody rolled away from, no alarm condemned while it was
//! live, and nobody stopped. One that was live too briefly for any of that to show is unproven: it
//! is taken only when nothing older is proven, and then the one that lived longest. Everything passed over on the way is listed with who or what
//! disqualified it. Pure: all it knows is in [`History`].

use super::words::duration_words;
use crate::{
    model::{
        Author, Change, Judgement, ReleaseDigest, RevisionId, RolloutOutcome, RolloutRecord,
        RunOutcome, Verdict,
    },
    store::RunRecord,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// A condemned image that was brought back under another revision counts as good again when it
/// then lived so long without a complaint.
const REHABILITATION: SignedDuration = SignedDuration::from_mins(10);

/// A revision that was live for less is unproven: three periods of a minute, which is when an
/// alarm rings, and the minute or two that CloudWatch's data come late.
pub const PROVING: SignedDuration = SignedDuration::from_mins(5);

/// A revision that was live for less has shown nothing at all: it served hardly a request. Which of
/// two such lives was the longer says nothing either.
const SHOWN_NOTHING: SignedDuration = SignedDuration::from_secs(3);

/// What is known of an environment's past.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// What runs now, or what a rollout in flight brings: never a target.
    pub current: Option<&'a RevisionId>,
    /// The platform's rollouts, in any order.
    pub rollouts: &'a [RolloutRecord],
    /// What is held against revisions.
    pub judgements: &'a [Judgement],
    /// Our own finished runs, in any order.
    pub runs: &'a [RunRecord],
}

/// Who says that a revision was brought live successfully.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The platform's history.
    Platform,
    /// Our audit; the platform does not remember.
    Audit,
    /// The platform keeps no record; it was put together from what the rollout left behind.
    Traces,
    /// Both.
    Both,
}

/// A revision to go back to.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownGood {
    /// The revision.
    pub revision: RevisionId,
    /// Its release, where known.
    pub release: Option<String>,
    /// Its image, where known.
    pub digest: Option<ReleaseDigest>,
    /// The rollout that brought it live last, where the platform remembers it.
    pub rollout: Option<RolloutRecord>,
    /// Who says so.
    pub evidence: Evidence,
    /// When it went live last.
    pub live_since: Timestamp,
    /// How long it was live then.
    pub lived: Option<SignedDuration>,
}

/// A revision that a rollback does not go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The revision.
    pub revision: RevisionId,
    /// What people call it: `1.6.1 (api-dev:5)`.
    pub name: String,
    /// Who or what disqualified it.
    pub why: String,
}

/// The choice, with what was passed over, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Where to go; `None` when nothing qualifies.
    pub target: Option<KnownGood>,
    /// What was looked at before it.
    pub passed_over: Vec<PassedOver>,
}

/// A revision that nothing is held against, after too short a life for that to say much.
struct Unproven {
    target: KnownGood,
    /// How long it was live at a stretch, at most.
    lived: SignedDuration,
    /// Where it stands among those passed over.
    place: usize,
}

/// One passage of a revision through a rollout, from the platform or from our audit.
#[derive(Clone, Debug)]
struct Passage<'a> {
    revision: &'a RevisionId,
    release: Option<&'a str>,
    digest: Option<&'a ReleaseDigest>,
    from: Option<&'a RevisionId>,
    started_at: Timestamp,
    /// When it was live; equals the start where the end is not known.
    live_at: Timestamp,
    outcome: RolloutOutcome,
    reason: Option<&'a str>,
    alarms: &'a [String],
    author: Option<&'a Author>,
    record: Option<&'a RolloutRecord>,
    by_audit: bool,
    /// What the audit says was put in the place of what the platform's traces say.
    outranked: bool,
}

/// What is held against a revision, whoever says so.
#[derive(Clone, Debug)]
struct Charge {
    at: Timestamp,
    why: String,
}

impl History<'_> {
    /// Chooses the last known-good.
    pub fn choose(&self) -> Choice {
        self.choose_other_than(&[])
    }

    /// As [`choose`](Self::choose), passing over revisions that are word for word what runs.
    pub fn choose_other_than(&self, same: &[RevisionId]) -> Choice {
        let past = Past::of(self);
        let before = self
            .current
            .and_then(|current| past.newest(current))
            .map(|passage| passage.started_at);
        let mut choice = Choice::default();
        let mut unproven: Vec<Unproven> = Vec::new();
        let mut seen: Vec<&RevisionId> = Vec::new();
        for passage in past.passages.iter().rev() {
            let is_current = self.current == Some(passage.revision);
            let is_later = before.is_some_and(|before| passage.started_at > before);
            if is_current || is_later || seen.contains(&passage.revision) {
                continue;
            }
            seen.push(passage.revision);
            let verdict = if same.contains(passage.revision) {
                Err("it is word for word what runs".to_owned())
            } else {
                past.verdict(passage.revision)
            };
            match verdict {
                Ok(target) => match past
                    .longest(passage.revision)
                    .filter(|lived| *lived < PROVING)
                {
                    None => {
                        choice.target = Some(target);
                        break;
                    }
                    Some(lived) => {
                        unproven.push(Unproven {
                            target,
                            lived: lived.max(SHOWN_NOTHING),
                            place: choice.passed_over.len(),
                        });
                        choice.passed_over.push(PassedOver {
                            revision: passage.revision.clone(),
                            name: past.name(passage.revision),
                            why: format!(
                                "live for {} only: too briefly to show whether it is good",
                                duration_words(lived)
                            ),
                        });
                    }
                },
                Err(why) => choice.passed_over.push(PassedOver {
                    revision: passage.revision.clone(),
                    name: past.name(passage.revision),
                    why,
                }),
            }
        }
        if choice.target.is_none() {
            // Of those that lived equally long the oldest: what came later was built on it.
            let longest = unproven.into_iter().max_by_key(|unproven| unproven.lived);
            if let Some(Unproven { target, place, .. }) = longest {
                choice.target = Some(target);
                choice.passed_over.remove(place);
            }
        }
        choice
    }

    /// What is held against one revision, for showing the record of a target that the operator
    /// chose. `Ok` when it is known-good.
    ///
    /// # Errors
    /// Who or what disqualified it, in words.
    pub fn verdict(&self, revision: &RevisionId) -> Result<KnownGood, String> {
        Past::of(self).verdict(revision)
    }

    /// True when going from `from` to `to` is going back: `to` was there first, as a revision or
    /// as an image. This is how a rollback by somebody else shows in the platform's history.
    pub fn is_back(&self, from: &RevisionId, to: &RevisionId) -> bool {
        Past::of(self).is_back(from, to)
    }
}

struct Past<'a> {
    /// Oldest first.
    passages: Vec<Passage<'a>>,
    first_seen: BTreeMap<&'a RevisionId, Timestamp>,
    first_image: BTreeMap<&'a ReleaseDigest, Timestamp>,
    charges: BTreeMap<RevisionId, Vec<Charge>>,
}

impl<'a> Past<'a> {
    fn of(history: &History<'a>) -> Self {
        let mut passages: Vec<Passage<'a>> = history.rollouts.iter().map(of_rollout).collect();
        // Where the platform keeps no record, how our own newest run of a revision ended is
        // better evidence than the traces that it left.
        for run in newest_last(history.runs) {
            let Some((revision, outcome, reason)) = ending(run) else {
                continue;
            };
            for known in passages.iter_mut().filter(|known| {
                known.revision == revision && known.record.is_some_and(|record| record.inferred)
            }) {
                known.outranked = known.outranked || known.outcome != outcome;
                (known.outcome, known.reason) = (outcome, reason);
            }
        }
        for run in history.runs {
            let Some(passage) = of_run(run) else { continue };
            let mut remembered = false;
            for known in passages
                .iter_mut()
                .filter(|known| known.record.is_some() && known.revision == passage.revision)
            {
                known.by_audit = true;
                remembered = true;
            }
            if !remembered {
                passages.push(passage);
            }
        }
        passages.sort_by_key(|passage| passage.started_at);
        let mut first_seen = BTreeMap::new();
        let mut first_image = BTreeMap::new();
        for passage in &passages {
            first_seen
                .entry(passage.revision)
                .or_insert(passage.started_at);
            if let Some(digest) = passage.digest {
                first_image.entry(digest).or_insert(passage.started_at);
            }
        }
        let mut past = Self {
            passages,
            first_seen,
            first_image,
            charges: BTreeMap::new(),
        };
        past.collect_charges(history.judgements);
        past
    }

    fn collect_charges(&mut self, judgements: &[Judgement]) {
        let mut charges: BTreeMap<RevisionId, Vec<Charge>> = BTreeMap::new();
        for judgement in judgements {
            // A judgement older than the revision is about another world's revision of the same
            // name (a local cloud that was reset), not about this one.
            let first = self.first_seen.get(&judgement.revision);
            if first.is_some_and(|first| judgement.at < *first) {
                continue;
            }
            charges
                .entry(judgement.revision.clone())
                .or_default()
                .push(Charge {
                    at: judgement.at,
                    why: judged(judgement),
                });
        }
        for passage in &self.passages {
            if !passage.alarms.is_empty() {
                charges
                    .entry(passage.revision.clone())
                    .or_default()
                    .push(Charge {
                        at: passage.live_at,
                        why: format!("alarm {} condemned it", passage.alarms.join(", ")),
                    });
            }
        }
        let mut live: Option<&RevisionId> = None;
        for passage in self
            .passages
            .iter()
            .filter(|passage| passage.outcome == RolloutOutcome::Succeeded)
        {
            // What was live before is what succeeded before; the platform's own `from` may be
            // missing, or name a revision whose rollout is not remembered.
            let before = live.or(passage.from);
            if let Some(before) = before
                && self.is_back(before, passage.revision)
            {
                // The platform knows who registered a revision, not who brought it back later.
                let brought_anew =
                    self.first_seen.get(passage.revision) == Some(&passage.started_at);
                let who = passage
                    .author
                    .filter(|_| brought_anew || passage.record.is_none())
                    .map_or("someone", |author| author.name.as_str());
                charges.entry(before.clone()).or_default().push(Charge {
                    at: passage.started_at,
                    why: format!(
                        "rolled away from by {who} at {}",
                        moment(passage.started_at)
                    ),
                });
            }
            live = Some(passage.revision);
        }
        self.charges = charges;
    }

    fn is_back(&self, from: &RevisionId, to: &RevisionId) -> bool {
        if from == to {
            return false;
        }
        let (digest_from, digest_to) = (self.digest(from), self.digest(to));
        if let (Some(a), Some(b)) = (digest_from, digest_to)
            && a != b
        {
            return self.first_image.get(b) < self.first_image.get(a);
        }
        match (self.first_seen.get(from), self.first_seen.get(to)) {
            (Some(from), Some(to)) => to < from,
            _ => false,
        }
    }

    fn verdict(&self, revision: &RevisionId) -> Result<KnownGood, String> {
        let own: Vec<&Passage<'a>> = self
            .passages
            .iter()
            .filter(|passage| passage.revision == revision)
            .collect();
        // A rollout that another one overtook, or that still goes on, says nothing about it.
        let decisive = own.iter().rev().find(|passage| {
            !matches!(
                passage.outcome,
                RolloutOutcome::Superseded | RolloutOutcome::InProgress
            )
        });
        let Some(passage) = decisive else {
            return Err(match own.last().map(|passage| passage.outcome) {
                None => "nothing is known of its rollout".to_owned(),
                Some(RolloutOutcome::InProgress) => "its rollout still goes on".to_owned(),
                Some(_) => "another rollout took its place before it was live".to_owned(),
            });
        };
        if passage.outcome != RolloutOutcome::Succeeded {
            let reason = passage
                .reason
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            return Err(match passage.outcome {
                RolloutOutcome::RolledBack => format!("its rollout was rolled back{reason}"),
                RolloutOutcome::Stopped => format!("its rollout was stopped{reason}"),
                _ => format!("its rollout failed{reason}"),
            });
        }
        if let Some(charge) = self.charges.get(revision).and_then(|all| all.first()) {
            return Err(charge.why.clone());
        }
        let lived = self.lived(passage);
        if let Some(why) = self.image_charge(passage, lived) {
            return Err(why);
        }
        Ok(KnownGood {
            revision: revision.clone(),
            release: passage.release.map(str::to_owned),
            digest: passage.digest.cloned(),
            rollout: passage.record.cloned(),
            evidence: match (passage.record, passage.by_audit) {
                (Some(record), true) if record.inferred && passage.outranked => Evidence::Audit,
                (Some(_), true) => Evidence::Both,
                (Some(record), false) if record.inferred => Evidence::Traces,
                (Some(_), false) => Evidence::Platform,
                (None, _) => Evidence::Audit,
            },
            live_since: passage.live_at,
            lived,
        })
    }

    /// The same image, condemned under another revision number.
    fn image_charge(&self, passage: &Passage<'a>, lived: Option<SignedDuration>) -> Option<String> {
        let digest = passage.digest?;
        self.charges.iter().find_map(|(revision, charges)| {
            if revision == passage.revision || self.digest(revision) != Some(digest) {
                return None;
            }
            let charge = charges.iter().max_by_key(|charge| charge.at)?;
            let proved_since =
                passage.live_at > charge.at && lived.is_some_and(|lived| lived >= REHABILITATION);
            (!proved_since)
                .then(|| format!("the same image as {}: {}", revision.short(), charge.why))
        })
    }

    /// How long a passage's revision was live: until the next success.
    fn lived(&self, passage: &Passage<'a>) -> Option<SignedDuration> {
        self.passages
            .iter()
            .find(|next| {
                next.started_at > passage.started_at
                    && next.outcome == RolloutOutcome::Succeeded
                    && next.revision != passage.revision
            })
            .map(|next| next.started_at.duration_since(passage.live_at))
    }

    /// How long a revision was live at a stretch, at most; `None` when no end is known.
    fn longest(&self, revision: &RevisionId) -> Option<SignedDuration> {
        let own = self.passages.iter().filter(|passage| {
            passage.revision == revision && passage.outcome == RolloutOutcome::Succeeded
        });
        let lived: Option<Vec<SignedDuration>> = own.map(|passage| self.lived(passage)).collect();
        lived?.into_iter().max()
    }

    fn newest(&self, revision: &RevisionId) -> Option<&Passage<'a>> {
        self.passages
            .iter()
            .rev()
            .find(|passage| passage.revision == revision)
    }

    fn digest(&self, revision: &RevisionId) -> Option<&'a ReleaseDigest> {
        self.passages
            .iter()
            .filter(|passage| passage.revision == revision)
            .find_map(|passage| passage.digest)
    }

    fn name(&self, revision: &RevisionId) -> String {
        let release = self
            .passages
            .iter()
            .filter(|passage| passage.revision == revision)
            .find_map(|passage| passage.release);
        match release {
            Some(release) => format!("{release} ({})", revision.short()),
            None => revision.short().to_owned(),
        }
    }
}

fn of_rollout(record: &RolloutRecord) -> Passage<'_> {
    Passage {
        revision: &record.to,
        release: record.release.as_deref(),
        digest: record.digest.as_ref(),
        from: record.from.as_ref(),
        started_at: record.started_at,
        live_at: record.finished_at.unwrap_or(record.started_at),
        outcome: record.outcome,
        reason: record.reason.as_deref(),
        alarms: &record.alarms,
        author: record.author.as_ref(),
        record: Some(record),
        by_audit: false,
        outranked: false,
    }
}

/// A run of ours that brought a revision live. Others (scale, restart) say nothing of one.
fn of_run(run: &RunRecord) -> Option<Passage<'_>> {
    if run.outcome != Some(RunOutcome::Done) {
        return None;
    }
    let plan = run.plan.as_ref()?;
    if !matches!(
        plan.prepared.change,
        Change::NewImage { .. } | Change::ToRevision { .. }
    ) {
        return None;
    }
    let to = plan.to.as_ref()?;
    Some(Passage {
        revision: run.ticket.as_ref()?.revision.as_ref()?,
        release: to.deployed.release.as_deref(),
        digest: to.deployed.digest.as_ref(),
        from: plan.from.as_ref().map(|side| &side.deployed.revision),
        started_at: run.started_at,
        live_at: run.finished_at.unwrap_or(run.started_at),
        outcome: RolloutOutcome::Succeeded,
        reason: None,
        alarms: &[],
        author: Some(&run.author),
        record: None,
        by_audit: true,
        outranked: false,
    })
}

fn newest_last(runs: &[RunRecord]) -> Vec<&RunRecord> {
    let mut runs: Vec<&RunRecord> = runs.iter().collect();
    runs.sort_by_key(|run| run.started_at);
    runs
}

/// How a run of ours that brought a revision ended, where it ended for certain.
fn ending(run: &RunRecord) -> Option<(&RevisionId, RolloutOutcome, Option<&str>)> {
    let plan = run.plan.as_ref()?;
    if !matches!(
        plan.prepared.change,
        Change::NewImage { .. } | Change::ToRevision { .. }
    ) {
        return None;
    }
    let revision = run.ticket.as_ref()?.revision.as_ref()?;
    let (outcome, reason) = match run.outcome.as_ref()? {
        RunOutcome::Done => (RolloutOutcome::Succeeded, None),
        RunOutcome::RolledBack { reason } => (RolloutOutcome::RolledBack, Some(reason)),
        RunOutcome::Failed { reason } => (RolloutOutcome::Failed, Some(reason)),
        RunOutcome::Stopped { reason } => (RolloutOutcome::Stopped, Some(reason)),
        RunOutcome::Superseded { .. }
        | RunOutcome::TimedOut { .. }
        | RunOutcome::NotSent { .. }
        | RunOutcome::Unknown { .. } => return None,
    };
    Some((revision, outcome, reason.map(String::as_str)))
}

fn judged(judgement: &Judgement) -> String {
    let when = moment(judgement.at);
    match (judgement.verdict, &judgement.by) {
        (Verdict::RolledAway, Some(by)) => format!("rolled away from by {} at {when}", by.name),
        (Verdict::RolledAway, None) => format!("rolled away from at {when}"),
        (Verdict::Stopped, Some(by)) => format!("stopped by {} at {when}", by.name),
        (Verdict::Stopped, None) => format!("stopped at {when}"),
        (Verdict::Alarmed, _) => format!("{} while it was live, at {when}", judgement.detail),
    }
}

/// `2026-03-01 13:54 UTC`: history spans days, so the date belongs to it.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
