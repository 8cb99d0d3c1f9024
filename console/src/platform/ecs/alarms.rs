//! The alarms of a service: those its deployment configuration names, and those whose name begins
//! as the configuration file says.

use super::{EcsPlatform, operations::DESCRIBE_ALARMS, text::clean, time::timestamp};
use crate::{
    model::{Alarm, AlarmState},
    platform::{LinkTarget, Platform, PlatformError},
};
use aws_sdk_cloudwatch::types::{CompositeAlarm, MetricAlarm};

/// DescribeAlarms takes at most so many names (API reference).
const NAMES_MAX: usize = 100;
/// Nobody watches more alarms of one service; and each costs a line on the screen.
const ALARMS_MAX: usize = 100;

impl EcsPlatform {
    /// `guards` are the names of alarms that roll a deployment back.
    pub(super) async fn alarms(&self, guards: &[String]) -> Result<Vec<Alarm>, PlatformError> {
        let prefixes = self.config.alarm_prefixes.iter();
        let by_prefix = prefixes.map(|prefix| self.alarms_like(None, Some(prefix)));
        let by_name = async {
            if guards.is_empty() {
                return Ok(Vec::new());
            }
            let names = guards.iter().take(NAMES_MAX).cloned().collect();
            self.alarms_like(Some(names), None).await
        };
        let (named, prefixed) =
            futures::try_join!(by_name, futures::future::try_join_all(by_prefix))?;
        let mut alarms: Vec<Alarm> = named
            .into_iter()
            .chain(prefixed.into_iter().flatten())
            .collect();
        alarms.sort_by(|a, b| a.name.cmp(&b.name));
        alarms.dedup_by(|a, b| a.name == b.name);
        alarms.truncate(ALARMS_MAX);
        for alarm in &mut alarms {
            alarm.guards_rollouts = guards.contains(&alarm.name);
            alarm.url = self.links(&LinkTarget::Alarm(alarm.name.clone()));
        }
        Ok(alarms)
    }

    async fn alarms_like(
        &self,
        names: Option<Vec<String>>,
        prefix: Option<&String>,
    ) -> Result<Vec<Alarm>, PlatformError> {
        let mut alarms = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .session
                .read(&DESCRIBE_ALARMS, |clients| {
                    clients
                        .cloudwatch
                        .describe_alarms()
                        .set_alarm_names(names.clone())
                        .set_alarm_name_prefix(prefix.cloned())
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            alarms.extend(page.metric_alarms().iter().filter_map(metric_alarm));
            alarms.extend(page.composite_alarms().iter().filter_map(composite_alarm));
            token = page.next_token().map(str::to_owned);
            if token.is_none() || alarms.len() >= ALARMS_MAX {
                return Ok(alarms);
            }
        }
    }
}

fn metric_alarm(alarm: &MetricAlarm) -> Option<Alarm> {
    Some(Alarm {
        name: clean(alarm.alarm_name()?),
        state: state(alarm.state_value().map(|state| state.as_str())),
        since: timestamp(
            alarm
                .state_transitioned_timestamp()
                .or(alarm.state_updated_timestamp()),
        ),
        reason: alarm.state_reason().map(clean),
        condition: condition(alarm),
        url: None,
        guards_rollouts: false,
    })
}

fn composite_alarm(alarm: &CompositeAlarm) -> Option<Alarm> {
    Some(Alarm {
        name: clean(alarm.alarm_name()?),
        state: state(alarm.state_value().map(|state| state.as_str())),
        since: timestamp(
            alarm
                .state_transitioned_timestamp()
                .or(alarm.state_updated_timestamp()),
        ),
        reason: alarm.state_reason().map(clean),
        condition: alarm.alarm_rule().map(clean),
        url: None,
        guards_rollouts: false,
    })
}

fn state(value: Option<&str>) -> AlarmState {
    match value {
        Some("OK") => AlarmState::Ok,
        Some("ALARM") => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    }
}

/// `TargetResponseTime p95 > 0.5 for 2 of 3 × 60 s`.
fn condition(alarm: &MetricAlarm) -> Option<String> {
    let expression = alarm.metrics().iter().find_map(|query| {
        let shown = query.return_data() != Some(false);
        query
            .label()
            .or(query.expression())
            .filter(|_| shown)
            .map(clean)
    });
    let metric = alarm.metric_name().map(clean).or(expression)?;
    let statistic = alarm
        .statistic()
        .map(|statistic| statistic.as_str().to_owned())
        .or_else(|| alarm.extended_statistic().map(clean))
        .map_or(String::new(), |statistic| {
            format!(" {}", statistic.to_lowercase())
        });
    let operator = match alarm
        .comparison_operator()
        .map(|operator| operator.as_str())
    {
        Some("GreaterThanOrEqualToThreshold") => "≥",
        Some("GreaterThanThreshold") => ">",
        Some("LessThanThreshold") => "<",
        Some("LessThanOrEqualToThreshold") => "≤",
        _ => "beyond",
    };
    let threshold = alarm
        .threshold()
        .map_or_else(|| "its band".to_owned(), |threshold| threshold.to_string());
    let of = alarm.evaluation_periods().unwrap_or(1);
    let needed = alarm.datapoints_to_alarm().unwrap_or(of);
    let period = alarm
        .period()
        .map_or(String::new(), |period| format!(" × {period} s"));
    Some(format!(
        "{metric}{statistic} {operator} {threshold} for {needed} of {of}{period}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};

    #[test]
    fn an_alarm_says_what_it_watches() {
        let alarm = MetricAlarm::builder()
            .alarm_name("prod-api-5xx")
            .metric_name("HTTPCode_Target_5XX_Count")
            .statistic(Statistic::Sum)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .threshold(5.0)
            .evaluation_periods(3)
            .datapoints_to_alarm(2)
            .period(60)
            .state_value(StateValue::Alarm)
            .build();
        let alarm = metric_alarm(&alarm).expect("an alarm");
        assert_eq!(
            alarm.condition.as_deref(),
            Some("HTTPCode_Target_5XX_Count sum > 5 for 2 of 3 × 60 s")
        );
        assert_eq!(alarm.state, AlarmState::Alarm);
    }

    #[test]
    fn a_state_of_tomorrow_is_not_taken_for_fine() {
        assert_eq!(state(Some("SOMETHING_NEW")), AlarmState::InsufficientData);
    }
}
