//! When an alarm changes its state, and in which words.
//!
//! The rules for missing data are those of "Configuring how CloudWatch alarms treat missing
//! data": <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>

use serde_json::{Value, json};

use super::alarms::{
    Alarm, AlarmDefinition, AlarmMetric, AlarmState, AlarmStore, MissingData, reason_time,
};
use super::metrics::MetricStore;
use super::query::{self, Datapoints};
use crate::protocol::iso8601;

/// Periods looked at besides the evaluation periods, to find values for those that have none.
const EXTRA_PERIODS: i64 = 2;

/// A period is looked at this long after its end, when its last values have been recorded.
const SETTLE_MS: i64 = 1_000;

/// What an evaluation came to.
struct Verdict {
    state: AlarmState,
    reason: String,
    data: Value,
}

/// Evaluates every alarm on the periods that are complete at `now_ms`; an alarm whose state
/// does not change is left as it is.
pub fn evaluate_all(metrics: &MetricStore, alarms: &AlarmStore, now_ms: i64) {
    for alarm in alarms.all() {
        let Some(verdict) = evaluate(metrics, &alarm, now_ms) else {
            continue;
        };
        if verdict.state != alarm.status.state {
            let name = &alarm.definition.name;
            tracing::info!(alarm = %name, state = verdict.state.as_str(), reason = %verdict.reason, "an alarm changed its state");
            alarms.set_state(name, verdict.state, verdict.reason, verdict.data, now_ms);
        }
    }
}

/// None when the state stays as it is.
fn evaluate(metrics: &MetricStore, alarm: &Alarm, now_ms: i64) -> Option<Verdict> {
    let definition = &alarm.definition;
    let period_ms = definition.metric.period_s().max(1) * 1000;
    let periods = i64::from(definition.evaluation_periods);
    let end_ms = (now_ms - SETTLE_MS).div_euclid(period_ms) * period_ms;
    let start_ms = end_ms - (periods + EXTRA_PERIODS) * period_ms;
    let points = datapoints(metrics, definition, start_ms, end_ms)?;

    // Newest first, at most as many as there are evaluation periods.
    let recent: Vec<(i64, f64)> = points
        .range(start_ms..end_ms)
        .rev()
        .take(periods as usize)
        .map(|(at, value)| (*at, *value))
        .collect();
    let breaches = |value: f64| definition.comparison.breaches(value, definition.threshold);
    let breaching = recent.iter().filter(|(_, value)| breaches(*value)).count();
    let missing = periods as usize - recent.len();
    let needed = definition.datapoints_to_alarm as usize;
    let all_breach = !recent.is_empty() && breaching == recent.len();
    let oldest_is_old_enough = recent
        .last()
        .is_some_and(|(at, _)| end_ms - at >= needed as i64 * period_ms);

    let state = match definition.missing_data {
        _ if breaching >= needed => Some(AlarmState::Alarm),
        _ if missing == 0 => Some(AlarmState::Ok),
        MissingData::Breaching if breaching + missing >= needed => Some(AlarmState::Alarm),
        MissingData::Breaching | MissingData::NotBreaching => Some(AlarmState::Ok),
        MissingData::Missing if recent.is_empty() => Some(AlarmState::InsufficientData),
        MissingData::Missing if all_breach && oldest_is_old_enough => Some(AlarmState::Alarm),
        MissingData::Missing | MissingData::Ignore if recent.is_empty() || all_breach => None,
        MissingData::Missing | MissingData::Ignore => Some(AlarmState::Ok),
    }?;
    Some(Verdict {
        state,
        reason: reason(definition, alarm.status.state, state, &recent, missing),
        data: reason_data(definition, &recent, start_ms, now_ms),
    })
}

fn datapoints(
    metrics: &MetricStore,
    definition: &AlarmDefinition,
    start_ms: i64,
    end_ms: i64,
) -> Option<Datapoints> {
    match &definition.metric {
        AlarmMetric::Single {
            id,
            statistic,
            period_s,
        } => Some(
            metrics
                .periods(id, start_ms, end_ms, *period_s)
                .into_iter()
                .map(|(at, values)| (at, values.value(*statistic)))
                .collect(),
        ),
        AlarmMetric::Math(queries) => {
            let returned = queries.iter().find(|query| query.return_data)?;
            match query::answer(metrics, queries, start_ms, end_ms) {
                Ok(mut answers) => answers.remove(&returned.id),
                Err(error) => {
                    tracing::warn!(alarm = %definition.name, %error, "an alarm cannot be evaluated");
                    None
                }
            }
        }
    }
}

