//! Stories of metrics that are read and alarms that go off.

use serde_json::{Value, json};

use super::{AlarmState, AlarmStore, MetricStore, evaluate_all, handle};
use crate::protocol::AwsError;

/// 2026-03-01T12:00:00Z, the start of a minute.
const NOON_MS: i64 = 1_772_366_400_000;
const MINUTE_MS: i64 = 60_000;

#[derive(Default)]
struct Watch {
    metrics: MetricStore,
    alarms: AlarmStore,
}

impl Watch {
    fn ask(&self, action: &str, input: Value) -> Result<Value, AwsError> {
        handle(&self.metrics, &self.alarms, action, &input)
    }

    fn code(&self, action: &str, input: Value) -> String {
        self.ask(action, input).expect_err(action).code.into_owned()
    }

    /// An alarm on `Errors` beyond 5 in `datapoints` of `periods` minutes.
    fn alarm(&self, datapoints: u32, periods: u32, missing: &str) {
        self.ask(
            "PutMetricAlarm",
            json!({
                "AlarmName": "errors", "Namespace": "N", "MetricName": "Errors",
                "Statistic": "Sum", "Period": 60, "EvaluationPeriods": periods,
                "DatapointsToAlarm": datapoints, "Threshold": 5.0,
                "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": missing,
            }),
        )
        .expect("an alarm");
    }

    /// Minutes that end at noon: `x` breaches, `0` does not, `-` has no value.
    fn minutes(&self, pattern: &str) {
        let start = NOON_MS - pattern.len() as i64 * MINUTE_MS;
        for (i, c) in pattern.chars().enumerate() {
            let at = start + i as i64 * MINUTE_MS;
            match c {
                'x' => self.metrics.record("N", "Errors", &[], at, 8.0),
                '0' => self.metrics.record("N", "Errors", &[], at, 1.0),
                _ => {}
            }
        }
    }

    fn evaluated(&self) -> (AlarmState, String) {
        evaluate_all(&self.metrics, &self.alarms, NOON_MS + 2_000);
        let status = self.alarms.state("errors").expect("exists");
        (status.state, status.reason)
    }
}

#[test]
fn missing_data_is_treated_as_the_documentations_tables_say() {
    use AlarmState::{Alarm, InsufficientData, Ok};
    // Datapoints to alarm, pattern; then missing, ignore, breaching, notBreaching. A new alarm
    // is INSUFFICIENT_DATA, which is what "retain the current state" retains.
    let tables = [
        (3, "0-x-x", [Ok, Ok, Ok, Ok]),
        (3, "0----", [Ok, Ok, Ok, Ok]),
        (3, "-----", [InsufficientData, InsufficientData, Alarm, Ok]),
        (3, "0xx-x", [Alarm, Alarm, Alarm, Alarm]),
        (3, "--x--", [Alarm, InsufficientData, Alarm, Ok]),
        (2, "0-x-x", [Alarm, Alarm, Alarm, Alarm]),
        (2, "00x0x", [Alarm, Alarm, Alarm, Alarm]),
        (2, "0-x--", [Ok, Ok, Alarm, Ok]),
        (2, "----0", [Ok, Ok, Alarm, Ok]),
        (2, "---x-", [Alarm, InsufficientData, Alarm, Ok]),
    ];
    for (datapoints, pattern, states) in tables {
        let kinds = ["missing", "ignore", "breaching", "notBreaching"];
        for (kind, expected) in kinds.into_iter().zip(states) {
            let watch = Watch::default();
            watch.alarm(datapoints, 3, kind);
            watch.minutes(pattern);
            let (state, reason) = watch.evaluated();
            assert_eq!(
                state, expected,
                "{datapoints} of 3 in {pattern}, {kind}: {reason}"
            );
        }
    }
}

#[test]
fn an_alarm_says_why_in_the_words_of_cloudwatch() {
    let watch = Watch::default();
    watch.alarm(2, 3, "missing");
    watch.minutes("x0x");
    let (_, reason) = watch.evaluated();
    assert_eq!(
        reason,
        "Threshold Crossed: 2 out of the last 3 datapoints [8.0 (01/03/26 11:59:00), 8.0 (01/03/26 11:57:00)] were greater than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition)."
    );
    let watch = Watch::default();
    watch.alarm(1, 1, "notBreaching");
    assert_eq!(
        watch.evaluated().1,
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching]."
    );
    let watch = Watch::default();
    watch.alarm(1, 1, "missing");
    watch.minutes("0");
    assert_eq!(
        watch.evaluated().1,
        "Threshold Crossed: 1 out of the last 1 datapoints [1.0 (01/03/26 11:59:00)] was not greater than the threshold (5.0) (minimum 1 datapoint for ALARM -> OK transition)."
    );
}

