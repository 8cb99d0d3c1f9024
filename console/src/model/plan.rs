//! What is asked for, and what would be done about it.

use super::{
    Amount, Author, Deployed, DocumentDiff, EnvironmentName, InstanceId, Release, ReleaseDigest,
    RevisionId, RolloutId, RolloutRecord,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A release as a person names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseRef {
    /// By tag: `1.5.0`.
    Tag(String),
    /// By digest.
    Digest(ReleaseDigest),
}

impl ReleaseRef {
    /// What a person has typed.
    pub fn typed(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.starts_with("sha256:") {
            Self::Digest(ReleaseDigest::new(text))
        } else {
            Self::Tag(text)
        }
    }
}

/// Everything an operator can ask for. Each of these, and nothing else, changes the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Action {
    /// Bring a release live.
    Deploy {
        /// Which.
        release: ReleaseRef,
    },
    /// Go back: to `to`, or to the last known-good. While a rollout is in flight this stops it
    /// with the platform's own rollback.
    Rollback {
        /// The revision to go to, when the operator chose one.
        to: Option<RevisionId>,
    },
    /// Bring live what another environment runs, by digest.
    Promote {
        /// The environment to take it from.
        from: EnvironmentName,
    },
    /// Replace every instance, same revision.
    Restart,
    /// Change how many instances are wanted.
    Scale {
        /// To how many.
        desired: u32,
    },
    /// Stop one instance; the platform starts another.
    StopInstance {
        /// Which.
        instance: InstanceId,
    },
}

impl Action {
    /// The imperative for buttons and audit: `deploy`, `roll back`, `restart`…
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Deploy { .. } => "deploy",
            Self::Rollback { .. } => "roll back",
            Self::Promote { .. } => "promote",
            Self::Restart => "restart",
            Self::Scale { .. } => "scale",
            Self::StopInstance { .. } => "stop task",
        }
    }
}

/// An action resolved to what the platform is to do; made by `operate`, understood by platforms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Change {
    /// Clone the running revision with only the image changed, and roll it out.
    NewImage {
        /// The image to run.
        release: Release,
    },
    /// Roll out a revision that exists (cloned and registered again where it is inactive).
    ToRevision {
        /// Which.
        revision: RevisionId,
    },
    /// Stop the rollout that is in flight and go back.
    StopRollout {
        /// Which.
        rollout: RolloutId,
    },
    /// Replace every instance.
    Restart,
    /// Change the number wanted.
    Scale {
        /// To how many.
        desired: u32,
    },
    /// Stop one instance.
    StopInstance {
        /// Which.
        instance: InstanceId,
    },
}

/// A change checked and made ready by the platform with reading calls only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// The change.
    pub change: Change,
    /// The difference between what runs and what would run, masked.
    pub diff: DocumentDiff,
    /// Why it must not be done: missing image, wrong architecture, digest gone…
    pub blockers: Vec<Blocker>,
    /// What the operator should know first.
    pub warnings: Vec<String>,
    /// A way that leaves somebody else's record untrue: only a reason, typed and audited, passes.
    #[serde(default)]
    pub break_glass: Option<String>,
    /// What the world looked like; the platform refuses to execute when it has changed.
    pub precondition: serde_json::Value,
    /// The platform's own request, opaque to everyone else. May hold secrets: never shown,
    /// never stored.
    #[serde(skip)]
    pub request: serde_json::Value,
    /// Bill of resources after the change, for the cost delta.
    pub bill_after: Option<super::BillOfResources>,
}

/// A reason why a plan cannot be executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// What is in the way, to what.
    pub what: String,
    /// The way out.
    pub remedy: String,
}

/// One end of a plan: what is live, or what would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSide {
    /// The release and revision.
    pub deployed: Deployed,
    /// How it fared, for people: `ran 6 d 2 h, 0 alarms`, `5xx 7.9 %, alarm api-5xx`.
    pub fared: String,
    /// The rollout that brought it, where known.
    pub rollout: Option<RolloutRecord>,
}

/// What the change does to the bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostDelta {
    /// A month before.
    pub before: Amount,
    /// A month after.
    pub after: Amount,
    /// Once, while old and new run side by side.
    pub overlap: Option<Amount>,
}

/// A change ready to be confirmed: everything that the confirm dialog shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Where.
    pub environment: EnvironmentName,
    /// The account the environment is expected in, where configured.
    pub account: Option<String>,
    /// What was asked.
    pub action: Action,
    /// Who asks.
    pub author: Author,
    /// Why, if they said so.
    pub reason: Option<String>,
    /// When the plan was made; it goes stale after five minutes.
    pub made_at: Timestamp,
    /// What is live.
    pub from: Option<PlanSide>,
    /// What would be.
    pub to: Option<PlanSide>,
    /// Why this target: `last known-good (audit, ECS deployment SUCCESSFUL)`, or the operator's choice.
    pub because: String,
    /// Targets passed over, newest first, each with who or what disqualified it.
    pub passed_over: Vec<(String, String)>,
    /// The platform's preparation.
    pub prepared: Prepared,
    /// What it does to the bill.
    pub cost: Option<CostDelta>,
}

impl Plan {
    /// True when nothing would change: there is nothing to confirm.
    pub fn is_noop(&self) -> bool {
        matches!(
            self.prepared.change,
            Change::NewImage { .. } | Change::ToRevision { .. }
        ) && self.prepared.diff.lines.is_empty()
            && self.prepared.blockers.is_empty()
    }
}
