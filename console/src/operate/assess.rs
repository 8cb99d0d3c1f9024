//! The judgement on an environment, and the sentence that says what is wrong, since when, and
//! which rollout came before. Computed from the data, never guessed: where the data cannot tell
//! whether a rollout came first, no rollout is blamed.

use super::{
    known_good::History,
    signals::{self, Onset},
    words::duration_words,
};
use crate::model::{
    Alarm, AlarmState, Assessment, Cause, Health, Judgement, Metrics, Observation, RevisionId,
    RolloutOutcome, RolloutProgress, RolloutRecord, Symptom,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// A symptom that begins later than this after a rollout ended is not laid at its door.
const BLAME: SignedDuration = SignedDuration::from_mins(10);

/// An alarm rings so much later, at most, than what it watches began: three periods of a minute.
const ALARM_LAG: SignedDuration = SignedDuration::from_mins(3);

/// What the judgement is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Assessed<'a> {
    /// The service as last seen.
    pub observation: &'a Observation,
    /// The measured series, about an hour.
    pub metrics: &'a Metrics,
    /// The rollouts, newest first.
    pub rollouts: &'a [RolloutRecord],
    /// What is held against revisions ([`crate::store::Store::judgements`]).
    pub judgements: &'a [Judgement],
    /// Now.
    pub now: Timestamp,
    /// The zone for the clock times in the sentence.
    pub zone: &'a TimeZone,
}

/// Judges an environment. A pure function: what it says, the data says.
pub fn assess(of: Assessed<'_>) -> Assessment {
    let mut findings = findings(&of);
    findings.sort_by_key(|finding| finding.rank());
    let health = health(&of, &findings);
    let Some(worst) = findings.first() else {
        return Assessment {
            health,
            symptoms: Vec::new(),
            since: None,
            cause: None,
            undo: None,
            sentence: String::new(),
        };
    };
    let Origin {
        cause,
        tail,
        blamed_is_live,
    } = of.origin(worst);
    let undo = blamed_is_live
        .then(|| {
            let history = History {
                current: of.coming(),
                rollouts: of.rollouts,
                judgements: of.judgements,
                runs: &[],
            };
            history.choose().target
        })
        .flatten()
        .map(|target| {
            let name = target
                .release
                .clone()
                .unwrap_or_else(|| target.revision.short().to_owned());
            (name, target.lived.map(|lived| lived.as_secs()))
        });
    let sentence = format!("{}{tail}", of.what(&findings));
    Assessment {
        health,
        since: worst.onset.map(Onset::moment),
        symptoms: findings
            .into_iter()
            .map(|finding| finding.symptom)
            .collect(),
        cause,
        undo,
        sentence,
    }
}

/// What came before a symptom, and how to say so.
struct Origin {
    cause: Option<Cause>,
    tail: String,
    /// A rollout is to blame, and what it brought is live or on its way: going back helps.
    blamed_is_live: bool,
}

impl Origin {
    fn blameless(cause: Option<Cause>, tail: impl Into<String>) -> Self {
        Self {
            cause,
            tail: tail.into(),
            blamed_is_live: false,
        }
    }
}

/// A symptom, and when it began.
struct Finding {
    symptom: Symptom,
    onset: Option<Onset>,
}

impl Finding {
    /// Worst first.
    fn rank(&self) -> u8 {
        match self.symptom {
            Symptom::Short { running: 0, .. } => 0,
            Symptom::Errors { .. } => 1,
            Symptom::RolloutFailing { .. } => 2,
            Symptom::Short { .. } => 3,
            Symptom::Slow { .. } => 4,
            Symptom::Alarm { .. } => 5,
        }
    }
}

fn findings(of: &Assessed<'_>) -> Vec<Finding> {
    let service = &of.observation.service;
    let ringing: Vec<&Alarm> = service
        .alarms
        .iter()
        .filter(|alarm| alarm.state == AlarmState::Alarm)
        .collect();
    let mut all = Vec::new();
    if let Some(raised) = signals::errors(of.metrics, &ringing) {
        all.push(Finding {
            symptom: Symptom::Errors {
                percent: raised.value,
            },
            onset: Some(raised.onset),
        });
    }
    if let Some(raised) = signals::latency(of.metrics, &ringing) {
        all.push(Finding {
            symptom: Symptom::Slow {
                p95_ms: raised.value,
                normal_ms: raised.normal,
            },
            onset: Some(raised.onset),
        });
    }
    let failing = service
        .rollout
        .as_ref()
        .and_then(|rollout| failing(of, rollout));
    let nothing_runs = service.desired > 0 && service.running == 0;
    if nothing_runs || (service.running < service.desired && service.rollout.is_none()) {
        all.push(Finding {
            symptom: Symptom::Short {
                running: service.running,
                desired: service.desired,
            },
            onset: service
                .stopped
                .iter()
                .filter_map(|stopped| stopped.stopped_at)
                .max()
                .map(exactly),
        });
    }
    all.extend(failing);
    if all.is_empty()
        && let Some(alarm) = ringing.first()
    {
        all.push(Finding {
            symptom: Symptom::Alarm {
                name: alarm.name.clone(),
            },
            onset: alarm.since.map(|since| Onset::Within {
                earliest: since - ALARM_LAG,
                estimate: None,
            }),
        });
    }
    all
}

