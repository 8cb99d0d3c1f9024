//! CloudWatch: what was measured, the alarms over it, and the actions that read both.

// mod actions;
// mod alarm_actions;
mod alarms;
// mod evaluate;
mod expression;
mod metrics;
mod query;

// pub use actions::handle;
pub use alarms::{
    AlarmDefinition, AlarmMetric, AlarmState, AlarmStatus, AlarmStore, Comparison, MissingData,
};
// pub use evaluate::{evaluate_all, evaluate_forever};
pub use metrics::{MetricId, MetricStore, Statistic, Statistics};
pub use query::{MetricDataQuery, QuerySource};

/// Whether a member of a CloudWatch answer is a timestamp (epoch seconds in a value).
pub(crate) fn is_timestamp(member: &str) -> bool {
    matches!(
        member,
        "Timestamp"
            | "Timestamps"
            | "StateUpdatedTimestamp"
            | "StateTransitionedTimestamp"
            | "AlarmConfigurationUpdatedTimestamp"
    )
}
