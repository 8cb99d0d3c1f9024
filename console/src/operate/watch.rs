//! Watching a run until the platform says how it ended, or its time is up.
//!
//! Trouble in looking (throttling, no network, expired credentials) never ends the watch: the
//! rollout goes on without us, and so does the lock's renewal as soon as we can again.

use super::{RunState, executor::Inner, known_good::History, lock::Lock};
use crate::{
    model::{
        Action, Change, EnvironmentName, Judgement, Plan, RolloutOutcome, RolloutProgress,
        RolloutTicket, RunOutcome, Verdict,
    },
    platform::{Permit, Platform, PlatformError},
    store::StoreError,
};
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the audit gets a sign of life; [`super::resume`] waits for several of them.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);

/// Letting the lock go and writing the last record must not hold up the outcome longer.
const FAREWELL: Duration = Duration::from_secs(5);

/// Attempts to write the outcome: another console's long transaction passes, a full disk may not.
const FINISH_ATTEMPTS: u32 = 3;

/// The interval grows with the rollout's age, so that a long bake costs few calls.
const AGE_PER_INTERVAL: u32 = 30;

/// One run's watch.
pub(super) struct Watch {
    pub inner: Arc<Inner>,
    pub platform: Arc<dyn Platform>,
    pub plan: Arc<Plan>,
    pub ticket: RolloutTicket,
    pub permit: Permit,
    pub lock: Option<Lock>,
    pub deadline: Timestamp,
    pub state: watch::Sender<RunState>,
    pub left: CancellationToken,
}

impl Watch {
    /// Watches to the end; everything that must happen at the end happens in here.
    pub async fn run(mut self) {
        let left = self.left.clone();
        let outcome = tokio::select! {
            biased;
            () = left.cancelled() => None,
            outcome = self.until_outcome() => Some(outcome),
        };
        match outcome {
            Some(outcome) => self.finish(outcome).await,
            None => self.leave().await,
        }
    }

    async fn until_outcome(&mut self) -> RunOutcome {
        let settings = self.inner.settings.clone();
        let begun = tokio::time::Instant::now();
        let mut beat = begun;
        let mut renewed = begun;
        let mut failures: u32 = 0;
        loop {
            let pause = match self.platform.progress(&self.ticket).await {
                Ok(progress) => {
                    failures = 0;
                    if let Some(outcome) = self.judge(progress).await {
                        return outcome;
                    }
                    (begun.elapsed() / AGE_PER_INTERVAL).clamp(settings.poll_min, settings.poll_max)
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.trouble(out_of_sight(&error));
                    back_off(&error, failures, settings.poll_min, settings.poll_max)
                }
            };
            let now = self.inner.now();
            if now >= self.deadline {
                let after = now.duration_since(self.state.borrow().started_at);
                return RunOutcome::TimedOut {
                    after_s: u64::try_from(after.as_secs()).unwrap_or_default(),
                };
            }
            if beat.elapsed() >= HEARTBEAT {
                beat = tokio::time::Instant::now();
                if let Err(error) = self.inner.store.heartbeat(self.permit.run(), now).await {
                    self.trouble(error.to_string());
                }
            }
            if renewed.elapsed() >= settings.lock_ttl / 3 {
                renewed = tokio::time::Instant::now();
                self.renew(now).await;
            }
            let until_deadline =
                Duration::try_from(self.deadline.duration_since(now)).unwrap_or_default();
            tokio::time::sleep(pause.min(until_deadline)).await;
        }
    }

