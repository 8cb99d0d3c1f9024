//! CloudWatch: what was measured, the alarms over it, and the actions that read both.

mod actions;
mod alarm_actions;
mod alarms;
mod evaluate;
mod expression;
mod metrics;
mod query;

use std::sync::Arc;
use std::time::Duration;

pub use actions::handle;
pub use alarms::{
    AlarmDefinition, AlarmMetric, AlarmState, AlarmStatus, AlarmStore, Comparison, MissingData,
};
pub use evaluate::evaluate_all;
pub use metrics::{MetricId, MetricStore, Statistic, Statistics};
pub use query::{MetricDataQuery, QuerySource};

use crate::cloud::Cloud;
use crate::protocol::now_ms;

/// Evaluates all alarms each second, until the task is ended.
pub async fn evaluate_forever(cloud: Arc<Cloud>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        second.tick().await;
        evaluate_all(&cloud.metrics, &cloud.alarms, now_ms());
    }
}

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

#[cfg(test)]
mod tests;
