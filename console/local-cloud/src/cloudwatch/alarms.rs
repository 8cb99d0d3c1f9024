//! Alarms: what they watch, the state they are in, and how they came to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::metrics::{MetricId, Statistic};
use super::query::MetricDataQuery;
use crate::protocol::{ACCOUNT, REGION, epoch_seconds, iso8601, now_ms};

/// Entries kept of each alarm's history.
const HISTORY_MAX: usize = 200;

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    /// Within the threshold.
    Ok,
    /// Beyond the threshold for long enough.
    Alarm,
    /// Too little data to say.
    InsufficientData,
}

impl AlarmState {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// Reads what the API spells.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// How a datapoint is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>=`
    GreaterThanOrEqual,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `<=`
    LessThanOrEqual,
}

impl Comparison {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (
            Self::GreaterThanOrEqual,
            "GreaterThanOrEqualToThreshold",
            "greater than or equal to",
        ),
        (Self::Greater, "GreaterThanThreshold", "greater than"),
        (Self::Less, "LessThanThreshold", "less than"),
        (
            Self::LessThanOrEqual,
            "LessThanOrEqualToThreshold",
            "less than or equal to",
        ),
    ];

    fn row(self) -> (Self, &'static str, &'static str) {
        // `ALL` has a row for each variant.
        *Self::ALL
            .iter()
            .find(|(comparison, ..)| *comparison == self)
            .unwrap_or(&Self::ALL[0])
    }

    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// As a reason says it: `greater than`.
    pub fn words(self) -> &'static str {
        self.row().2
    }

    /// Reads what the API spells.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, name, _)| *name == text)
            .map(|(comparison, ..)| *comparison)
    }

    /// Whether a value is beyond the threshold.
    pub fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanOrEqual => value >= threshold,
            Self::Greater => value > threshold,
            Self::Less => value < threshold,
            Self::LessThanOrEqual => value <= threshold,
        }
    }
}

/// What a period without a value counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingData {
    /// Nothing: the alarm looks further back, and says INSUFFICIENT_DATA when all is missing.
    #[default]
    Missing,
    /// Within the threshold.
    NotBreaching,
    /// Beyond the threshold.
    Breaching,
    /// The state stays as it is.
    Ignore,
}

impl MissingData {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Missing, "missing"),
        (Self::NotBreaching, "notBreaching"),
        (Self::Breaching, "breaching"),
        (Self::Ignore, "ignore"),
    ];

    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("missing", |(_, name)| name)
    }

    /// Reads what the API spells.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(kind, _)| *kind)
    }
}

/// What an alarm watches.
#[derive(Debug, Clone, PartialEq)]
pub enum AlarmMetric {
    /// One statistic of one metric.
    Single {
        /// The metric.
        id: MetricId,
        /// Its statistic.
        statistic: Statistic,
        /// The length of a period in seconds.
        period_s: i64,
    },
    /// Metric math: the queries, of which exactly one returns data.
    Math(Vec<MetricDataQuery>),
}

impl AlarmMetric {
    /// The length of a period in seconds.
    pub fn period_s(&self) -> i64 {
        match self {
            Self::Single { period_s, .. } => *period_s,
            Self::Math(queries) => super::query::period_of(queries),
        }
    }
}

/// An alarm as its owner defined it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmDefinition {
    /// Unique in the account.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether a change of state runs the actions (which nothing here does: they are ARNs).
    pub actions_enabled: bool,
    /// ARNs told on ALARM, OK and INSUFFICIENT_DATA.
    pub actions: [Vec<String>; 3],
    /// What it watches.
    pub metric: AlarmMetric,
    /// How a datapoint is compared.
    pub comparison: Comparison,
    /// With what.
    pub threshold: f64,
    /// The periods looked at.
    pub evaluation_periods: u32,
    /// How many of them must breach.
    pub datapoints_to_alarm: u32,
    /// What a period without a value counts as.
    pub missing_data: MissingData,
}

