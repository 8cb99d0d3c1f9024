//! The actions of CloudWatch on alarms.

use serde_json::{Value, json};

use super::actions::{invalid_value, page_start, required};
use super::alarms::{
    Alarm, AlarmDefinition, AlarmMetric, AlarmState, AlarmStore, Comparison, MissingData,
};
use super::metrics::Statistic;
use super::query::{self, MetricDataQuery, read_metric};
use crate::protocol::members::{boolean, integer, list, number, text, texts, time_ms};
use crate::protocol::{AwsError, now_ms};

/// Alarms, or entries of a history, of one page.
const RECORDS_MAX: i64 = 100;

pub(super) fn handle(alarms: &AlarmStore, action: &str, input: &Value) -> Result<Value, AwsError> {
    match action {
        "PutMetricAlarm" => {
            alarms.put(read_definition(input)?);
            Ok(json!({}))
        }
        "DescribeAlarms" => describe(alarms, input),
        "DescribeAlarmHistory" => history(alarms, input),
        "SetAlarmState" => set_state(alarms, input),
        "DeleteAlarms" => delete(alarms, input),
        "EnableAlarmActions" => enable(alarms, input, true),
        "DisableAlarmActions" => enable(alarms, input, false),
        _ => Err(AwsError::unknown_operation(action)),
    }
}

fn not_found(name: &str) -> AwsError {
    AwsError::client("ResourceNotFound", format!("Unknown alarm: {name}")).with_status(404)
}

