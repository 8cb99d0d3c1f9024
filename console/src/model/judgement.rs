//! What was held against a revision: the memory that keeps a rollback from a bad one.

use super::{Author, EnvironmentName, ReleaseDigest, RevisionId, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is held against a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Someone went back from it to an older one.
    RolledAway,
    /// An alarm rang, or errors and latency rose, while it was live.
    Alarmed,
    /// Its rollout was stopped.
    Stopped,
}

impl Verdict {
    /// The word kept in the store and shown on screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::RolledAway => "rolled away from",
            Self::Alarmed => "alarmed while live",
            Self::Stopped => "stopped",
        }
    }
}

/// One thing held against one revision in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Where.
    pub environment: EnvironmentName,
    /// Which revision.
    pub revision: RevisionId,
    /// Its image, so that the same image under another revision number is known again.
    pub digest: Option<ReleaseDigest>,
    /// What is held against it.
    pub verdict: Verdict,
    /// The details, for people: `alarm prod-api-5xx`, `ana went back to 1.4.0`.
    pub detail: String,
    /// Who judged, when it was a person.
    pub by: Option<Author>,
    /// The run that did it, when it was ours.
    pub run: Option<RunId>,
    /// When.
    pub at: Timestamp,
}
