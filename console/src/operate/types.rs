//! What passes between those who ask for a change and the executor.

use crate::{
    model::{EnvironmentName, LockRecord, Plan, RolloutProgress, RunId, RunOutcome, Stage},
    platform::PlatformError,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::watch;

/// What must be given before a plan is executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Gate {
    /// A yes.
    Confirm,
    /// The environment's name, typed.
    TypeName,
    /// A freeze is on, a stale lock is in the way, or the change leaves somebody else's record
    /// untrue: only a reason, typed, passes (and is audited loudly). The guard below it still
    /// applies.
    BreakGlass {
        /// What is in the way.
        why: String,
        /// Whether the environment's name must be typed as well.
        type_name: bool,
    },
    /// Nothing passes.
    Refused {
        /// Why.
        why: String,
        /// The way out.
        remedy: String,
    },
}

/// What the operator gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// A yes (`--yes`, Enter on the button).
    pub yes: bool,
    /// The environment's name as typed (`--confirm prod`).
    pub typed_name: Option<String>,
    /// The reason to break the glass.
    pub break_glass: Option<String>,
}

/// How a run is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// The watcher gives up after so long (`--timeout`); the rollout may go on.
    pub timeout: std::time::Duration,
    /// False for `--no-wait`: the lock is let go once the change is sent, and the next console
    /// that starts records how it ended.
    pub watch: bool,
}

impl Default for RunOptions {
    /// Half an hour: ECS gives up health checks and bakes alarms well within it.
    fn default() -> Self {
        Self {
            timeout: std::time::Duration::from_secs(30 * 60),
            watch: true,
        }
    }
}

/// A run that the executor watches. Dropping the handle does not end the run's watcher.
#[derive(Clone, Debug)]
pub struct RunHandle {
    /// The run.
    pub id: RunId,
    /// What is being done.
    pub plan: Arc<Plan>,
    /// How it stands; the last value has an outcome.
    pub state: watch::Receiver<RunState>,
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// When it was confirmed.
    pub started_at: Timestamp,
    /// `planned`, `confirmed`, `locked`, `sent`, `new tasks`, `draining`, `stable`, in order.
    pub stages: Vec<Stage>,
    /// The platform's view, once sent.
    pub progress: Option<RolloutProgress>,
    /// The lock it holds.
    pub lock: Option<LockRecord>,
    /// Trouble in watching that does not end the run: `throttled, trying again`.
    pub trouble: Option<String>,
    /// Set when it is over.
    pub outcome: Option<RunOutcome>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

/// Why a change was not even begun.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// There is no such environment.
    #[error("there is no environment {name}{}", nearest.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    NoEnvironment {
        /// As given.
        name: EnvironmentName,
        /// The nearest name.
        nearest: Option<EnvironmentName>,
    },
    /// Guard, freeze, read-only, missing confirmation, blocker.
    #[error("refused: {why}. {remedy}")]
    Refused {
        /// Why.
        why: String,
        /// The way out.
        remedy: String,
    },
    /// Somebody holds the lock.
    #[error(
        "{environment} is locked by {owner} for \"{purpose}\" until {until}. Wait, or ask them"
    )]
    Locked {
        /// Where.
        environment: EnvironmentName,
        /// Who.
        owner: String,
        /// What for.
        purpose: String,
        /// Until when.
        until: Timestamp,
    },
    /// The audit record could not be written: nothing may be done that is not recorded.
    #[error("the audit record cannot be written ({cause}), so nothing was done. {remedy}")]
    Audit {
        /// Why.
        cause: String,
        /// The way out.
        remedy: String,
    },
    /// There is nothing to go back to.
    #[error(
        "no known-good release to go back to in {environment}: {why}. Choose one yourself with `--to` or on the Releases screen"
    )]
    NoKnownGood {
        /// Where.
        environment: EnvironmentName,
        /// What was looked at.
        why: String,
    },
    /// The platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The store.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl OperateError {
    /// The documented exit code of the headless commands.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoEnvironment { .. } => 2,
            Self::Refused { .. }
            | Self::Locked { .. }
            | Self::Audit { .. }
            | Self::NoKnownGood { .. } => 4,
            Self::Platform(
                PlatformError::Unreachable { .. }
                | PlatformError::Credentials { .. }
                | PlatformError::Denied { .. }
                | PlatformError::Throttled { .. },
            ) => 5,
            Self::Platform(PlatformError::NotFound { .. } | PlatformError::Invalid { .. }) => 2,
            Self::Platform(PlatformError::Conflict { .. }) => 7,
            Self::Platform(_) | Self::Store(_) => 1,
        }
    }
}
