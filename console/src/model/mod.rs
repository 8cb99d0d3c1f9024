//! What the console knows about the world: plain data, no I/O, no screen, no SDK type.
//!
//! Times are UTC [`jiff::Timestamp`]s; they become local only at the screen. Durations carry
//! their unit in the name. Every type here is `serde`-able, because the store caches it, the
//! audit records it and `--output json` prints it.

mod author;
mod bill;
mod diff;
mod health;
mod judgement;
mod lock;
mod log_line;
mod mask;
mod metrics;
mod money;
mod names;
mod plan;
mod release;
mod revision;
mod rollout;
mod run;
mod service;

pub use author::{Author, Caller};
pub use bill::{Architecture, BillLine, BillOfResources, Schedule};
pub use diff::{DiffLine, DocumentDiff, document_diff};
pub use health::{Alarm, AlarmState, Assessment, Cause, Health, Symptom};
pub use judgement::{Judgement, Verdict};
pub use lock::LockRecord;
pub use log_line::{LINE_BYTES_MAX, Level, RawLogEvent};
pub use mask::{MASK, is_secret_name, mask_document, mask_text};
pub use metrics::{Metrics, Series, Window};
pub use money::{Amount, Usd};
pub use names::{
    ClusterName, EnvironmentName, InstanceId, LogGroup, ReleaseDigest, RevisionId, RolloutId,
    RunId, ServiceName,
};
pub use plan::{Action, Blocker, Change, CostDelta, Plan, PlanSide, Prepared, ReleaseRef};
pub use release::Release;
pub use revision::{Deployed, Revision};
pub use rollout::{
    Breaker, RolloutOutcome, RolloutProgress, RolloutRecord, RolloutSide, RolloutTicket, Stage,
    StageState,
};
pub use run::RunOutcome;
pub use service::{
    Autoscaler, DisruptionBudget, Event, Instance, InstanceState, Observation, Service,
    StoppedInstance, Target,
};