impl AlarmDefinition {
    /// An alarm on one metric: `statistic` of it beyond `threshold` in one period; widen it
    /// with the struct's fields.
    pub fn on_metric(
        name: &str,
        id: MetricId,
        statistic: Statistic,
        period_s: i64,
        comparison: Comparison,
        threshold: f64,
    ) -> Self {
        Self {
            name: name.to_owned(),
            description: None,
            actions_enabled: true,
            actions: Default::default(),
            metric: AlarmMetric::Single {
                id,
                statistic,
                period_s,
            },
            comparison,
            threshold,
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
            missing_data: MissingData::Missing,
        }
    }

    /// The alarm's ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{}", self.name)
    }
}

/// The state of an alarm and how it came to it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmStatus {
    /// The state.
    pub state: AlarmState,
    /// Why, worded as CloudWatch words it.
    pub reason: String,
    /// Why, for programs.
    pub reason_data: Value,
    /// When the state was last set, in milliseconds since the epoch.
    pub updated_ms: i64,
    /// When the state last became another one, in milliseconds since the epoch.
    pub transitioned_ms: i64,
}

/// One entry of an alarm's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryItem {
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// `ConfigurationUpdate` or `StateUpdate`.
    pub kind: &'static str,
    /// In words.
    pub summary: String,
    /// For programs.
    pub data: Value,
}

/// An alarm: definition, status and history.
#[derive(Debug, Clone)]
pub struct Alarm {
    /// As its owner defined it.
    pub definition: AlarmDefinition,
    /// When that was, in milliseconds since the epoch.
    pub configured_ms: i64,
    /// The state it is in.
    pub status: AlarmStatus,
    /// Oldest first, bounded.
    pub history: VecDeque<HistoryItem>,
}

/// All alarms of the cloud.
#[derive(Debug, Default)]
pub struct AlarmStore {
    alarms: Mutex<BTreeMap<String, Alarm>>,
}

impl AlarmStore {
    /// No alarms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an alarm, or changes one; a changed alarm keeps its state until evaluated.
    pub fn put(&self, definition: AlarmDefinition) {
        let now = now_ms();
        let mut alarms = self.lock();
        let name = definition.name.clone();
        match alarms.get_mut(&name) {
            Some(alarm) => {
                alarm.definition = definition;
                alarm.configured_ms = now;
                alarm.remember(
                    now,
                    "ConfigurationUpdate",
                    format!("Alarm \"{name}\" updated"),
                    json!({"type": "Update"}),
                );
            }
            None => {
                let mut alarm = Alarm {
                    definition,
                    configured_ms: now,
                    status: AlarmStatus {
                        state: AlarmState::InsufficientData,
                        reason: "Unchecked: Initial alarm creation".to_owned(),
                        reason_data: Value::Null,
                        updated_ms: now,
                        transitioned_ms: now,
                    },
                    history: VecDeque::new(),
                };
                alarm.remember(
                    now,
                    "ConfigurationUpdate",
                    format!("Alarm \"{name}\" created"),
                    json!({"type": "Create"}),
                );
                alarms.insert(name, alarm);
            }
        }
    }

    /// The status of an alarm; none when there is no such alarm.
    pub fn state(&self, name: &str) -> Option<AlarmStatus> {
        self.lock().get(name).map(|alarm| alarm.status.clone())
    }

    /// All alarms in order of name.
    pub fn all(&self) -> Vec<Alarm> {
        self.lock().values().cloned().collect()
    }

    /// Forgets an alarm; false when there is no such alarm.
    pub fn delete(&self, name: &str) -> bool {
        self.lock().remove(name).is_some()
    }

