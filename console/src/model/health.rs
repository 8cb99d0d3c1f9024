//! How an environment fares, and the sentence that says what is wrong.

use super::RevisionId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One word for the whole environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// All wanted instances serve, no alarm.
    Healthy,
    /// A rollout goes on, nothing is wrong.
    Changing,
    /// It serves, and something is wrong.
    Degraded,
    /// Nothing serves.
    Down,
    /// Not known (no data).
    Unknown,
}

/// An alarm's state, as CloudWatch names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmState {
    /// Fine.
    Ok,
    /// It rings.
    Alarm,
    /// Too little data to say.
    InsufficientData,
}

/// One alarm of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// Since when it is in that state.
    pub since: Option<Timestamp>,
    /// The platform's words on why.
    pub reason: Option<String>,
    /// What it watches, for people: `5xx > 5 % for 2 of 3 min`.
    pub condition: Option<String>,
    /// Its page in the platform's own console.
    pub url: Option<String>,
    /// Whether a rollout is rolled back when it rings.
    pub guards_rollouts: bool,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Symptom {
    /// Errors above the environment's own normal and above 1 %.
    Errors {
        /// Now, in percent.
        percent: f64,
    },
    /// Slow: p95 well above the environment's own normal.
    Slow {
        /// p95 now, in milliseconds.
        p95_ms: f64,
        /// p95 before, in milliseconds.
        normal_ms: f64,
    },
    /// Fewer instances than wanted, with no rollout to explain it.
    Short {
        /// Serving.
        running: u32,
        /// Wanted.
        desired: u32,
    },
    /// An alarm rings and none of the above explains it.
    Alarm {
        /// Its name.
        name: String,
    },
    /// The rollout under way does not get its instances healthy.
    RolloutFailing {
        /// The revision it tries to bring.
        revision: RevisionId,
        /// The release, where known.
        release: Option<String>,
        /// Failed instances so far.
        failures: u32,
    },
}

/// What came before it, if the data says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Cause {
    /// A rollout began first, and the symptom after it, close enough to name it.
    Rollout {
        /// The release that went out.
        release: String,
        /// How long after it went out the symptom began, in seconds, never negative.
        after_s: i64,
    },
    /// No rollout preceded it within the window looked at.
    NoRecentRollout,
    /// The symptom is older than the rollout that followed it: that one is not to blame.
    BeforeRollout {
        /// The release that went out later.
        release: String,
    },
}

/// The judgement on an environment. Computed from data, never guessed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// One word.
    pub health: Health,
    /// What is wrong, worst first.
    pub symptoms: Vec<Symptom>,
    /// Since when, as far back as the data reaches.
    pub since: Option<Timestamp>,
    /// What came before.
    pub cause: Option<Cause>,
    /// What `R` would go back to, and how long that release was good: (name, good for seconds).
    pub undo: Option<(String, Option<i64>)>,
    /// The sentence for the screen, without the undo part; empty when healthy.
    pub sentence: String,
}