#[test]
fn a_minute_that_is_not_over_does_not_count() {
    let watch = Watch::default();
    watch.alarm(1, 1, "notBreaching");
    watch.metrics.record("N", "Errors", &[], NOON_MS, 100.0);
    assert_eq!(watch.evaluated().0, AlarmState::Ok);
    evaluate_all(&watch.metrics, &watch.alarms, NOON_MS + MINUTE_MS + 2_000);
    let status = watch.alarms.state("errors").expect("exists");
    assert_eq!(status.state, AlarmState::Alarm);
    assert_eq!(status.transitioned_ms, NOON_MS + MINUTE_MS + 2_000);
}

#[test]
fn an_alarm_on_an_error_rate_is_metric_math() {
    let watch = Watch::default();
    let stat = |id: &str, name: &str| {
        json!({"Id": id, "ReturnData": false, "MetricStat": {
            "Metric": {"Namespace": "N", "MetricName": name}, "Period": 60, "Stat": "Sum",
        }})
    };
    let put = json!({
        "AlarmName": "errors", "EvaluationPeriods": 1, "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "Metrics": [
            {"Id": "rate", "Expression": "100 * e / r", "Label": "errors %"},
            stat("e", "Errors"), stat("r", "Requests"),
        ],
    });
    watch.ask("PutMetricAlarm", put).expect("put");
    watch.minutes("x");
    watch
        .metrics
        .record("N", "Requests", &[], NOON_MS - MINUTE_MS, 100.0);
    assert_eq!(watch.evaluated().0, AlarmState::Alarm);
    let described = watch.ask("DescribeAlarms", json!({})).expect("described");
    let alarm = &described["MetricAlarms"][0];
    assert_eq!(alarm["Metrics"][0]["Expression"], "100 * e / r");
    assert!(alarm.get("MetricName").is_none());
    let two = json!({
        "AlarmName": "x", "EvaluationPeriods": 1, "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "Metrics": [{"Id": "a", "Expression": "b"}, {"Id": "b", "Expression": "a"}],
    });
    assert_eq!(watch.code("PutMetricAlarm", two), "ValidationError");
}

#[test]
fn metric_data_comes_by_pages_newest_first_and_sums_up() {
    let watch = Watch::default();
    for i in 0..10 {
        let at = (NOON_MS + i * MINUTE_MS) as f64 / 1000.0;
        watch
            .ask(
                "PutMetricData",
                json!({"Namespace": "N", "MetricData": [
                    {"MetricName": "M", "Timestamp": at, "Values": [1, 2], "Counts": [3, 1]},
                ]}),
            )
            .expect("put");
    }
    let mut input = json!({
        "StartTime": (NOON_MS / 1000) + 30, "EndTime": (NOON_MS + 10 * MINUTE_MS) / 1000,
        "MaxDatapoints": 8,
        "MetricDataQueries": [
            {"Id": "s", "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M"},
                "Period": 60, "Stat": "Sum"}},
            {"Id": "twice", "Expression": "s * 2", "Label": "twice"},
        ],
    });
    let mut values: Vec<f64> = Vec::new();
    let mut pages = 0;
    loop {
        let page = watch.ask("GetMetricData", input.clone()).expect("page");
        for result in page["MetricDataResults"].as_array().expect("results") {
            values.extend(
                result["Values"]
                    .as_array()
                    .expect("values")
                    .iter()
                    .filter_map(Value::as_f64),
            );
        }
        pages += 1;
        match page.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(values, [vec![5.0; 10], vec![10.0; 10]].concat());
    input["ScanBy"] = "TimestampDescending".into();
    input["NextToken"] = Value::Null;
    let page = watch.ask("GetMetricData", input).expect("page");
    let newest = (NOON_MS + 9 * MINUTE_MS) as f64 / 1000.0;
    assert_eq!(page["MetricDataResults"][0]["Timestamps"][0], newest);
}

