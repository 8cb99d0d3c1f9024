//! What `/metrics` shows of jobs.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounter, IntCounterVec, Opts};

use super::{Ending, Job, JobState, Queue};

/// The measures of jobs, of this process except for the queue, which all share.
pub(crate) struct JobMeasures {
    /// Both without a value while the database cannot be asked.
    depth: GaugeVec,
    oldest_seconds: GaugeVec,
    attempts: IntCounterVec,
    finished: IntCounterVec,
    content_generated: IntCounter,
    removed: IntCounter,
}

impl JobMeasures {
    /// # Errors
    /// Never: the names are constants.
    pub(crate) fn new() -> prometheus::Result<Self> {
        Ok(Self {
            depth: GaugeVec::new(
                Opts::new(
                    "opsconsole_api_jobs",
                    "Jobs that wait or run, in the queue that all processes share.",
                ),
                &["state"],
            )?,
            oldest_seconds: GaugeVec::new(
                Opts::new(
                    "opsconsole_api_job_oldest_age_seconds",
                    "How long the oldest waiting job has been there.",
                ),
                &["state"],
            )?,
            attempts: IntCounterVec::new(
                Opts::new(
                    "opsconsole_api_job_attempts_total",
                    "Attempts at jobs that this process has ended, by outcome.",
                ),
                &["outcome"],
            )?,
            finished: IntCounterVec::new(
                Opts::new(
                    "opsconsole_api_jobs_finished_total",
                    "Jobs that this process has brought to their end, by state.",
                ),
                &["state"],
            )?,
            content_generated: IntCounter::new(
                "opsconsole_api_content_generated_total",
                "Texts generated and stored since the start.",
            )?,
            removed: IntCounter::new(
                "opsconsole_api_jobs_removed_total",
                "Jobs that this process has removed because they were over for long.",
            )?,
        })
    }

    /// What the registry is given.
    pub(crate) fn collectors(&self) -> [Box<dyn Collector>; 6] {
        [
            Box::new(self.depth.clone()),
            Box::new(self.oldest_seconds.clone()),
            Box::new(self.attempts.clone()),
            Box::new(self.finished.clone()),
            Box::new(self.content_generated.clone()),
            Box::new(self.removed.clone()),
        ]
    }

    /// Shows what the queue was found to hold, or nothing.
    pub(crate) fn show(&self, queue: Option<Queue>) {
        self.depth.reset();
        self.oldest_seconds.reset();
        let Some(queue) = queue else { return };
        for (state, count) in [("queued", queue.queued), ("running", queue.running)] {
            self.depth.with_label_values(&[state]).set(count as f64);
        }
        let oldest = Duration::from_millis(u64::try_from(queue.oldest_ms).unwrap_or_default());
        self.oldest_seconds
            .with_label_values(&["queued"])
            .set(oldest.as_secs_f64());
    }

    /// Counts an attempt that has ended so.
    pub(crate) fn attempt(&self, ending: &Ending, job: &Job) {
        let outcome = match ending {
            Ending::Succeeded(_) => "succeeded",
            Ending::Retry { .. } => "retry",
            Ending::Dead { .. } => "dead",
            Ending::Cancelled => "cancelled",
            Ending::HandedBack => "handed_back",
        };
        self.attempts.with_label_values(&[outcome]).inc();
        if matches!(ending, Ending::Succeeded(_)) {
            self.content_generated.inc();
        }
        self.finished(job.state);
    }

    /// Counts a job that has come to its end.
    pub(crate) fn finished(&self, state: JobState) {
        if state.is_final() {
            self.finished.with_label_values(&[state.name()]).inc();
        }
    }

    /// Counts jobs that were removed for their age.
    pub(crate) fn removed(&self, number: u64) {
        self.removed.inc_by(number);
    }

    /// Counts a claim that was lost to another worker.
    pub(crate) fn lost(&self) {
        self.attempts.with_label_values(&["lost"]).inc();
    }
}