fn read_definition(input: &Value) -> Result<AlarmDefinition, AwsError> {
    let name = required(input, "AlarmName")?;
    let comparison = required(input, "ComparisonOperator")?;
    let comparison = Comparison::parse(comparison).ok_or_else(|| {
        invalid_value(format!(
            "The value {comparison} for parameter ComparisonOperator is not supported."
        ))
    })?;
    let threshold = number(input, "Threshold").ok_or_else(|| {
        AwsError::client("MissingParameter", "The parameter Threshold is required.")
    })?;
    let evaluation_periods = count(input, "EvaluationPeriods")?.ok_or_else(|| {
        AwsError::client(
            "MissingParameter",
            "The parameter EvaluationPeriods is required.",
        )
    })?;
    let datapoints_to_alarm = count(input, "DatapointsToAlarm")?.unwrap_or(evaluation_periods);
    if datapoints_to_alarm > evaluation_periods {
        return Err(query::invalid(
            "Number of datapoints to alarm must be less than or equal to number of evaluation periods.",
        ));
    }
    let missing_data = match text(input, "TreatMissingData") {
        None => MissingData::Missing,
        Some(kind) => MissingData::parse(kind).ok_or_else(|| {
            invalid_value(format!(
                "The value {kind} for parameter TreatMissingData is not supported."
            ))
        })?,
    };
    let arns = |member: &str| {
        texts(input, member)
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    Ok(AlarmDefinition {
        name: name.to_owned(),
        description: text(input, "AlarmDescription").map(str::to_owned),
        actions_enabled: boolean(input, "ActionsEnabled").unwrap_or(true),
        actions: [
            arns("AlarmActions"),
            arns("OKActions"),
            arns("InsufficientDataActions"),
        ],
        metric: read_alarm_metric(input)?,
        comparison,
        threshold,
        evaluation_periods,
        datapoints_to_alarm,
        missing_data,
    })
}

fn count(input: &Value, name: &str) -> Result<Option<u32>, AwsError> {
    match integer(input, name) {
        None => Ok(None),
        // AWS bounds periods times their length by a week; this is that for periods of 10 s.
        Some(n) if (1..=60_480).contains(&n) => Ok(Some(n as u32)),
        Some(n) => Err(invalid_value(format!(
            "The value {n} for parameter {name} is out of range."
        ))),
    }
}

fn read_alarm_metric(input: &Value) -> Result<AlarmMetric, AwsError> {
    let queries = list(input, "Metrics");
    if !queries.is_empty() {
        if text(input, "MetricName").is_some() {
            return Err(query::invalid(
                "Exactly one of Metrics and MetricName must be specified.",
            ));
        }
        let queries = MetricDataQuery::read_all(queries)?;
        if queries.iter().filter(|query| query.return_data).count() != 1 {
            return Err(query::invalid(
                "Exactly one element of the metrics list should return data.",
            ));
        }
        return Ok(AlarmMetric::Math(queries));
    }
    let period_s = integer(input, "Period").unwrap_or(0);
    if !(matches!(period_s, 10 | 20 | 30) || (period_s > 0 && period_s % 60 == 0)) {
        return Err(query::invalid(format!(
            "Period must be 10, 20, 30 or a multiple of 60: {period_s}"
        )));
    }
    let statistic = match (text(input, "Statistic"), text(input, "ExtendedStatistic")) {
        (Some(name), None) | (None, Some(name)) => Statistic::parse(name).ok_or_else(|| {
            invalid_value(format!(
                "The value {name} for parameter Statistic is not supported."
            ))
        })?,
        _ => {
            return Err(query::invalid(
                "Exactly one of Statistic and ExtendedStatistic must be specified.",
            ));
        }
    };
    Ok(AlarmMetric::Single {
        id: read_metric(input)?,
        statistic,
        period_s,
    })
}

/// A part of a list, with the token for the rest.
fn page(member: &str, items: Vec<Value>, input: &Value) -> Result<Value, AwsError> {
    let max = integer(input, "MaxRecords").unwrap_or(50);
    if !(1..=RECORDS_MAX).contains(&max) {
        return Err(invalid_value(format!(
            "The value {max} for parameter MaxRecords must be between 1 and {RECORDS_MAX}."
        )));
    }
    let from = page_start(input)?;
    let to = from.saturating_add(max as usize);
    let more = to < items.len();
    let items: Vec<Value> = items.into_iter().skip(from).take(max as usize).collect();
    let mut answer = json!({ member: items });
    if more {
        answer["NextToken"] = to.to_string().into();
    }
    Ok(answer)
}

fn describe(alarms: &AlarmStore, input: &Value) -> Result<Value, AwsError> {
    let names = texts(input, "AlarmNames");
    let prefix = text(input, "AlarmNamePrefix");
    if !names.is_empty() && prefix.is_some() {
        return Err(query::invalid(
            "AlarmNames and AlarmNamePrefix cannot both be specified.",
        ));
    }
    let state = match text(input, "StateValue") {
        None => None,
        Some(text) => Some(AlarmState::parse(text).ok_or_else(|| {
            invalid_value(format!(
                "The value {text} for parameter StateValue is not supported."
            ))
        })?),
    };
    let types = texts(input, "AlarmTypes");
    let wanted = |alarm: &Alarm| {
        let name = alarm.definition.name.as_str();
        (names.is_empty() || names.contains(&name))
            && prefix.is_none_or(|p| name.starts_with(p))
            && state.is_none_or(|s| s == alarm.status.state)
            && (types.is_empty() || types.contains(&"MetricAlarm"))
    };
    let found: Vec<Value> = alarms
        .all()
        .iter()
        .filter(|alarm| wanted(alarm))
        .map(Alarm::to_value)
        .collect();
    let mut answer = page("MetricAlarms", found, input)?;
    answer["CompositeAlarms"] = json!([]);
    Ok(answer)
}

fn history(alarms: &AlarmStore, input: &Value) -> Result<Value, AwsError> {
    let name = text(input, "AlarmName");
    let kind = text(input, "HistoryItemType");
    let start_ms = time_ms(input, "StartDate").unwrap_or(i64::MIN);
    let end_ms = time_ms(input, "EndDate").unwrap_or(i64::MAX);
    let mut items: Vec<(i64, Value)> = alarms
        .all()
        .iter()
        .filter(|alarm| name.is_none_or(|n| n == alarm.definition.name))
        .flat_map(|alarm| alarm.history_values().collect::<Vec<_>>())
        .filter(|(at, item)| {
            (start_ms..=end_ms).contains(at)
                && kind.is_none_or(|kind| item["HistoryItemType"] == kind)
        })
        .collect();
    // Stable, so that what happened in the same millisecond stays in its order.
    items.sort_by_key(|(at, _)| *at);
    if text(input, "ScanBy") != Some("TimestampAscending") {
        items.reverse();
    }
    let items = items.into_iter().map(|(_, item)| item).collect();
    page("AlarmHistoryItems", items, input)
}

fn set_state(alarms: &AlarmStore, input: &Value) -> Result<Value, AwsError> {
    let name = required(input, "AlarmName")?;
    let value = required(input, "StateValue")?;
    let reason = required(input, "StateReason")?;
    let state = AlarmState::parse(value).ok_or_else(|| {
        invalid_value(format!(
            "The value {value} for parameter StateValue is not supported."
        ))
    })?;
    let data = match text(input, "StateReasonData") {
        None => Value::Null,
        Some(data) => serde_json::from_str(data).map_err(|error| {
            AwsError::client(
                "InvalidFormat",
                format!("StateReasonData is not JSON: {error}"),
            )
        })?,
    };
    if alarms.set_state(name, state, reason.to_owned(), data, now_ms()) {
        Ok(json!({}))
    } else {
        Err(not_found(name))
    }
}

fn delete(alarms: &AlarmStore, input: &Value) -> Result<Value, AwsError> {
    let names = texts(input, "AlarmNames");
    // All or none, as documented.
    if let Some(unknown) = names.iter().find(|name| alarms.state(name).is_none()) {
        return Err(not_found(unknown));
    }
    for name in names {
        alarms.delete(name);
    }
    Ok(json!({}))
}

fn enable(alarms: &AlarmStore, input: &Value, enabled: bool) -> Result<Value, AwsError> {
    let names = texts(input, "AlarmNames");
    for alarm in alarms.all() {
        if names.contains(&alarm.definition.name.as_str()) {
            alarms.put(AlarmDefinition {
                actions_enabled: enabled,
                ..alarm.definition
            });
        }
    }
    Ok(json!({}))
}
