//! The actions of CloudWatch on metrics, and the way to those on alarms.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/Welcome.html>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::alarm_actions;
use super::alarms::{AlarmStore, dimensions};
use super::metrics::{MetricId, MetricStore, Statistic, Statistics};
use super::query::{self, MetricDataQuery, read_dimensions, read_metric};
use crate::protocol::members::{as_number, integer, list, number, text, texts, time_ms};
use crate::protocol::{AwsError, epoch_seconds, now_ms};

/// Queries of one `GetMetricData`.
const QUERIES_MAX: usize = 500;

/// Datapoints of one page of `GetMetricData`.
const DATAPOINTS_MAX: i64 = 100_800;

/// Datapoints of one `GetMetricStatistics`.
const STATISTICS_MAX: i64 = 1_440;

/// Metrics of one page of `ListMetrics`.
const METRICS_PAGE: usize = 500;

/// Values that one `PutMetricData` may record at a time; counts repeat a value.
const REPEATS_MAX: f64 = 10_000.0;

/// Answers one action.
///
/// # Errors
/// The service's own errors; `UnknownOperationException` for an action not offered here.
pub fn handle(
    metrics: &MetricStore,
    alarms: &AlarmStore,
    action: &str,
    input: &Value,
) -> Result<Value, AwsError> {
    match action {
        "PutMetricData" => put_metric_data(metrics, input),
        "GetMetricData" => get_metric_data(metrics, input),
        "GetMetricStatistics" => get_metric_statistics(metrics, input),
        "ListMetrics" => list_metrics(metrics, input),
        _ => alarm_actions::handle(alarms, action, input),
    }
}

pub(super) fn invalid_value(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValue", message)
}

pub(super) fn required<'a>(input: &'a Value, name: &str) -> Result<&'a str, AwsError> {
    text(input, name).filter(|t| !t.is_empty()).ok_or_else(|| {
        AwsError::client(
            "MissingParameter",
            format!("The parameter {name} is required."),
        )
    })
}

/// The place where a page begins, out of its token.
pub(super) fn page_start(input: &Value) -> Result<usize, AwsError> {
    match text(input, "NextToken") {
        None => Ok(0),
        Some(token) => token.parse().map_err(|_| {
            AwsError::client("InvalidNextToken", "The next token specified is invalid.")
        }),
    }
}