    /// Puts an alarm into a state; false when there is no such alarm.
    pub fn set_state(
        &self,
        name: &str,
        state: AlarmState,
        reason: String,
        reason_data: Value,
        at_ms: i64,
    ) -> bool {
        let mut alarms = self.lock();
        let Some(alarm) = alarms.get_mut(name) else {
            return false;
        };
        let before = alarm.status.state;
        if before != state {
            alarm.remember(
                at_ms,
                "StateUpdate",
                format!("Alarm updated from {} to {}", before.as_str(), state.as_str()),
                json!({
                    "version": "1.0",
                    "oldState": {"stateValue": before.as_str(), "stateReason": alarm.status.reason},
                    "newState": {"stateValue": state.as_str(), "stateReason": reason, "stateReasonData": reason_data},
                }),
            );
            alarm.status.transitioned_ms = at_ms;
        }
        alarm.status.state = state;
        alarm.status.reason = reason;
        alarm.status.reason_data = reason_data;
        alarm.status.updated_ms = at_ms;
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Alarm>> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarm {
    fn remember(&mut self, at_ms: i64, kind: &'static str, summary: String, data: Value) {
        if self.history.len() >= HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(HistoryItem {
            at_ms,
            kind,
            summary,
            data,
        });
    }

    /// The alarm as `DescribeAlarms` gives it.
    pub fn to_value(&self) -> Value {
        let definition = &self.definition;
        let mut value = json!({
            "AlarmName": definition.name,
            "AlarmArn": definition.arn(),
            "AlarmDescription": definition.description,
            "AlarmConfigurationUpdatedTimestamp": epoch_seconds(self.configured_ms),
            "ActionsEnabled": definition.actions_enabled,
            "AlarmActions": definition.actions[0],
            "OKActions": definition.actions[1],
            "InsufficientDataActions": definition.actions[2],
            "StateValue": self.status.state.as_str(),
            "StateReason": self.status.reason,
            "StateUpdatedTimestamp": epoch_seconds(self.status.updated_ms),
            "StateTransitionedTimestamp": epoch_seconds(self.status.transitioned_ms),
            "EvaluationPeriods": definition.evaluation_periods,
            "DatapointsToAlarm": definition.datapoints_to_alarm,
            "Threshold": definition.threshold,
            "ComparisonOperator": definition.comparison.as_str(),
            "TreatMissingData": definition.missing_data.as_str(),
        });
        if !self.status.reason_data.is_null() {
            value["StateReasonData"] = Value::String(self.status.reason_data.to_string());
        }
        match &definition.metric {
            AlarmMetric::Single {
                id,
                statistic,
                period_s,
            } => {
                value["Namespace"] = json!(id.namespace);
                value["MetricName"] = json!(id.name);
                value["Dimensions"] = dimensions(id);
                value["Period"] = json!(period_s);
                match statistic {
                    Statistic::Percentile(_) => {
                        value["ExtendedStatistic"] = json!(statistic.to_string())
                    }
                    _ => value["Statistic"] = json!(statistic.to_string()),
                }
            }
            AlarmMetric::Math(queries) => {
                value["Metrics"] = queries.iter().map(MetricDataQuery::to_value).collect();
            }
        }
        value
    }

    /// The history as `DescribeAlarmHistory` gives it, oldest first.
    pub fn history_values(&self) -> impl DoubleEndedIterator<Item = (i64, Value)> {
        self.history.iter().map(|item| {
            let value = json!({
                "AlarmName": self.definition.name,
                "AlarmType": "MetricAlarm",
                "Timestamp": epoch_seconds(item.at_ms),
                "HistoryItemType": item.kind,
                "HistorySummary": item.summary,
                "HistoryData": item.data.to_string(),
            });
            (item.at_ms, value)
        })
    }
}

/// The dimensions of a metric as the API gives them.
pub(super) fn dimensions(id: &MetricId) -> Value {
    id.dimensions
        .iter()
        .map(|(name, value)| json!({"Name": name, "Value": value}))
        .collect()
}

/// A time as an alarm's reason writes it: `01/03/26 12:00:00`.
pub(super) fn reason_time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .map(|t| t.strftime("%d/%m/%y %H:%M:%S").to_string())
        .unwrap_or_else(|_| iso8601(at_ms))
}