/// As CloudWatch words it: `Threshold Crossed: 2 out of the last 3 datapoints […] were greater
/// than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).`
fn reason(
    definition: &AlarmDefinition,
    before: AlarmState,
    state: AlarmState,
    recent: &[(i64, f64)],
    missing: usize,
) -> String {
    let periods = definition.evaluation_periods;
    let treated = match definition.missing_data {
        MissingData::Breaching => Some("Breaching"),
        MissingData::NotBreaching => Some("NonBreaching"),
        MissingData::Missing | MissingData::Ignore => None,
    };
    if state == AlarmState::InsufficientData {
        return format!(
            "Insufficient Data: {periods} {} unknown.",
            were(periods, "datapoint")
        );
    }
    if let (true, Some(treated)) = (recent.is_empty(), treated) {
        return format!(
            "Threshold Crossed: no datapoints were received for {} and {missing} missing {} treated as [{treated}].",
            counted(periods, "period"),
            were(missing as u32, "datapoint"),
        );
    }
    let is_alarm = state == AlarmState::Alarm;
    let shown: Vec<&(i64, f64)> = recent
        .iter()
        .filter(|(_, v)| definition.comparison.breaches(*v, definition.threshold) == is_alarm)
        .collect();
    let list: Vec<String> = shown
        .iter()
        .map(|(at, value)| format!("{} ({})", decimal(*value), reason_time(*at)))
        .collect();
    let comparison = format!(
        "{}{} the threshold ({})",
        if is_alarm { "" } else { "not " },
        definition.comparison.words(),
        decimal(definition.threshold)
    );
    let verb = if shown.len() == 1 { "was" } else { "were" };
    let list = list.join(", ");
    if let (1.., Some(treated)) = (missing, treated) {
        return format!(
            "Threshold Crossed: {} [{list}] {verb} {comparison} and {missing} missing {} treated as [{treated}].",
            counted(shown.len() as u32, "datapoint"),
            were(missing as u32, "datapoint"),
        );
    }
    let minimum = match state {
        AlarmState::Alarm => definition.datapoints_to_alarm,
        _ => periods - definition.datapoints_to_alarm + 1,
    };
    // The transition that is named is the one the minimum belongs to.
    let transition = match (before, state) {
        (_, AlarmState::Alarm) => "OK -> ALARM",
        _ => "ALARM -> OK",
    };
    format!(
        "Threshold Crossed: {} out of the last {periods} datapoints [{list}] {verb} {comparison} (minimum {} for {transition} transition).",
        shown.len(),
        counted(minimum, "datapoint"),
    )
}

/// `1 period`, `2 periods`.
fn counted(n: u32, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// `datapoint was`, `datapoints were`.
fn were(n: u32, noun: &str) -> String {
    match n {
        1 => format!("{noun} was"),
        _ => format!("{noun}s were"),
    }
}

/// A number as Java prints a double: always with a decimal point.
fn decimal(value: f64) -> String {
    format!("{value:?}")
}

fn reason_data(
    definition: &AlarmDefinition,
    recent: &[(i64, f64)],
    start_ms: i64,
    now_ms: i64,
) -> Value {
    let mut data = json!({
        "version": "1.0",
        "queryDate": iso8601(now_ms),
        "startDate": iso8601(recent.last().map_or(start_ms, |(at, _)| *at)),
        "period": definition.metric.period_s(),
        "recentDatapoints": recent.iter().rev().map(|(_, v)| v).collect::<Vec<_>>(),
        "threshold": definition.threshold,
        "evaluatedDatapoints": recent
            .iter()
            .map(|(at, v)| json!({ "timestamp": iso8601(*at), "value": v }))
            .collect::<Vec<_>>(),
    });
    if let AlarmMetric::Single { statistic, .. } = &definition.metric {
        data["statistic"] = json!(statistic.to_string());
    }
    data
}