fn exactly(at: Timestamp) -> Onset {
    Onset::Within {
        earliest: at,
        estimate: Some(at),
    }
}

/// The rollout under way, if its instances do not become healthy; or one that failed, where the
/// platform leaves it as it is.
fn failing(of: &Assessed<'_>, rollout: &RolloutProgress) -> Option<Finding> {
    let counted = rollout.breaker.map_or(0, |breaker| breaker.failures);
    let mut failures = counted.max(rollout.ours.failed);
    match rollout.record.outcome {
        RolloutOutcome::InProgress => {}
        RolloutOutcome::Failed => failures = failures.max(1),
        _ => return None,
    }
    if failures == 0 {
        return None;
    }
    let first = of
        .observation
        .service
        .stopped
        .iter()
        .filter(|stopped| stopped.revision == rollout.record.to)
        .filter_map(|stopped| stopped.stopped_at)
        .filter(|at| *at >= rollout.record.started_at)
        .min();
    Some(Finding {
        symptom: Symptom::RolloutFailing {
            revision: rollout.record.to.clone(),
            release: rollout.record.release.clone(),
            failures,
        },
        onset: first.map(exactly),
    })
}

fn health(of: &Assessed<'_>, findings: &[Finding]) -> Health {
    let service = &of.observation.service;
    if service.desired > 0 && service.running == 0 {
        return match &service.rollout {
            // The very first rollout: nothing has served yet, and nothing is wrong yet.
            Some(rollout) if rollout.record.from.is_none() && findings.len() <= 1 => {
                Health::Changing
            }
            _ => Health::Down,
        };
    }
    let targets = &service.targets;
    let none_serves = !targets.is_empty()
        && targets.iter().all(|target| {
            matches!(
                target.state.as_str(),
                "unhealthy" | "unused" | "unavailable"
            )
        });
    if none_serves && service.desired > 0 {
        return Health::Down;
    }
    if !findings.is_empty() {
        return Health::Degraded;
    }
    if service.rollout.is_some() {
        return Health::Changing;
    }
    if service.deployed.is_none() {
        return Health::Unknown;
    }
    Health::Healthy
}