#[test]
fn statistics_and_the_list_of_metrics_know_the_dimensions() {
    let watch = Watch::default();
    let put = json!({"Namespace": "N", "MetricData": [
        {"MetricName": "M", "Timestamp": "2026-03-01T12:00:01Z", "Value": "4",
         "Dimensions": [{"Name": "B", "Value": "2"}, {"Name": "A", "Value": "1"}]},
        {"MetricName": "M", "Timestamp": "2026-03-01T12:00:01Z",
         "StatisticValues": {"SampleCount": 2, "Sum": 6, "Minimum": 1, "Maximum": 5}},
    ]});
    watch.ask("PutMetricData", put).expect("put");
    let dimensions = json!([{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}]);
    let got = watch
        .ask(
            "GetMetricStatistics",
            json!({
                "Namespace": "N", "MetricName": "M", "Dimensions": dimensions, "Period": "60",
                "StartTime": "2026-03-01T12:00:00Z", "EndTime": "2026-03-01T12:05:00Z",
                "Statistics": ["Average"], "ExtendedStatistics": ["p99"],
            }),
        )
        .expect("statistics");
    assert_eq!(got["Datapoints"][0]["Average"], 4.0);
    assert_eq!(got["Datapoints"][0]["ExtendedStatistics"]["p99"], 4.0);
    let with_a = json!({"Namespace": "N", "Dimensions": [{"Name": "A"}]});
    let listed = watch.ask("ListMetrics", with_a).expect("list");
    assert_eq!(listed["Metrics"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["Metrics"][0]["Dimensions"], dimensions);
}

#[test]
fn a_state_that_is_set_is_in_the_history_until_the_data_says_otherwise() {
    let watch = Watch::default();
    watch.alarm(1, 1, "notBreaching");
    let set = json!({"AlarmName": "errors", "StateValue": "ALARM", "StateReason": "a drill"});
    watch.ask("SetAlarmState", set).expect("set");
    let alarmed = watch
        .ask("DescribeAlarms", json!({"StateValue": "ALARM"}))
        .expect("described");
    assert_eq!(alarmed["MetricAlarms"][0]["StateReason"], "a drill");
    assert_eq!(watch.evaluated().0, AlarmState::Ok);
    let history = watch
        .ask(
            "DescribeAlarmHistory",
            json!({"AlarmName": "errors", "HistoryItemType": "StateUpdate",
            "ScanBy": "TimestampAscending"}),
        )
        .expect("history");
    let mut summaries: Vec<&str> = history["AlarmHistoryItems"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["HistorySummary"].as_str())
        .collect();
    // The evaluation here is at a noon long ago, so the order by time is not the order of acts.
    summaries.sort_unstable();
    assert_eq!(
        summaries,
        [
            "Alarm updated from ALARM to OK",
            "Alarm updated from INSUFFICIENT_DATA to ALARM"
        ]
    );
}

#[test]
fn what_is_wrong_is_said_as_the_service_says_it() {
    let watch = Watch::default();
    watch.alarm(1, 1, "missing");
    let nobody = json!({"AlarmName": "no", "StateValue": "OK", "StateReason": "x"});
    assert_eq!(watch.code("SetAlarmState", nobody), "ResourceNotFound");
    let both = json!({"AlarmNames": ["errors", "no"]});
    assert_eq!(watch.code("DeleteAlarms", both), "ResourceNotFound");
    assert!(watch.alarms.state("errors").is_some(), "all or none");
    let reserved = json!({"Namespace": "AWS/ECS", "MetricData": []});
    assert_eq!(
        watch.code("PutMetricData", reserved),
        "InvalidParameterValue"
    );
    assert_eq!(
        watch.code("PutDashboard", json!({})),
        "UnknownOperationException"
    );
    let query = |stat: &str, period: i64| {
        json!({"StartTime": 0, "EndTime": 60, "MetricDataQueries": [{"Id": "m", "MetricStat": {
            "Metric": {"Namespace": "N", "MetricName": "M"}, "Period": period, "Stat": stat}}]})
    };
    assert_eq!(
        watch.code("GetMetricData", query("median", 60)),
        "ValidationError"
    );
    assert_eq!(
        watch.code("GetMetricData", query("Sum", 7)),
        "ValidationError"
    );
    assert!(watch.ask("GetMetricData", query("Sum", 60)).is_ok());
}