    /// Takes in what the platform reports; `Some` when it is over.
    async fn judge(&mut self, progress: RolloutProgress) -> Option<RunOutcome> {
        let record = progress.record.clone();
        // The platform names our rollout a moment after it took the change; a console that
        // resumes this run should find it by name.
        if self.ticket.rollout.is_none() && !record.id.as_str().is_empty() {
            self.ticket.rollout = Some(record.id.clone());
            let recorded = self
                .inner
                .store
                .record_ticket(self.permit.run(), &self.ticket)
                .await;
            if let Err(error) = recorded {
                self.trouble(error.to_string());
            }
        }
        let stops = matches!(self.plan.prepared.change, Change::StopRollout { .. });
        // ECS still calls the side that is stopped ours; Kubernetes the one that comes back.
        let stopped = self.plan.from.as_ref().map(|from| &from.deployed.revision);
        let ours_leaves = stops && stopped.is_none_or(|stopped| *stopped == progress.ours.revision);
        self.state.send_modify(|state| {
            state.trouble = None;
            state.follow(progress, ours_leaves);
        });
        let reason = record
            .reason
            .clone()
            .unwrap_or_else(|| format!("the platform says {} and no more", record.outcome.word()));
        match record.outcome {
            RolloutOutcome::InProgress => None,
            // Asked to go back, going back is what was asked; "stopped" alone does not say it.
            RolloutOutcome::RolledBack if stops => Some(RunOutcome::Done),
            RolloutOutcome::Stopped if stops => self.gone_back(reason).await,
            RolloutOutcome::Succeeded if stops => Some(RunOutcome::Failed {
                reason: "the rollout was over before it could be stopped, and is live".to_owned(),
            }),
            RolloutOutcome::Succeeded => Some(RunOutcome::Done),
            RolloutOutcome::RolledBack => Some(RunOutcome::RolledBack { reason }),
            RolloutOutcome::Failed => Some(RunOutcome::Failed { reason }),
            RolloutOutcome::Stopped => Some(RunOutcome::Stopped { reason }),
            RolloutOutcome::Superseded => Some(RunOutcome::Superseded { by: reason }),
        }
    }

    /// "Stopped" alone does not say what runs now: look. `None` while that cannot be told.
    async fn gone_back(&mut self, reason: String) -> Option<RunOutcome> {
        let stopped = self.plan.from.as_ref().map(|from| &from.deployed.revision);
        match self.platform.observe().await {
            Ok(observation) => {
                let live = observation.service.deployed?.revision;
                Some(if stopped == Some(&live) {
                    RunOutcome::Failed {
                        reason: format!("{} was stopped and still runs: {reason}", live.short()),
                    }
                } else {
                    RunOutcome::Done
                })
            }
            Err(error) => {
                self.trouble(error.to_string());
                None
            }
        }
    }

    async fn renew(&mut self, now: Timestamp) {
        let Some(lock) = &self.lock else { return };
        let expires_at = now + signed(self.inner.settings.lock_ttl);
        match lock.renew(&self.permit, expires_at).await {
            Ok(Some(record)) => self.state.send_modify(|state| state.lock = Some(record)),
            Ok(None) => {
                self.lock = None;
                self.state.send_modify(|state| state.lock = None);
                self.trouble("somebody took the lock over; only watching now".to_owned());
            }
            Err(error) => self.trouble(format!("the lock could not be renewed: {error}")),
        }
    }

