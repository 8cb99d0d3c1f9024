//! Making a plan with reading calls only: what would be done, why that target, and everything
//! that the confirm dialog shows.

use super::{
    OperateError,
    assess::{Assessed, assess},
    executor::Inner,
    known_good::{Evidence, History, KnownGood, PassedOver},
    notes::Known,
    words::duration_words,
};
use crate::{
    config::nearest,
    cost,
    model::{
        Action, BillOfResources, Blocker, Change, CostDelta, Deployed, EnvironmentName, Health,
        Judgement, Metrics, Observation, Plan, PlanSide, Prepared, Release, ReleaseRef, RevisionId,
        RolloutId, RolloutOutcome, RolloutRecord, Window,
    },
    platform::{ChangeNote, Environment, PlatformError},
    store::{HistoryQuery, RunRecord},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// How far back metrics are read to judge who was live when errors rose.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(3);

/// So many of our own runs are read for the record; the platform knows the rest.
pub(super) const RUNS_READ: u32 = 200;

/// Old and new tasks run side by side about so long, for the cost of the overlap, in minutes.
const OVERLAP_MINUTES: f64 = 5.0;

/// Everything read of an environment before a plan is made.
pub(super) struct Facts {
    pub observation: Observation,
    pub metrics: Metrics,
    pub rollouts: Vec<RolloutRecord>,
    pub judgements: Vec<Judgement>,
    pub runs: Vec<RunRecord>,
    pub now: Timestamp,
}

/// What an action comes to: the change, and where it leads.
struct Resolved {
    change: Change,
    to: Option<PlanSide>,
    release: Option<String>,
    /// The rollout in flight that a rollback takes the place of.
    replaces: Option<RolloutId>,
    because: String,
    passed_over: Vec<PassedOver>,
    blockers: Vec<Blocker>,
    warnings: Vec<String>,
}

impl Resolved {
    fn new(change: Change, because: impl Into<String>) -> Self {
        Self {
            change,
            to: None,
            release: None,
            replaces: None,
            because: because.into(),
            passed_over: Vec::new(),
            blockers: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Reads, resolves, prepares, prices.
pub(super) async fn make(
    inner: &Inner,
    environment: &Environment,
    action: Action,
    reason: Option<String>,
) -> Result<Plan, OperateError> {
    let (facts, account_blocker, bill) = tokio::join!(
        Facts::read(inner, environment),
        account_blocker(environment),
        environment.platform.bill(),
    );
    let facts = facts?;
    let account_blocker = account_blocker?;
    let planner = Planner {
        inner,
        environment,
        facts: &facts,
    };
    let mut resolved = planner.resolve(&action).await?;
    let mut prepared = planner.prepare(&resolved, reason.as_deref()).await?;
    // A known-good that is word for word what runs is no way back from it: look further.
    let mut same = Vec::new();
    while let (Action::Rollback { to: None }, Change::ToRevision { revision }) =
        (&action, &resolved.change)
        && prepared.diff.lines.is_empty()
        && prepared.blockers.is_empty()
    {
        same.push(revision.clone());
        resolved = planner.known_good(&same)?;
        prepared = planner.prepare(&resolved, reason.as_deref()).await?;
    }
    planner.check_image(&resolved, &mut prepared).await?;
    prepared.blockers.extend(account_blocker);
    prepared.blockers.extend(resolved.blockers);
    prepared.warnings.extend(resolved.warnings);
    if environment.platform.lock_store().is_none() {
        prepared
            .warnings
            .push("no lock bucket is configured: the lock holds on this machine only".to_owned());
    }
    let from = planner.from();
    let to = resolved.to.or_else(|| from.clone());
    let cost = bill.ok().and_then(|bill| {
        let after = prepared.bill_after.as_ref()?;
        Some(cost_delta(&bill, after, &prepared.change))
    });
    Ok(Plan {
        environment: environment.config.name.clone(),
        account: environment.config.account.clone(),
        action,
        author: inner.author.clone(),
        reason,
        made_at: facts.now,
        from,
        to,
        because: resolved.because,
        passed_over: resolved
            .passed_over
            .into_iter()
            .map(|passed| (passed.name, passed.why))
            .collect(),
        prepared,
        cost,
    })
}

impl Facts {
    pub async fn read(inner: &Inner, environment: &Environment) -> Result<Self, PlatformError> {
        let now = inner.now();
        let platform = &environment.platform;
        let name = &environment.config.name;
        let window = Window {
            start: now - LOOK_BACK,
            end: now,
        };
        let query = HistoryQuery {
            environment: Some(name.clone()),
            before: None,
            limit: RUNS_READ,
        };
        let (observation, rollouts, metrics, judgements, runs) = tokio::join!(
            platform.observe(),
            platform.rollouts(),
            platform.metrics(window),
            inner.store.judgements(name),
            inner.store.history(&query),
        );
        let observation = observation?;
        let mut rollouts = rollouts?;
        let scope = environment.config.scope();
        let runs: Vec<RunRecord> = runs
            .unwrap_or_default()
            .into_iter()
            .filter(|run| run.scope == scope)
            .collect();
        credit(&runs, &mut rollouts);
        // Without metrics or without our own records a plan can still be made; the platform's
        // history decides then.
        let metrics = metrics.unwrap_or_default();
        let mut judgements = judgements.unwrap_or_default();
        let known = Known {
            environment: name,
            rollouts: &rollouts,
            judgements: &judgements,
            now,
        };
        let mut found = known.by_alarms(&observation);
        found.extend(known.by_metrics(&metrics));
        judgements.extend(found);
        Ok(Self {
            observation,
            metrics,
            rollouts,
            judgements,
            runs,
            now,
        })
    }

    pub fn history<'a>(&'a self, current: Option<&'a RevisionId>) -> History<'a> {
        History {
            current,
            rollouts: &self.rollouts,
            judgements: &self.judgements,
            runs: &self.runs,
        }
    }

    /// The newest rollout that brought a revision, successful ones first.
    fn rollout_of(&self, revision: &RevisionId) -> Option<&RolloutRecord> {
        let mut all: Vec<&RolloutRecord> = self
            .rollouts
            .iter()
            .filter(|rollout| rollout.to == *revision)
            .collect();
        all.sort_by_key(|rollout| {
            (
                rollout.outcome == RolloutOutcome::Succeeded,
                rollout.started_at,
            )
        });
        all.pop()
    }
}

struct Planner<'a> {
    inner: &'a Inner,
    environment: &'a Environment,
    facts: &'a Facts,
}

impl Planner<'_> {
    async fn resolve(&self, action: &Action) -> Result<Resolved, OperateError> {
        match action {
            Action::Deploy { release } => self.deploy(release).await,
            Action::Promote { from } => self.promote(from).await,
            Action::Rollback { to: Some(to) } => self.back_to(to).await,
            Action::Rollback { to: None } => match self.in_flight() {
                Some(record) => self.stop(record).await,
                None => self.known_good(&[]),
            },
            Action::Restart => Ok(Resolved::new(
                Change::Restart,
                "every task is replaced, the release stays",
            )),
            Action::Scale { desired } => {
                let now = self.facts.observation.service.desired;
                let mut resolved = Resolved::new(
                    Change::Scale { desired: *desired },
                    format!("{now} → {desired} tasks"),
                );
                if now == *desired {
                    resolved.blockers.push(Blocker {
                        what: format!("{desired} tasks are wanted already"),
                        remedy: "Choose another number".to_owned(),
                    });
                }
                if *desired == 0 {
                    resolved
                        .warnings
                        .push("with 0 tasks nothing serves any more".to_owned());
                }
                Ok(resolved)
            }
            Action::StopInstance { instance } => {
                let mut resolved = Resolved::new(
                    Change::StopInstance {
                        instance: instance.clone(),
                    },
                    "the platform starts another one in its place",
                );
                let instances = &self.facts.observation.service.instances;
                if !instances.iter().any(|known| known.id == *instance) {
                    resolved.blockers.push(Blocker {
                        what: format!("there is no running task {}", instance.short()),
                        remedy: "Look at the tasks again; it may have stopped".to_owned(),
                    });
                }
                Ok(resolved)
            }
        }
    }

    fn in_flight(&self) -> Option<&RolloutRecord> {
        self.facts
            .observation
            .service
            .rollout
            .as_ref()
            .map(|rollout| &rollout.record)
            .filter(|record| record.outcome.is_in_progress())
    }

    async fn deploy(&self, reference: &ReleaseRef) -> Result<Resolved, OperateError> {
        let release = match self.environment.platform.release(reference).await? {
            Some(release) => release,
            None => return Err(self.no_release(reference).await),
        };
        Ok(self.new_image(release, "the operator's choice"))
    }

    async fn no_release(&self, reference: &ReleaseRef) -> OperateError {
        let wanted = match reference {
            ReleaseRef::Tag(tag) => tag.clone(),
            ReleaseRef::Digest(digest) => digest.to_string(),
        };
        let all = self
            .environment
            .platform
            .releases()
            .await
            .unwrap_or_default();
        let tags = || all.iter().flat_map(|release| &release.tags);
        let hint = nearest(&wanted, tags().map(String::as_str)).map_or_else(
            || {
                let newest: Vec<&str> = tags().take(5).map(String::as_str).collect();
                format!("The newest are: {}", newest.join(", "))
            },
            |near| format!("Did you mean {near}?"),
        );
        PlatformError::NotFound {
            what: format!("release {wanted}"),
            hint: Some(hint),
        }
        .into()
    }

    fn new_image(&self, release: Release, because: impl Into<String>) -> Resolved {
        let name = release.name().to_owned();
        let before = self
            .facts
            .rollouts
            .iter()
            .filter(|rollout| rollout.digest.as_ref() == Some(&release.digest))
            .max_by_key(|rollout| rollout.started_at);
        let fared = match before {
            None => "never ran here".to_owned(),
            Some(rollout) => self.fared(&rollout.to),
        };
        let mut resolved = Resolved::new(
            Change::NewImage {
                release: release.clone(),
            },
            because,
        );
        if let Some(rollout) = before
            && let Err(why) = self.facts.history(None).verdict(&rollout.to)
        {
            resolved
                .warnings
                .push(format!("{name} ran here before: {why}"));
        }
        resolved.to = Some(PlanSide {
            deployed: Deployed {
                revision: RevisionId::new("new revision"),
                image: format!("{}@{}", release.repository, release.digest),
                release: Some(name.clone()),
                digest: Some(release.digest),
                deployed_at: None,
                author: Some(self.inner.author.clone()),
            },
            fared,
            rollout: before.cloned(),
        });
        resolved.release = Some(name);
        resolved
    }

    async fn promote(&self, source: &EnvironmentName) -> Result<Resolved, OperateError> {
        if *source == self.environment.config.name {
            return Err(OperateError::Refused {
                why: format!("{source} cannot be promoted to itself"),
                remedy: "Name the environment to take the release from".to_owned(),
            });
        }
        let other = self.inner.environment(source).await?;
        let there = Facts::read(self.inner, &other).await?;
        let Some(deployed) = there.observation.service.deployed.clone() else {
            return Err(OperateError::Refused {
                why: format!("nothing runs in {source}"),
                remedy: "Deploy there first".to_owned(),
            });
        };
        let Some(digest) = deployed.digest.clone() else {
            return Err(OperateError::Refused {
                why: format!("the digest of what runs in {source} is not known"),
                remedy: "Deploy the release by its tag instead".to_owned(),
            });
        };
        let reference = ReleaseRef::Digest(digest.clone());
        let Some(mut release) = self.environment.platform.release(&reference).await? else {
            return Err(PlatformError::NotFound {
                what: format!("the image of {} ({})", deployed.name(), digest.short()),
                hint: Some(format!(
                    "{source} runs it, and the registry of {} does not hold it; push it there",
                    self.environment.config.name
                )),
            }
            .into());
        };
        // The registry may know the digest under several tags: people say the one that runs.
        if let Some(name) = &deployed.release
            && let Some(index) = release.tags.iter().position(|tag| tag == name)
        {
            release.tags.swap(0, index);
        }
        let mut resolved = self.new_image(
            release,
            format!("what {source} runs, by digest {}", digest.short()),
        );
        let assessment = there.assess();
        if there.observation.service.rollout.is_some() {
            resolved.warnings.push(format!(
                "a rollout goes on in {source}; this takes what runs there now"
            ));
        }
        if matches!(assessment.health, Health::Degraded | Health::Down) {
            resolved.warnings.push(format!(
                "{source} is not well: {}",
                if assessment.sentence.is_empty() {
                    "nothing serves there"
                } else {
                    &assessment.sentence
                }
            ));
        }
        Ok(resolved)
    }

    async fn back_to(&self, to: &RevisionId) -> Result<Resolved, OperateError> {
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
    async fn stop(&self, record: &RolloutRecord) -> Result<Resolved, OperateError> {
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
    fn known_good(&self, same: &[RevisionId]) -> Result<Resolved, OperateError> {
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

    /// One end of the plan, from the history alone.
    fn side(&self, revision: &RevisionId) -> PlanSide {
        let service = &self.facts.observation.service;
        let rollout = self.facts.rollout_of(revision);
        let known = service
            .deployed
            .as_ref()
            .filter(|deployed| deployed.revision == *revision)
            .cloned();
        let deployed = known.unwrap_or_else(|| {
            let run = self.facts.runs.iter().find(|run| {
                run.ticket
                    .as_ref()
                    .and_then(|ticket| ticket.revision.as_ref())
                    == Some(revision)
            });
            Deployed {
                revision: revision.clone(),
                image: String::new(),
                release: rollout
                    .and_then(|rollout| rollout.release.clone())
                    .or_else(|| run.and_then(|run| run.to.clone())),
                digest: rollout.and_then(|rollout| rollout.digest.clone()),
                deployed_at: rollout
                    .map(|rollout| rollout.started_at)
                    .or(run.map(|run| run.started_at)),
                author: rollout
                    .and_then(|rollout| rollout.author.clone())
                    .or_else(|| run.map(|run| run.author.clone())),
            }
        });
        PlanSide {
            fared: self.fared(revision),
            rollout: rollout.cloned(),
            deployed,
        }
    }

    /// What is live, or what the rollout in flight brings.
    fn from(&self) -> Option<PlanSide> {
        if let Some(record) = self.in_flight() {
            let mut side = self.side(&record.to);
            side.rollout = Some(record.clone());
            side.deployed.deployed_at = Some(record.started_at);
            side.deployed.release = record.release.clone().or(side.deployed.release);
            side.deployed.digest = record.digest.clone().or(side.deployed.digest);
            side.deployed.author = record.author.clone().or(side.deployed.author);
            let assessment = self.facts.assess();
            side.fared = if assessment.sentence.is_empty() {
                format!(
                    "on its way for {}",
                    duration_words(self.facts.now.duration_since(record.started_at))
                )
            } else {
                assessment.sentence
            };
            return Some(side);
        }
        let deployed = self.facts.observation.service.deployed.clone()?;
        let mut side = self.side(&deployed.revision);
        side.fared = self.now_fares();
        Some(side)
    }

    fn now_fares(&self) -> String {
        let assessment = self.facts.assess();
        if !assessment.sentence.is_empty() {
            return assessment.sentence;
        }
        match &self.facts.observation.service.deployed {
            Some(deployed) => self.fared(&deployed.revision),
            None => "nothing is live".to_owned(),
        }
    }

    /// How a revision fared, for people.
    fn fared(&self, revision: &RevisionId) -> String {
        match self.facts.history(None).verdict(revision) {
            Err(why) => why,
            Ok(good) => {
                let lived = good
                    .lived
                    .unwrap_or_else(|| self.facts.now.duration_since(good.live_since));
                format!("ran {}, no alarm known", duration_words(lived))
            }
        }
    }

    async fn prepare(
        &self,
        resolved: &Resolved,
        reason: Option<&str>,
    ) -> Result<Prepared, PlatformError> {
        let note = ChangeNote {
            author: self.inner.author.clone(),
            reason: reason.map(str::to_owned),
            release: resolved.release.clone(),
            replaces: resolved.replaces.clone(),
        };
        self.environment
            .platform
            .prepare(&resolved.change, &note)
            .await
    }

    /// The image that ran then must still be in the registry: a tag may have moved, a lifecycle
    /// rule may have taken it.
    async fn check_image(
        &self,
        resolved: &Resolved,
        prepared: &mut Prepared,
    ) -> Result<(), OperateError> {
        let (Change::ToRevision { .. }, Some(side)) = (&resolved.change, &resolved.to) else {
            return Ok(());
        };
        let Some(digest) = &side.deployed.digest else {
            return Ok(());
        };
        let said = prepared.blockers.iter().any(|blocker| {
            blocker.what.contains(digest.as_str()) || blocker.what.contains(digest.short())
        });
        let reference = ReleaseRef::Digest(digest.clone());
        if !said
            && self
                .environment
                .platform
                .release(&reference)
                .await?
                .is_none()
        {
            prepared.blockers.push(Blocker {
                what: format!(
                    "the image of {} ({}) is not in the registry any more",
                    side.deployed.name(),
                    digest.short()
                ),
                remedy: "Push that image again, or choose another revision".to_owned(),
            });
        }
        Ok(())
    }
}

impl Facts {
    pub fn assess(&self) -> crate::model::Assessment {
        assess(Assessed {
            observation: &self.observation,
            metrics: &self.metrics,
            rollouts: &self.rollouts,
            judgements: &self.judgements,
            now: self.now,
            zone: &TimeZone::UTC,
        })
    }
}

/// Puts our own runs' authors to their rollouts.
pub(super) fn credit(runs: &[RunRecord], rollouts: &mut [RolloutRecord]) {
    for rollout in rollouts {
        let run = runs.iter().find(|run| {
            let sent = run
                .ticket
                .as_ref()
                .and_then(|ticket| ticket.rollout.as_ref());
            // Stopping somebody's rollout does not make it ours.
            sent == Some(&rollout.id) && !run.stops()
        });
        if let Some(run) = run {
            rollout.author = Some(run.author.clone());
        }
    }
}

/// A caller in another account than the configuration expects blocks the plan.
async fn account_blocker(environment: &Environment) -> Result<Option<Blocker>, PlatformError> {
    let Some(expected) = &environment.config.account else {
        return Ok(None);
    };
    let caller = environment.platform.caller().await?;
    Ok(super::guard::wrong_account(
        &environment.config,
        expected,
        &caller,
    ))
}

/// `last known-good (audit and platform)`.
fn record_of(good: &KnownGood) -> String {
    let who = match good.evidence {
        Evidence::Platform => "the platform says its rollout succeeded",
        Evidence::Audit => "our audit says its rollout succeeded",
        Evidence::Both => "audit and platform say its rollout succeeded",
    };
    format!("last known-good ({who})")
}

fn name_of(release: Option<&str>, revision: &RevisionId) -> String {
    match release {
        Some(release) => format!("{release} ({})", revision.short()),
        None => revision.short().to_owned(),
    }
}

fn cost_delta(before: &BillOfResources, after: &BillOfResources, change: &Change) -> CostDelta {
    let book = cost::PriceBook::shipped();
    let after_estimate = cost::estimate(after, book);
    // A rolling rollout runs old and new tasks side by side; the others replace or remove.
    let overlap = matches!(
        change,
        Change::NewImage { .. } | Change::ToRevision { .. } | Change::Restart
    )
    .then(|| cost::overlap(&after_estimate, OVERLAP_MINUTES, 1.0));
    cost::delta(&cost::estimate(before, book), &after_estimate).with_overlap(overlap)
}
