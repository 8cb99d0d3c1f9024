//! The queries of `GetMetricData` and of metric-math alarms: read, written, and answered.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::expression::{Expression, Operand, Scope};
use super::metrics::{MetricId, MetricStore, Statistic};
use crate::protocol::{AwsError, members};

/// Datapoints by the start of their period, in milliseconds since the epoch.
pub type Datapoints = BTreeMap<i64, f64>;

/// What a query asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum QuerySource {
    /// A statistic of a metric.
    Stat {
        /// The metric.
        metric: MetricId,
        /// Its statistic.
        statistic: Statistic,
        /// The length of a period in seconds.
        period_s: i64,
    },
    /// Metric math over other queries.
    Math {
        /// As it was written.
        text: String,
        /// As it was understood.
        expression: Expression,
        /// The length of a period in seconds, when it differs from what it is made of.
        period_s: Option<i64>,
    },
}

/// One query.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricDataQuery {
    /// What expressions call it.
    pub id: String,
    /// What people call it.
    pub label: Option<String>,
    /// Whether its data is in the answer.
    pub return_data: bool,
    /// What it asks for.
    pub source: QuerySource,
}

impl MetricDataQuery {
    /// Reads a list of queries as the API sends it.
    ///
    /// # Errors
    /// `ValidationError` as CloudWatch has it, naming the query that is wrong.
    pub fn read_all(queries: &[Value]) -> Result<Vec<Self>, AwsError> {
        let read: Vec<Self> = queries.iter().map(Self::read).collect::<Result<_, _>>()?;
        for (i, query) in read.iter().enumerate() {
            if read[..i].iter().any(|other| other.id == query.id) {
                return Err(invalid(format!(
                    "The values for parameter id in MetricDataQuery are not unique. Duplicate: {}",
                    query.id
                )));
            }
            if let QuerySource::Math { expression, .. } = &query.source {
                for name in expression.names() {
                    let known = read.iter().any(|other| other.id == name);
                    if !known || name == query.id {
                        return Err(invalid(format!(
                            "Error in expression '{}': Unknown Id: {name}",
                            query.id
                        )));
                    }
                }
            }
        }
        Ok(read)
    }

    fn read(query: &Value) -> Result<Self, AwsError> {
        let id = members::text(query, "Id").unwrap_or_default().to_owned();
        if !id.starts_with(|c: char| c.is_ascii_lowercase())
            || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return Err(invalid(format!(
                "The value {id} for parameter MetricDataQueries.member.Id does not match ^[a-z][a-zA-Z0-9_]*$"
            )));
        }
        let source = match (query.get("MetricStat"), members::text(query, "Expression")) {
            (Some(stat), None) => read_stat(stat)?,
            (None, Some(text)) => QuerySource::Math {
                expression: Expression::parse(text)
                    .map_err(|e| invalid(format!("Error in expression '{id}': {e}")))?,
                text: text.to_owned(),
                period_s: members::integer(query, "Period"),
            },
            _ => {
                return Err(invalid(format!(
                    "The parameter MetricDataQueries.member with Id {id} must have exactly one of Expression and MetricStat"
                )));
            }
        };
        Ok(Self {
            id,
            label: members::text(query, "Label").map(str::to_owned),
            return_data: members::boolean(query, "ReturnData").unwrap_or(true),
            source,
        })
    }

    /// The query as the API gives it back.
    pub fn to_value(&self) -> Value {
        let mut value = json!({
            "Id": self.id, "Label": self.label, "ReturnData": self.return_data,
        });
        match &self.source {
            QuerySource::Stat {
                metric,
                statistic,
                period_s,
            } => {
                value["MetricStat"] = json!({
                    "Metric": {
                        "Namespace": metric.namespace,
                        "MetricName": metric.name,
                        "Dimensions": super::alarms::dimensions(metric),
                    },
                    "Period": period_s,
                    "Stat": statistic.to_string(),
                });
            }
            QuerySource::Math { text, period_s, .. } => {
                value["Expression"] = json!(text);
                value["Period"] = json!(period_s);
            }
        }
        value
    }

    /// What the answer calls this query when it has no label of its own.
    pub fn label(&self) -> String {
        match (&self.label, &self.source) {
            (Some(label), _) => label.clone(),
            (None, QuerySource::Stat { metric, .. }) => metric.name.clone(),
            (None, QuerySource::Math { .. }) => self.id.clone(),
        }
    }
}