    /// Audit, judgement, lock, and only then the word: whoever sees the outcome may rely on them.
    async fn finish(mut self, outcome: RunOutcome) {
        let at = self.ended_at(&outcome);
        let run = self.permit.run().clone();
        for attempt in 1..=FINISH_ATTEMPTS {
            match self.inner.store.finish_run(&run, &outcome, at).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!(%run, %error, "the outcome could not be recorded");
                    self.trouble(error.to_string());
                    // A disk that is full stays full; what waits for a lock is worth another try.
                    if attempt == FINISH_ATTEMPTS || !matches!(error, StoreError::Database { .. }) {
                        break;
                    }
                }
            }
        }
        let goes_back = self.goes_back().await;
        if let Some(judgement) = judgement(&self.plan, goes_back, &outcome, &run, at)
            && let Err(error) = self.inner.store.judge(&judgement).await
        {
            tracing::error!(%run, %error, "the judgement could not be recorded");
        }
        self.release().await;
        self.inner.forget(&run);
        self.state.send_modify(|state| {
            state.lock = None;
            state.end(outcome, at);
        });
    }

    /// When it was over: a run that is resumed may have ended long before somebody looked.
    fn ended_at(&self, outcome: &RunOutcome) -> Timestamp {
        let now = self.inner.now();
        let state = self.state.borrow();
        let told = state
            .progress
            .as_ref()
            .and_then(|progress| progress.record.finished_at)
            .filter(|_| !matches!(outcome, RunOutcome::TimedOut { .. }));
        told.map_or(now, |at| at.clamp(state.started_at.min(now), now))
    }

    /// Whether the plan went to an older revision. One that the operator chose may be newer; where
    /// that cannot be told it counts as going back.
    async fn goes_back(&self) -> bool {
        let (Some(from), Some(to)) = (&self.plan.from, &self.plan.to) else {
            return false;
        };
        if !matches!(self.plan.action, Action::Rollback { to: Some(_) }) {
            return true;
        }
        match tokio::time::timeout(FAREWELL, self.platform.rollouts()).await {
            Ok(Ok(rollouts)) => History {
                current: None,
                rollouts: &rollouts,
                judgements: &[],
                runs: &[],
            }
            .is_back(&from.deployed.revision, &to.deployed.revision),
            _ => true,
        }
    }

    /// The console quits: the next one goes on.
    async fn leave(mut self) {
        self.release().await;
        let run = self.permit.run().clone();
        if let Err(error) = self.inner.store.leave_run(&run).await {
            tracing::error!(%run, %error, "the run could not be left to the next console");
        }
        self.inner.forget(&run);
        self.state.send_modify(|state| state.lock = None);
    }

    async fn release(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        let released = tokio::time::timeout(FAREWELL, lock.release(&self.permit)).await;
        let failure = match released {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "nobody answered in time".to_owned(),
        };
        tracing::warn!(
            place = lock.place(),
            failure,
            "the lock could not be let go; it will run out"
        );
    }

    fn trouble(&self, trouble: String) {
        self.state
            .send_modify(|state| state.trouble = Some(trouble));
    }
}

/// What a finished run holds against the revision it went away from.
fn judgement(
    plan: &Plan,
    goes_back: bool,
    outcome: &RunOutcome,
    run: &crate::model::RunId,
    at: Timestamp,
) -> Option<Judgement> {
    // One that timed out may still come to its end; the operator wanted away all the same.
    let went = matches!(outcome, RunOutcome::Done | RunOutcome::TimedOut { .. });
    if !went || !matches!(plan.action, Action::Rollback { .. }) {
        return None;
    }
    let from = &plan.from.as_ref()?.deployed;
    let to = plan.to.as_ref().map(|side| side.deployed.name().to_owned());
    let verdict = match plan.prepared.change {
        Change::StopRollout { .. } => Verdict::Stopped,
        Change::ToRevision { .. } if goes_back => Verdict::RolledAway,
        _ => return None,
    };
    let environment: EnvironmentName = plan.environment.clone();
    Some(Judgement {
        environment,
        revision: from.revision.clone(),
        digest: from.digest.clone(),
        verdict,
        detail: match to {
            Some(to) => format!("{} went back to {to}", plan.author.name),
            None => format!("{} went back", plan.author.name),
        },
        by: Some(plan.author.clone()),
        run: Some(run.clone()),
        at,
    })
}

/// What to say while nothing can be seen of a change that was sent.
fn out_of_sight(error: &PlatformError) -> String {
    match error {
        PlatformError::Unreachable { endpoint, cause } => {
            format!("cannot reach {endpoint}: {cause}; the rollout goes on, and we look again")
        }
        error => error.to_string(),
    }
}

/// When to look again after a failure: as the platform asks, else doubling, with a jitter that
/// keeps several consoles from coming back at once.
fn back_off(error: &PlatformError, failures: u32, min: Duration, max: Duration) -> Duration {
    let doubled = min.saturating_mul(1 << failures.min(10)).min(max);
    let asked = match error {
        PlatformError::Throttled { retry_after, .. } => *retry_after,
        _ => Duration::ZERO,
    };
    let jitter = uuid::Uuid::new_v4().as_bytes()[0];
    asked.max(doubled).mul_f64(1.0 + f64::from(jitter) / 1024.0)
}

pub(super) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
