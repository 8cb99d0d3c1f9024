//! A rollout: one attempt to bring a revision live, finished or going on.

use super::{Alarm, Author, Event, ReleaseDigest, RevisionId, RolloutId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a rollout ended. Only [`Succeeded`](Self::Succeeded) is success: a platform that is
/// stable again because it rolled back has not done what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutOutcome {
    /// Going on.
    InProgress,
    /// The platform says that this very revision won.
    Succeeded,
    /// It failed and the platform went back to the revision before.
    RolledBack,
    /// It failed and nothing brought the old revision back: someone must act.
    Failed,
    /// Someone stopped it.
    Stopped,
    /// Another writer's rollout took its place.
    Superseded,
}

impl RolloutOutcome {
    /// True while the rollout goes on.
    pub fn is_in_progress(self) -> bool {
        self == Self::InProgress
    }

    /// The word shown on screens and printed by commands.
    pub fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in progress",
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled back",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Superseded => "superseded",
        }
    }
}

/// A rollout as the platform's history tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutRecord {
    /// The platform's id.
    pub id: RolloutId,
    /// What was live before; `None` for the first.
    pub from: Option<RevisionId>,
    /// What it brings.
    pub to: RevisionId,
    /// The release it brings, where known.
    pub release: Option<String>,
    /// The digest the platform resolved for it (ECS: `containerImages[].imageDigest`).
    pub digest: Option<ReleaseDigest>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: RolloutOutcome,
    /// The platform's own words on why.
    pub reason: Option<String>,
    /// True when the platform keeps no record of how rollouts end, so that the outcome was put
    /// together from what they left behind (Kubernetes); `reason` then says from what.
    #[serde(default)]
    pub inferred: bool,
    /// Alarms that condemned it, if the platform says so.
    pub alarms: Vec<String>,
    /// Who started it, from the revision's tags.
    pub author: Option<Author>,
}

/// The deployment circuit breaker of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whether it watches at all.
    pub enabled: bool,
    /// Whether it goes back by itself when it trips.
    pub rolls_back: bool,
    /// Failed instances so far.
    pub failures: u32,
    /// At how many it trips (ECS: ⌈50 % × desired⌉, clamped to 3–200).
    pub threshold: u32,
}

/// One side of a rollout: the instances of one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutSide {
    /// Which revision.
    pub revision: RevisionId,
    /// The release's name, where known.
    pub release: Option<String>,
    /// Instances wanted of it.
    pub desired: u32,
    /// Instances running.
    pub running: u32,
    /// Instances starting.
    pub pending: u32,
    /// Instances that the load balancer sends requests to; equals `running` where there is none.
    pub in_service: u32,
    /// Instances draining their last requests.
    pub draining: u32,
    /// Instances that failed to become healthy.
    pub failed: u32,
}

/// Whether a stage of a rollout is behind, at hand or ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageState {
    /// Ahead.
    Waiting,
    /// At hand.
    Running,
    /// Behind.
    Done,
    /// It ended the rollout.
    Failed,
}

/// One named step of a run, in the order they happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// `planned`, `locked`, `sent`, `new tasks healthy`, `draining`, `stable`…
    pub name: String,
    /// Where it stands.
    pub state: StageState,
    /// When it reached that state.
    pub at: Option<Timestamp>,
    /// A count or a reason, for people.
    pub detail: Option<String>,
}

/// What the platform gave us when it took the change: how to find OUR rollout again.
/// It is written into the audit record, so that a console killed in between can resume watching.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutTicket {
    /// Our rollout, if the platform named it already.
    pub rollout: Option<RolloutId>,
    /// The revision we sent (or are going back to); `None` for changes without one (scale).
    pub revision: Option<RevisionId>,
    /// The platform's own handle (ECS: the PRIMARY deployment's id after UpdateService).
    pub handle: Option<String>,
    /// When the change was sent.
    pub sent_at: Timestamp,
    /// Instances wanted when it was sent.
    pub desired: u32,
}

/// A rollout as it stands now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutProgress {
    /// When this was read.
    pub at: Timestamp,
    /// The record, as far as it goes.
    pub record: RolloutRecord,
    /// The side it brings in.
    pub ours: RolloutSide,
    /// What is going away.
    pub others: Vec<RolloutSide>,
    /// The circuit breaker, where there is one.
    pub breaker: Option<Breaker>,
    /// Alarms that watch this rollout.
    pub alarms: Vec<Alarm>,
    /// The platform's latest events about it, newest first.
    pub events: Vec<Event>,
    /// The platform's own stage names (ECS `lifecycleStage`), where it has them.
    pub platform_stage: Option<String>,
}

impl RolloutProgress {
    /// Why the new instances do not get healthy, while some do not and the rollout goes on.
    pub fn held_up_by(&self) -> Option<&str> {
        let is_held_up = self.record.outcome.is_in_progress() && self.ours.failed > 0;
        self.record.reason.as_deref().filter(|_| is_held_up)
    }
}
