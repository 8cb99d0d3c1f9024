//! How a passage through the executor ended.

use serde::{Deserialize, Serialize};

/// How a run ended. Each has its own exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum RunOutcome {
    /// Our revision won.
    Done,
    /// It failed, and the platform is back on the revision before.
    RolledBack {
        /// The platform's words.
        reason: String,
    },
    /// It failed, and nothing went back: someone must act.
    Failed {
        /// The platform's words.
        reason: String,
    },
    /// Another writer's change took its place.
    Superseded {
        /// What is going on instead.
        by: String,
    },
    /// Someone stopped it.
    Stopped {
        /// The platform's words.
        reason: String,
    },
    /// It was not over in time; it may still end either way.
    TimedOut {
        /// After so many seconds.
        after_s: u64,
    },
    /// The platform refused it, or it was given up before it was sent: nothing changed.
    NotSent {
        /// Why.
        reason: String,
    },
    /// The console ended between recording and sending, and the platform shows no trace of it.
    /// It was not sent again.
    Unknown {
        /// What is known.
        reason: String,
    },
}

impl RunOutcome {
    /// The documented exit code of the headless commands.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotSent { .. } => 1,
            Self::RolledBack { .. } => 3,
            Self::TimedOut { .. } | Self::Unknown { .. } => 6,
            Self::Superseded { .. } => 7,
            Self::Failed { .. } => 8,
            Self::Stopped { .. } => 9,
        }
    }

    /// The word shown on screens and printed by commands.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::RolledBack { .. } => "rolled back",
            Self::Failed { .. } => "failed",
            Self::Superseded { .. } => "superseded",
            Self::Stopped { .. } => "stopped",
            Self::TimedOut { .. } => "timed out",
            Self::NotSent { .. } => "not sent",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The reason that goes with the word, where there is one.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Done => None,
            Self::RolledBack { reason }
            | Self::Failed { reason }
            | Self::Stopped { reason }
            | Self::NotSent { reason }
            | Self::Unknown { reason } => Some(reason.clone()),
            Self::Superseded { by } => Some(by.clone()),
            Self::TimedOut { after_s } => Some(format!("not over after {after_s} s")),
        }
    }
}
