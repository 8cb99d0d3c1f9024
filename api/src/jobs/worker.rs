//! The worker: takes jobs from the queue, shows that it lives while it works on them, and
//! gives them back when it has to stop.

use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::generate::attempt;
use super::{Ending, Hold, Job, JobState, old};
use crate::app::App;
use crate::calls::Calls;
use crate::otlp::AttemptSpan;
use crate::storage::StoreError;
use crate::trace::Parent;

/// A running job shows a sign of life at least this often, so that it soon hears that it
/// was called off elsewhere.
const BEAT_MAX: Duration = Duration::from_secs(2);
/// How many signs of life fit into a lease: two may fail without harm.
const BEATS_PER_LEASE: u32 = 3;
/// The longest pause while the database is away.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long a worker that stops tries to give its jobs back; else their leases end.
const HAND_BACK_TIME_MAX: Duration = Duration::from_secs(3);

/// The workers of this process.
pub(crate) struct Workers {
    tasks: JoinSet<()>,
    stopping: CancellationToken,
}

impl Workers {
    /// Starts as many as the settings ask for; none where this process is not to work.
    pub(crate) fn start(app: &App) -> Self {
        let stopping = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let settings = &app.generation;
        if settings.worker {
            tracing::info!(
                concurrency = settings.concurrency,
                lease_ms = settings.lease.as_millis() as u64,
                "working on jobs"
            );
            for _ in 0..settings.concurrency {
                tasks.spawn(work(app.clone(), stopping.clone()));
            }
            if let Some(kept) = settings.jobs_kept {
                tasks.spawn(old::remove(app.clone(), kept, stopping.clone()));
            }
        }
        Self { tasks, stopping }
    }

    /// Takes no more jobs and gives back those at hand, at once.
    pub(crate) async fn stop(mut self) {
        self.stopping.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(HAND_BACK_TIME_MAX, ended).await.is_err() {
            tracing::warn!("jobs were not given back in time; their leases will end");
        }
    }
}

/// Works until it is told to stop.
async fn work(app: App, stopping: CancellationToken) {
    tokio::select! {
        () = app.schema_is_up() => {}
        () = stopping.cancelled() => return,
    }
    let mut failures = 0;
    while !stopping.is_cancelled() {
        let claim = Uuid::now_v7();
        match app.store.claim_job(claim, app.generation.lease).await {
            Ok(claimed) => {
                failures = 0;
                for job in &claimed.ended {
                    tracing::warn!(job = %job.id, state = job.state.name(), "a job has ended without its worker");
                    app.metrics.jobs.finished(job.state);
                }
                if !claimed.ended.is_empty() || claimed.job.is_some() {
                    app.signals.changed.notify_waiters();
                }
                match claimed.job {
                    // Another worker of this process may find one too.
                    Some(job) => {
                        app.signals.due.notify_one();
                        work_on(&app, &job, claim, &stopping).await;
                    }
                    None => rest(&app, spread(app.generation.poll), &stopping).await,
                }
            }
            Err(error) => {
                failures += 1;
                // Once for each time that it goes away.
                if failures == 1 {
                    tracing::warn!(%error, "cannot take a job");
                }
                let pause = app.generation.poll * 2_u32.pow(failures.min(6));
                rest(&app, spread(pause.min(PAUSE_MAX)), &stopping).await;
            }
        }
    }
}

/// Waits for the time, a job of this process, or the end.
async fn rest(app: &App, time: Duration, stopping: &CancellationToken) {
    tokio::select! {
        () = sleep(time) => {}
        () = app.signals.due.notified() => {}
        () = stopping.cancelled() => {}
    }
}

/// So that the workers of many processes do not look at the same moments: from three quarters
/// of the time to all of it.
fn spread(time: Duration) -> Duration {
    let share = f64::from(Uuid::new_v4().as_u128() as u8) / 255.0;
    time.mul_f64(1.0 - share / 4.0)
}

