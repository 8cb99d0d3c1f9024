//! Everything that is read of an environment before a plan is made, and what it says of the past.

use super::{
    OperateError,
    assess::{Assessed, assess},
    executor::Inner,
    known_good::History,
    notes::Known,
};
use crate::{
    model::{
        Assessment, Judgement, Metrics, Observation, RevisionId, RolloutOutcome, RolloutRecord,
        Window,
    },
    platform::Environment,
    store::{HistoryQuery, RunRecord},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// How far back metrics are read to judge who was live when errors rose.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(3);

/// So many of our own runs are read for the record; the platform knows the rest.
pub(super) const RUNS_READ: u32 = 200;

/// Everything read of an environment before a plan is made.
pub(super) struct Facts {
    pub observation: Observation,
    pub metrics: Metrics,
    pub rollouts: Vec<RolloutRecord>,
    pub judgements: Vec<Judgement>,
    pub runs: Vec<RunRecord>,
    pub now: Timestamp,
}

impl Facts {
    pub async fn read(inner: &Inner, environment: &Environment) -> Result<Self, OperateError> {
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
        // A record that cannot be read must not make a bad revision look good; without a store at
        // all nothing can be executed, and a plan may still be looked at.
        let mut judgements = match judgements {
            Ok(judgements) => judgements,
            Err(error) if inner.store.check_writable().is_ok() => return Err(error.into()),
            Err(_) => Vec::new(),
        };
        let known = Known {
            environment: name,
            rollouts: &rollouts,
            judgements: &judgements,
            now,
        };
        let found = known.held_against(&observation, Some(&metrics));
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
    pub fn rollout_of(&self, revision: &RevisionId) -> Option<&RolloutRecord> {
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

    pub fn assess(&self) -> Assessment {
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