impl Assessed<'_> {
    /// Which rollout came before, and the words for it.
    fn origin(&self, finding: &Finding) -> Origin {
        if let (Symptom::RolloutFailing { .. }, Some(rollout)) =
            (&finding.symptom, &self.observation.service.rollout)
        {
            let after_s = finding.onset.map_or(0, |onset| {
                seconds(rollout.record.started_at, onset.moment())
            });
            let cause = Cause::Rollout {
                release: name(&rollout.record),
                after_s,
            };
            return Origin {
                cause: Some(cause),
                tail: String::new(),
                blamed_is_live: true,
            };
        }
        match finding.onset {
            None => Origin::blameless(None, ""),
            Some(Onset::Before(reach)) => self.origin_before(reach),
            Some(Onset::Within { earliest, estimate }) => self.origin_within(earliest, estimate),
        }
    }

    /// It began before the data does: a rollout since then cannot have caused it, and of those
    /// before nothing can be said.
    fn origin_before(&self, reach: Timestamp) -> Origin {
        match self.first_after(reach) {
            Some(rollout) => before_rollout(rollout),
            None => Origin::blameless(None, ""),
        }
    }

    fn origin_within(&self, earliest: Timestamp, estimate: Option<Timestamp>) -> Origin {
        let onset = estimate.unwrap_or(earliest);
        let latest = earliest + self.onset_width(estimate);
        let blamed = self
            .changes()
            .filter(|rollout| rollout.started_at <= onset)
            .max_by_key(|rollout| rollout.started_at)
            .filter(|rollout| onset <= self.blame_until(rollout))
            .filter(|rollout| {
                // Within the same step only the estimate says which came first, and it hangs on a
                // handful of requests: it must say so clearly.
                let clearly = self.step() / 4;
                rollout.started_at <= earliest || rollout.started_at + clearly <= onset
            });
        if let Some(rollout) = blamed {
            let after_s = seconds(rollout.started_at, onset);
            let release = name(rollout);
            let mut tail = format!(
                " — began {} after {release} went out",
                duration_words(SignedDuration::from_secs(after_s))
            );
            let blamed_is_live = self.coming().is_none_or(|coming| *coming == rollout.to);
            if !blamed_is_live {
                // Somebody acted already; the series lag behind.
                tail.push_str(&self.since_then());
            }
            return Origin {
                cause: Some(Cause::Rollout { release, after_s }),
                tail,
                blamed_is_live,
            };
        }
        // A rollout began within the same step: which of the two came first is more than the data
        // says.
        if let Some(rollout) = self.first_after(earliest)
            && rollout.started_at <= latest
        {
            let tail = format!(
                " — began within {} of {} going out",
                duration_words(latest.duration_since(earliest)),
                name(rollout)
            );
            // Nobody is blamed, but it is the first thing to try: the undo is offered.
            return Origin {
                cause: None,
                tail,
                blamed_is_live: self.coming().is_none_or(|coming| *coming == rollout.to),
            };
        }
        if let Some(rollout) = self.first_after(onset) {
            return before_rollout(rollout);
        }
        let last = self
            .changes()
            .filter(|rollout| rollout.started_at <= onset)
            .map(|rollout| rollout.started_at)
            .max();
        let tail = match last {
            Some(at) => format!(
                " — no deploy preceded it (the last was {} before)",
                duration_words(onset.duration_since(at))
            ),
            None => " — no deploy preceded it".to_owned(),
        };
        Origin::blameless(Some(Cause::NoRecentRollout), tail)
    }

    /// What is live, or what the rollout in flight brings.
    fn coming(&self) -> Option<&RevisionId> {
        let service = &self.observation.service;
        let live = service.deployed.as_ref();
        service
            .rollout
            .as_ref()
            .map(|rollout| &rollout.record.to)
            .or(live.map(|deployed| &deployed.revision))
    }

    /// What went out after the rollout that is to blame, in words.
    fn since_then(&self) -> String {
        let Some(coming) = self.coming() else {
            return String::new();
        };
        let newest = self
            .changes()
            .filter(|rollout| rollout.to == *coming)
            .max_by_key(|rollout| rollout.started_at);
        match newest {
            Some(rollout) if rollout.outcome.is_in_progress() => {
                format!("; {} is on its way", name(rollout))
            }
            Some(rollout) => format!(
                "; {} went out at {}",
                name(rollout),
                self.clock(rollout.started_at)
            ),
            None => String::new(),
        }
    }

    /// Rollouts that changed what runs; a restart or a redeploy of the same is not one.
    fn changes(&self) -> impl Iterator<Item = &RolloutRecord> {
        let going_on = self
            .observation
            .service
            .rollout
            .as_ref()
            .map(|rollout| &rollout.record)
            .filter(|record| !self.rollouts.iter().any(|known| known.id == record.id));
        self.rollouts
            .iter()
            .chain(going_on)
            .filter(|rollout| rollout.from.as_ref() != Some(&rollout.to))
    }

    /// The first rollout after a moment that could be taken for the cause; going back is the
    /// answer to a degradation, nobody takes it for its cause.
    fn first_after(&self, at: Timestamp) -> Option<&RolloutRecord> {
        let history = History {
            current: None,
            rollouts: self.rollouts,
            judgements: &[],
            runs: &[],
        };
        self.changes()
            .filter(|rollout| rollout.started_at > at)
            .filter(|rollout| {
                rollout
                    .from
                    .as_ref()
                    .is_none_or(|from| !history.is_back(from, &rollout.to))
            })
            .min_by_key(|rollout| rollout.started_at)
    }

    /// Until when a symptom may begin and still be a rollout's doing. One that did not win is
    /// gone when it is over, and cannot have caused what began afterwards.
    fn blame_until(&self, rollout: &RolloutRecord) -> Timestamp {
        match (rollout.outcome, rollout.finished_at) {
            (RolloutOutcome::InProgress, _) => self.now,
            (RolloutOutcome::Succeeded, Some(finished)) => finished + BLAME,
            (RolloutOutcome::Succeeded, None) => rollout.started_at + BLAME,
            (_, finished) => finished.unwrap_or(rollout.started_at + BLAME),
        }
    }

    /// How long after `earliest` it may have begun: a step of the series, and for an alarm its lag.
    fn onset_width(&self, estimate: Option<Timestamp>) -> SignedDuration {
        let step = self.step();
        if estimate.is_some() {
            step
        } else {
            step.max(ALARM_LAG)
        }
    }

    /// The distance of two values of the series.
    fn step(&self) -> SignedDuration {
        SignedDuration::from_secs(self.metrics.error_percent.step_s.max(1))
    }

    /// What is wrong and since when, in words.
    fn what(&self, findings: &[Finding]) -> String {
        let Some(worst) = findings.first() else {
            return String::new();
        };
        let mut text = match &worst.symptom {
            Symptom::Errors { percent } => {
                let slow = findings.iter().find_map(|finding| match finding.symptom {
                    Symptom::Slow { p95_ms, .. } => Some(p95_ms),
                    _ => None,
                });
                match slow {
                    Some(p95_ms) => format!("5xx {percent:.1} %, p95 {p95_ms:.0} ms"),
                    None => format!("5xx {percent:.1} %"),
                }
            }
            Symptom::Slow { p95_ms, normal_ms } => {
                format!("p95 {p95_ms:.0} ms, normally {normal_ms:.0} ms,")
            }
            Symptom::Short { running: 0, .. } => "nothing runs".to_owned(),
            Symptom::Short { running, desired } => format!("{running} of {desired} tasks run"),
            Symptom::Alarm { name } => format!("alarm {name} rings"),
            Symptom::RolloutFailing { .. } => return self.failing_words(worst),
        };
        match worst.onset {
            Some(Onset::Before(reach)) => {
                text.push_str(&format!(" since before {}", self.clock(reach)));
            }
            Some(Onset::Within { earliest, estimate }) => {
                // The alarm's own time is exact; only what it watches began earlier.
                let at = match &worst.symptom {
                    Symptom::Alarm { .. } => earliest + ALARM_LAG,
                    _ => estimate.unwrap_or(earliest),
                };
                text.push_str(&format!(" since {}", self.clock(at)));
            }
            None => {}
        }
        // Errors have their cause there, too, while some do not run.
        if let (Symptom::Short { .. } | Symptom::Errors { .. }, Some(why)) =
            (&worst.symptom, &self.observation.service.shortage)
        {
            text.push_str(&format!("; {why}"));
        }
        text
    }

    fn failing_words(&self, finding: &Finding) -> String {
        let Symptom::RolloutFailing {
            release,
            revision,
            failures,
        } = &finding.symptom
        else {
            return String::new();
        };
        let service = &self.observation.service;
        let name = release.as_deref().unwrap_or_else(|| revision.short());
        let of = service
            .rollout
            .as_ref()
            .and_then(|rollout| rollout.breaker)
            .filter(|breaker| breaker.enabled)
            .map(|breaker| format!(" of {}", breaker.threshold))
            .unwrap_or_default();
        let noun = if *failures == 1 && of.is_empty() {
            "failure"
        } else {
            "failures"
        };
        let rollout = service.rollout.as_ref();
        let serving = rollout
            .and_then(|rollout| rollout.others.iter().find(|side| side.in_service > 0))
            .map(|side| {
                let old = side
                    .release
                    .as_deref()
                    .unwrap_or_else(|| side.revision.short());
                format!("; {old} keeps serving")
            })
            .unwrap_or_default();
        let reason = rollout.and_then(|rollout| rollout.record.reason.as_deref());
        if let Some(rollout) = rollout
            && !rollout.record.outcome.is_in_progress()
        {
            let reason = reason.unwrap_or("the platform says no more");
            return format!("{name} failed{serving}; {reason}");
        }
        let why = rollout.and_then(RolloutProgress::held_up_by);
        let why = why.map_or_else(String::new, |why| format!("; {why}"));
        format!("{name} does not become healthy: {failures}{of} {noun}{serving}{why}")
    }

    /// `13:53`, with the date when it was not today.
    fn clock(&self, at: Timestamp) -> String {
        let at = at.to_zoned(self.zone.clone());
        let now = self.now.to_zoned(self.zone.clone());
        if at.date() == now.date() {
            at.strftime("%H:%M").to_string()
        } else {
            at.strftime("%Y-%m-%d %H:%M").to_string()
        }
    }
}

fn before_rollout(rollout: &RolloutRecord) -> Origin {
    let release = name(rollout);
    let tail = format!(" — began before {release} went out");
    Origin::blameless(Some(Cause::BeforeRollout { release }), tail)
}

fn name(rollout: &RolloutRecord) -> String {
    rollout
        .release
        .clone()
        .unwrap_or_else(|| rollout.to.short().to_owned())
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().max(0)
}