fn read_stat(stat: &Value) -> Result<QuerySource, AwsError> {
    let metric = stat.get("Metric").unwrap_or(&Value::Null);
    let period_s = members::integer(stat, "Period").unwrap_or(0);
    if !(matches!(period_s, 1 | 5 | 10 | 20 | 30) || (period_s > 0 && period_s % 60 == 0)) {
        return Err(invalid(format!(
            "The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60: {period_s}"
        )));
    }
    let text = members::text(stat, "Stat").unwrap_or_default();
    let statistic = Statistic::parse(text).ok_or_else(|| {
        invalid(format!(
            "The value {text} for parameter Stat is not supported."
        ))
    })?;
    Ok(QuerySource::Stat {
        metric: read_metric(metric)?,
        statistic,
        period_s,
    })
}

/// Reads `Namespace`, `MetricName` and `Dimensions` of a request.
pub(super) fn read_metric(input: &Value) -> Result<MetricId, AwsError> {
    let required = |name: &str| {
        members::text(input, name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| {
                AwsError::client(
                    "MissingParameter",
                    format!("The parameter {name} is required."),
                )
            })
    };
    Ok(MetricId::new(
        required("Namespace")?,
        required("MetricName")?,
        &read_dimensions(input),
    ))
}

/// Reads the `Dimensions` of a request.
pub(super) fn read_dimensions(input: &Value) -> Vec<(&str, &str)> {
    members::list(input, "Dimensions")
        .iter()
        .filter_map(|d| Some((members::text(d, "Name")?, members::text(d, "Value")?)))
        .collect()
}

/// The length of the periods that the data of these queries comes in, in seconds.
pub(super) fn period_of(queries: &[MetricDataQuery]) -> i64 {
    let of = |query: &MetricDataQuery| match &query.source {
        QuerySource::Stat { period_s, .. } => Some(*period_s),
        QuerySource::Math { period_s, .. } => *period_s,
    };
    queries.iter().filter_map(of).max().unwrap_or(60)
}

/// Answers every query from `start_ms` to, not including, `end_ms`.
///
/// # Errors
/// `ValidationError` when an expression means nothing for the data it is given, such as a
/// number where a time series is needed, or refers to itself by way of others.
pub fn answer(
    store: &MetricStore,
    queries: &[MetricDataQuery],
    start_ms: i64,
    end_ms: i64,
) -> Result<BTreeMap<String, Datapoints>, AwsError> {
    let mut scope = Scope::new(start_ms, end_ms, period_of(queries));
    let mut answers = BTreeMap::new();
    for query in queries {
        if let QuerySource::Stat {
            metric,
            statistic,
            period_s,
        } = &query.source
        {
            let points: Datapoints = store
                .periods(metric, start_ms, end_ms, *period_s)
                .into_iter()
                .map(|(at, values)| (at, values.value(*statistic)))
                .collect();
            scope.define(&query.id, points.clone(), true);
            answers.insert(query.id.clone(), points);
        }
    }
    // An expression may use one that comes after it: go round until nothing new is known.
    let mut waiting: Vec<(&str, &Expression)> = queries
        .iter()
        .filter_map(|query| match &query.source {
            QuerySource::Math { expression, .. } => Some((query.id.as_str(), expression)),
            QuerySource::Stat { .. } => None,
        })
        .collect();
    while !waiting.is_empty() {
        let known = waiting.len();
        let mut still = Vec::new();
        for (id, expression) in waiting {
            if !expression.names().iter().all(|name| scope.knows(name)) {
                still.push((id, expression));
                continue;
            }
            let points = match expression.evaluate(&scope) {
                Ok(Operand::Series(points)) => points,
                Ok(_) => {
                    return Err(invalid(format!(
                        "Error in expression '{id}': The expression must return a time series"
                    )));
                }
                Err(e) => return Err(invalid(format!("Error in expression '{id}': {e}"))),
            };
            scope.define(id, points.clone(), false);
            answers.insert(id.to_owned(), points);
        }
        if still.len() == known {
            return Err(invalid(format!(
                "Error in expression '{}': the expressions refer to each other in a circle",
                still[0].0
            )));
        }
        waiting = still;
    }
    Ok(answers)
}

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationError", message)
}