/// Makes one attempt at a job, as a part of the trace that the job was made in.
async fn work_on(app: &App, job: &Job, claim: Uuid, stopping: &CancellationToken) {
    let started = SystemTime::now();
    let parent = job.traceparent.as_deref().and_then(Parent::from_text);
    let traces = app.traces.as_ref();
    let trail = traces.and_then(|traces| traces.trail(&job.trace_id, parent.as_ref()));
    let calls = trail.map_or_else(Calls::default, Calls::traced);
    let work = attempt_and_end(app, job, claim, stopping);
    let ended = calls.clone().scope(work).await;
    if let (Some(traces), Some(trail)) = (traces, calls.trail()) {
        let error = match &ended {
            None => Some("lost to another worker"),
            Some(ended) if ended.state == JobState::Succeeded => None,
            Some(ended) => ended.last_error.as_deref(),
        };
        traces.record_attempt(&AttemptSpan {
            trail,
            parent: parent.as_ref(),
            job_id: job.id.to_string(),
            attempt: job.attempt,
            started,
            state: ended.as_ref().map(|ended| ended.state.name()),
            error,
        });
    }
}

/// Makes one attempt at a job and says how it ended. The job as it is then; nothing where that
/// is another worker's to say.
async fn attempt_and_end(
    app: &App,
    job: &Job,
    claim: Uuid,
    stopping: &CancellationToken,
) -> Option<Job> {
    let ending = tokio::select! {
        ending = attempt(app, job, claim) => ending,
        ending = watch(app, job, claim) => ending,
        () = stopping.cancelled() => Some(Ending::HandedBack),
    };
    let Some(ending) = ending else {
        app.metrics.jobs.lost();
        tracing::warn!(job = %job.id, attempt = job.attempt, "a job was lost to another worker");
        return None;
    };
    let outcome = end(app, job, claim, &ending).await;
    match &outcome {
        Ok(Some(ended)) => {
            app.metrics.jobs.attempt(&ending, ended);
            tracing::info!(
                job = %ended.id,
                state = ended.state.name(),
                attempt = job.attempt,
                error = ended.last_error.as_deref().filter(|_| !matches!(ending, Ending::Succeeded(_))),
                trace_id = job.trace_id,
                "attempt ended"
            );
        }
        Ok(None) => {
            app.metrics.jobs.lost();
            tracing::warn!(job = %job.id, "another worker has ended this job");
        }
        Err(error) => {
            tracing::warn!(job = %job.id, %error, "cannot say how a job ended; its lease will end");
        }
    }
    app.signals.changed.notify_waiters();
    outcome.ok().flatten()
}

/// Tries until the lease is over: what was generated is paid for.
async fn end(
    app: &App,
    job: &Job,
    claim: Uuid,
    ending: &Ending,
) -> Result<Option<Job>, StoreError> {
    const PAUSE: Duration = Duration::from_millis(250);
    let deadline = Instant::now() + app.generation.lease;
    loop {
        match app.store.end_attempt(job.id, claim, ending).await {
            Err(StoreError::Unavailable { .. }) if Instant::now() < deadline => {
                sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Shows signs of life. Ends when the job is not ours any more: it was called off, it was
/// lost, or the lease passed while the database was away.
async fn watch(app: &App, job: &Job, claim: Uuid) -> Option<Ending> {
    let lease = app.generation.lease;
    let mut beat = interval((lease / BEATS_PER_LEASE).min(BEAT_MAX));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first one comes at once, and the claim has just been made.
    beat.tick().await;
    let mut held_until = Instant::now() + lease;
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = app.signals.cancelled.notified() => {}
        }
        let asked = Instant::now();
        match app.store.hold_job(job.id, claim, lease, None).await {
            Ok(Hold::Held) => held_until = asked + lease,
            Ok(Hold::CancelRequested) => return Some(Ending::Cancelled),
            Ok(Hold::Lost) => return None,
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "cannot show a sign of life");
                if Instant::now() >= held_until {
                    return None;
                }
            }
        }
    }
}