fn time_range(input: &Value) -> Result<(i64, i64), AwsError> {
    let required = |name| {
        time_ms(input, name).ok_or_else(|| {
            AwsError::client(
                "MissingParameter",
                format!("The parameter {name} is required."),
            )
        })
    };
    let (start, end) = (required("StartTime")?, required("EndTime")?);
    if start >= end {
        return Err(query::invalid(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    Ok((start, end))
}

fn put_metric_data(metrics: &MetricStore, input: &Value) -> Result<Value, AwsError> {
    let namespace = required(input, "Namespace")?;
    if namespace.starts_with("AWS/") {
        return Err(invalid_value(
            "The value AWS/ for parameter Namespace is invalid: namespaces beginning with AWS/ are reserved.",
        ));
    }
    let now = now_ms();
    for datum in list(input, "MetricData") {
        let name = required(datum, "MetricName")?;
        let dimensions = read_dimensions(datum);
        let at = time_ms(datum, "Timestamp").unwrap_or(now);
        let record = |value: f64| {
            if value.is_finite() {
                metrics.record(namespace, name, &dimensions, at, value);
                Ok(())
            } else {
                Err(invalid_value(format!(
                    "The value {value} for parameter MetricData.member.Value is invalid."
                )))
            }
        };
        if let Some(value) = number(datum, "Value") {
            record(value)?;
        } else if let Some(set) = datum.get("StatisticValues") {
            let member = |name| {
                number(set, name).ok_or_else(|| {
                    invalid_value(format!("StatisticValues needs {name}, a number."))
                })
            };
            let set = Statistics::from_set(
                member("SampleCount")?,
                member("Sum")?,
                member("Minimum")?,
                member("Maximum")?,
            );
            let id = MetricId::new(namespace, name, &dimensions);
            metrics.record_set(id, at, &set);
        } else {
            let counts = list(datum, "Counts");
            for (i, value) in list(datum, "Values").iter().enumerate() {
                let value = as_number(value).unwrap_or(f64::NAN);
                let count = counts.get(i).map_or(Some(1.0), as_number).unwrap_or(1.0);
                for _ in 0..count.clamp(0.0, REPEATS_MAX) as u64 {
                    record(value)?;
                }
            }
        }
    }
    Ok(json!({}))
}

fn get_metric_data(metrics: &MetricStore, input: &Value) -> Result<Value, AwsError> {
    let (start_ms, end_ms) = time_range(input)?;
    let asked = list(input, "MetricDataQueries");
    if asked.is_empty() || asked.len() > QUERIES_MAX {
        return Err(query::invalid(format!(
            "The collection MetricDataQueries must have between 1 and {QUERIES_MAX} members."
        )));
    }
    let queries = MetricDataQuery::read_all(asked)?;
    // "CloudWatch rounds the specified timestamp": down to the period that it is in.
    let period_ms = query::period_of(&queries) * 1000;
    let start_ms = start_ms.div_euclid(period_ms) * period_ms;
    let mut answers = query::answer(metrics, &queries, start_ms, end_ms)?;
    let ascending = text(input, "ScanBy") == Some("TimestampAscending");
    let max = integer(input, "MaxDatapoints")
        .unwrap_or(DATAPOINTS_MAX)
        .clamp(1, DATAPOINTS_MAX) as usize;
    let from = page_start(input)?;
    let mut results = Vec::new();
    let mut seen = 0;
    for query in queries.iter().filter(|query| query.return_data) {
        let points = answers.remove(&query.id).unwrap_or_default();
        let mut points: Vec<(i64, f64)> = points.into_iter().collect();
        if !ascending {
            points.reverse();
        }
        // The page is a window over the datapoints of all results, one after the other.
        let begin = from.saturating_sub(seen).min(points.len());
        let end = (from + max).saturating_sub(seen).min(points.len());
        seen += points.len();
        let complete = end == points.len();
        let page = &points[begin..end];
        results.push(json!({
            "Id": query.id,
            "Label": query.label(),
            "Timestamps": page.iter().map(|(at, _)| epoch_seconds(*at)).collect::<Vec<_>>(),
            "Values": page.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            "StatusCode": if complete { "Complete" } else { "PartialData" },
        }));
    }
    let mut answer = json!({ "MetricDataResults": results, "Messages": [] });
    if seen > from + max {
        answer["NextToken"] = (from + max).to_string().into();
    }
    Ok(answer)
}

fn get_metric_statistics(metrics: &MetricStore, input: &Value) -> Result<Value, AwsError> {
    let id = read_metric(input)?;
    let (start_ms, end_ms) = time_range(input)?;
    let period_s = integer(input, "Period").unwrap_or(0);
    if period_s < 1 {
        return Err(invalid_value(
            "The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60.",
        ));
    }
    if (end_ms - start_ms) / (period_s * 1000) > STATISTICS_MAX {
        return Err(AwsError::client(
            "InvalidParameterCombination",
            format!(
                "You have requested up to {} datapoints, which exceeds the limit of {STATISTICS_MAX}. You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
                (end_ms - start_ms) / (period_s * 1000)
            ),
        ));
    }
    let read = |name: &str| -> Result<BTreeMap<String, Statistic>, AwsError> {
        texts(input, name)
            .into_iter()
            .map(|text| {
                let statistic = Statistic::parse(text).ok_or_else(|| {
                    invalid_value(format!(
                        "The value {text} for parameter {name} is not supported."
                    ))
                })?;
                Ok((text.to_owned(), statistic))
            })
            .collect()
    };
    let plain = read("Statistics")?;
    let extended = read("ExtendedStatistics")?;
    if plain.is_empty() && extended.is_empty() {
        return Err(AwsError::client(
            "MissingParameter",
            "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
        ));
    }
    let start_ms = start_ms.div_euclid(period_s * 1000) * period_s * 1000;
    let points: Vec<Value> = metrics
        .periods(&id, start_ms, end_ms, period_s)
        .into_iter()
        .map(|(at, values)| {
            let mut point = Map::new();
            point.insert("Timestamp".into(), json!(epoch_seconds(at)));
            point.insert("Unit".into(), "None".into());
            for (name, statistic) in &plain {
                point.insert(name.clone(), json!(values.value(*statistic)));
            }
            if !extended.is_empty() {
                let extended: Map<String, Value> = extended
                    .iter()
                    .map(|(name, statistic)| (name.clone(), json!(values.value(*statistic))))
                    .collect();
                point.insert("ExtendedStatistics".into(), extended.into());
            }
            Value::Object(point)
        })
        .collect();
    Ok(json!({ "Label": id.name, "Datapoints": points }))
}

fn list_metrics(metrics: &MetricStore, input: &Value) -> Result<Value, AwsError> {
    let namespace = text(input, "Namespace");
    let name = text(input, "MetricName");
    let filters: Vec<(&str, Option<&str>)> = list(input, "Dimensions")
        .iter()
        .filter_map(|d| Some((text(d, "Name")?, text(d, "Value"))))
        .collect();
    let ids = metrics.ids(|id| {
        namespace.is_none_or(|n| n == id.namespace)
            && name.is_none_or(|n| n == id.name)
            && filters.iter().all(|(name, value)| {
                id.dimensions
                    .iter()
                    .any(|(n, v)| n == name && value.is_none_or(|value| value == v))
            })
    });
    let from = page_start(input)?;
    let page: Vec<Value> = ids
        .iter()
        .skip(from)
        .take(METRICS_PAGE)
        .map(|id| {
            json!({
                "Namespace": id.namespace,
                "MetricName": id.name,
                "Dimensions": dimensions(id),
            })
        })
        .collect();
    let mut answer = json!({ "Metrics": page });
    if ids.len() > from.saturating_add(METRICS_PAGE) {
        answer["NextToken"] = (from + METRICS_PAGE).to_string().into();
    }
    Ok(answer)
}
