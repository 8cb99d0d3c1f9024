//! What tasks tell the screens.

use super::exchange::{
    cost::CostReply, history::HistoryReply, logs::LogsReply, releases::ReleasesReply,
};
use crate::{
    model::{
        Amount, Assessment, Caller, EnvironmentName, Metrics, Observation, Plan, RawLogEvent,
        RolloutRecord, RunId,
    },
    operate::{Gate, RunState},
    platform::{Capabilities, PlatformError},
    store::Seen,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Ties an answer to its question: every question gets a new one, and an answer whose generation
/// is not the asker's newest is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Generation(u64);

impl Generation {
    /// One that nobody has had.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// One message of a task. All screens of the stack see each; most ignore most.
#[derive(Debug)]
pub enum Message {
    /// News of one environment, for the world.
    World(EnvironmentName, Box<News>),
    /// A run changed: ours, or one found unfinished at the start.
    Run(RunId, Arc<Plan>, Box<RunState>),
    /// A plan is made, or cannot be.
    Planned(Generation, Result<(Arc<Plan>, Gate), Refusal>),
    /// A confirmed plan began, or was refused.
    Started(Generation, Result<RunId, Refusal>),
    /// Lines for [`super::effect::Effect::Tail`].
    Tail(Generation, Result<Vec<RawLogEvent>, PlatformError>),
    /// Something to say at the foot of the screen.
    Notice(super::effect::Level, String),
    /// Something that could not be opened and is to be copied instead.
    Copy {
        /// The text.
        text: String,
        /// What it is, for the notice.
        what: String,
    },
    /// For the Logs screen.
    Logs(Generation, LogsReply),
    /// For the Releases screen and the deploy picker.
    Releases(Generation, ReleasesReply),
    /// For the Cost screen.
    Cost(Generation, CostReply),
    /// For the History screen.
    History(Generation, HistoryReply),
}

/// Why a change was not planned or begun, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The whole text, with the way out.
    pub text: String,
}

impl<E: std::error::Error> From<&E> for Refusal {
    fn from(error: &E) -> Self {
        Self {
            text: error.to_string(),
        }
    }
}

/// News of one environment.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a message holds it in a box, whole"
)]
pub enum News {
    /// Its platform is there; what it can do.
    Connected(Capabilities),
    /// What the store remembers, and the judgement on it as of then.
    Cached(Box<Seen>, Option<Assessment>),
    /// A look at the service, or why it failed.
    Observed(Result<Observation, PlatformError>),
    /// Measured series, or why there are none.
    Measured(Result<Metrics, PlatformError>),
    /// Its rollouts, newest first.
    Rollouts(Result<Vec<RolloutRecord>, PlatformError>),
    /// The judgement on all of that.
    Assessed(Assessment),
    /// What it costs a month.
    Priced(Result<Amount, PlatformError>),
    /// Whom the platform takes us for.
    Caller(Result<Caller, PlatformError>),
}
