//! The judgement on an environment, and the sentence that says what is wrong.

use crate::model::{Assessment, Health, Judgement, Metrics, Observation, RolloutRecord};
use jiff::{Timestamp, tz::TimeZone};

/// What the judgement is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Assessed<'a> {
    /// The service as last seen.
    pub observation: &'a Observation,
    /// The measured series, about an hour.
    pub metrics: &'a Metrics,
    /// The rollouts, newest first.
    pub rollouts: &'a [RolloutRecord],
    /// What is held against revisions ([`crate::store::Store::judgements`]).
    pub judgements: &'a [Judgement],
    /// Now.
    pub now: Timestamp,
    /// The zone for the clock times in the sentence.
    pub zone: &'a TimeZone,
}

/// Judges an environment. A pure function: what it says, the data says.
pub fn assess(of: Assessed<'_>) -> Assessment {
    let _ = of.zone;
    Assessment {
        health: Health::Unknown,
        symptoms: Vec::new(),
        since: None,
        cause: None,
        undo: None,
        sentence: String::new(),
    }
}
