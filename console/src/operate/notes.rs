//! What looks at an environment hold against the revision that was live: noted while the console
//! watches, and computed again from the metrics for what happened while it did not.

use super::{
    assess::{Assessed, assess},
    known_good::History,
    signals::{self, error_limit, slow_limit, values_between},
};
use crate::model::{
    AlarmState, Cause, EnvironmentName, Judgement, Metrics, Observation, RolloutOutcome,
    RolloutRecord, Symptom, Verdict,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// After going away from a bad revision its alarm still rings on the old values, and its last
/// requests still count: so long nothing is held against the one that follows.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(5);

/// The rollouts and judgements known when a look is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub environment: &'a EnvironmentName,
    pub rollouts: &'a [RolloutRecord],
    pub judgements: &'a [Judgement],
    pub now: Timestamp,
}

/// A stretch in which one revision was live.
struct Reign<'a> {
    rollout: &'a RolloutRecord,
    /// Until then: the next rollout's beginning, or now.
    end: Timestamp,
    /// It followed a revision that something is held against, or was a way back.
    follows_bad: bool,
}

impl Known<'_> {
    /// All that this look holds against revisions.
    pub fn held_against(
        &self,
        observation: &Observation,
        metrics: Option<&Metrics>,
    ) -> Vec<Judgement> {
        let mut found = self.by_alarms(observation);
        if let Some(metrics) = metrics {
            found.extend(self.by_metrics(metrics));
            found.extend(self.by_blame(observation, metrics));
        }
        found
    }

    /// A revision that the assessment blames is condemned even where it was live too briefly for
    /// its alarm to ring.
    fn by_blame(&self, observation: &Observation, metrics: &Metrics) -> Option<Judgement> {
        let assessment = assess(Assessed {
            observation,
            metrics,
            rollouts: self.rollouts,
            judgements: self.judgements,
            now: self.now,
            zone: &TimeZone::UTC,
        });
        let Some(Cause::Rollout { release, .. }) = &assessment.cause else {
            return None;
        };
        let symptom = assessment.symptoms.first()?;
        if !matches!(symptom, Symptom::Errors { .. } | Symptom::Slow { .. }) {
            return None;
        }
        let reigns = self.reigns();
        let reign = reigns.iter().rfind(|reign| {
            let rollout = reign.rollout;
            rollout.release.as_deref().unwrap_or(rollout.to.short()) == release
        })?;
        // New tasks of a good release are slow at first, and what was there before still shows.
        if reign.follows_bad && self.now < reign.live_at() + AFTERMATH {
            return None;
        }
        Some(self.alarmed(reign.rollout, self.now, assessment.sentence))
    }

    /// What the alarms of this look hold against the revision that was live when they rang.
    pub(super) fn by_alarms(&self, observation: &Observation) -> Vec<Judgement> {
        let reigns = self.reigns();
        observation
            .service
            .alarms
            .iter()
            .filter(|alarm| alarm.state == AlarmState::Alarm)
            .filter_map(|alarm| {
                let since = alarm.since?;
                let reign = reigns
                    .iter()
                    .rfind(|reign| reign.rollout.started_at <= since && since < reign.end)?;
                let persists = observation.at >= reign.live_at() + AFTERMATH * 2
                    && observation.at <= reign.end;
                let inherited =
                    reign.follows_bad && since < reign.live_at() + AFTERMATH && !persists;
                (!inherited).then(|| {
                    self.alarmed(reign.rollout, since, format!("alarm {} rang", alarm.name))
                })
            })
            .collect()
    }

    /// What the series hold against revisions that were live within them.
    pub(super) fn by_metrics(&self, metrics: &Metrics) -> Vec<Judgement> {
        self.reigns()
            .iter()
            .filter_map(|reign| {
                raised(reign, metrics)
                    .map(|detail| self.alarmed(reign.rollout, reign.end.min(self.now), detail))
            })
            .collect()
    }

    fn alarmed(&self, rollout: &RolloutRecord, at: Timestamp, detail: String) -> Judgement {
        Judgement {
            environment: self.environment.clone(),
            revision: rollout.to.clone(),
            digest: rollout.digest.clone(),
            verdict: Verdict::Alarmed,
            detail,
            by: None,
            run: None,
            at,
        }
    }

    /// Oldest first.
    fn reigns(&self) -> Vec<Reign<'_>> {
        let mut order: Vec<&RolloutRecord> = self.rollouts.iter().collect();
        order.sort_by_key(|rollout| rollout.started_at);
        let history = History {
            current: None,
            rollouts: self.rollouts,
            judgements: self.judgements,
            runs: &[],
        };
        let mut before: Option<&RolloutRecord> = None;
        let mut reigns = Vec::new();
        for (index, rollout) in order.iter().enumerate() {
            if rollout.outcome != RolloutOutcome::Succeeded {
                continue;
            }
            let follows_bad = before.is_some_and(|before| {
                history.is_back(&before.to, &rollout.to)
                    || self
                        .judgements
                        .iter()
                        .any(|judgement| judgement.revision == before.to)
            });
            let end = order
                .get(index + 1)
                .map_or(self.now, |next| next.started_at);
            reigns.push(Reign {
                rollout,
                end,
                follows_bad,
            });
            before = Some(rollout);
        }
        reigns
    }
}

impl Reign<'_> {
    /// When the revision was wholly live.
    fn live_at(&self) -> Timestamp {
        self.rollout.finished_at.unwrap_or(self.rollout.started_at)
    }
}

/// Whether errors or latency were raised for most of a reign, in words.
fn raised(reign: &Reign<'_>, metrics: &Metrics) -> Option<String> {
    let begin = |step_s: i64| {
        if reign.follows_bad {
            reign.live_at() + SignedDuration::from_secs(step_s * 2)
        } else {
            reign.rollout.started_at
        }
    };
    let series = &metrics.error_percent;
    if let Some(normal) = signals::normal(series) {
        let values = values_between(series, begin(series.step_s), reign.end);
        if let Some(mean) = mostly_above(&values, error_limit(normal)) {
            return Some(format!("5xx {mean:.1} %"));
        }
    }
    let series = &metrics.p95_ms;
    if let Some(normal) = signals::normal(series) {
        let values = values_between(series, begin(series.step_s), reign.end);
        if let Some(mean) = mostly_above(&values, slow_limit(normal)) {
            return Some(format!("p95 {mean:.0} ms, normally {normal:.0} ms"));
        }
    }
    None
}

/// The mean of the values above the limit, if they are most of them, at least two, and the last is
/// one of them: a release that begins badly and mends itself is not condemned.
fn mostly_above(values: &[f64], limit: f64) -> Option<f64> {
    let above: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| *value > limit)
        .collect();
    let most = above.len() * 2 > values.len() && above.len() >= 2;
    let last = values.last().is_some_and(|value| *value > limit);
    (most && last).then(|| above.iter().sum::<f64>() / above.len() as f64)
}
