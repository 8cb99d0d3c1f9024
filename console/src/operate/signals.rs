//! What measured series say: whether a value is raised now, since when, and what is normal.

use crate::model::{Alarm, Metrics, Series};
use jiff::{SignedDuration, Timestamp};

/// Errors below this share are nobody's incident, in percent.
pub(super) const ERROR_PERCENT_MIN: f64 = 1.0;
/// Errors above this share are an incident even where they are normal, in percent.
const ERROR_PERCENT_ALWAYS: f64 = 5.0;
/// So many times the normal share of errors is a change.
const ERROR_FACTOR: f64 = 2.0;
/// So many times the normal p95 is a change…
const SLOW_FACTOR: f64 = 3.0;
/// …if it is also so many milliseconds more.
const SLOW_MS_MIN: f64 = 100.0;
/// Fewer failed requests than these are chance: one failure of three at night is 33 %.
const FAILED_REQUESTS_MIN: f64 = 3.0;
/// The newest value must be so fresh, in steps of the series.
const FRESH_STEPS: usize = 5;

/// Which value is raised above which.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Raised {
    /// Now.
    pub value: f64,
    /// What is normal here.
    pub normal: f64,
    /// Since when.
    pub onset: Onset,
}

/// When a value rose, as exactly as the series can tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Onset {
    /// It is raised from the first value on: it began before.
    Before(Timestamp),
    /// It rose within a step that begins at `earliest`.
    Within {
        /// The step's start: it did not begin before.
        earliest: Timestamp,
        /// The moment within the step. Computed from how far the step's mean had risen towards
        /// the level of the steps after it; `None` when there is no step after it yet.
        estimate: Option<Timestamp>,
    },
}

impl Onset {
    /// The best single moment.
    pub fn moment(self) -> Timestamp {
        match self {
            Self::Before(at) => at,
            Self::Within { earliest, estimate } => estimate.unwrap_or(earliest),
        }
    }
}

/// Above which share of errors, in percent, a value is raised.
pub(super) fn error_limit(normal: f64) -> f64 {
    (normal * ERROR_FACTOR).clamp(ERROR_PERCENT_MIN, ERROR_PERCENT_ALWAYS)
}

/// Above which p95, in milliseconds, a value is raised.
pub(super) fn slow_limit(normal_ms: f64) -> f64 {
    (normal_ms * SLOW_FACTOR).max(normal_ms + SLOW_MS_MIN)
}

/// What is normal: the value that a fifth of the series lies below. A raise that lasts up to
/// four fifths of the window does not become its own normal.
pub(super) fn normal(series: &Series) -> Option<f64> {
    let mut present: Vec<f64> = series.values.iter().flatten().copied().collect();
    present.sort_by(f64::total_cmp);
    present.get(present.len() / 5).copied()
}

/// Whether errors are raised now. An alarm that rang since they rose makes one raised value enough.
pub(super) fn errors(metrics: &Metrics, ringing: &[&Alarm]) -> Option<Raised> {
    let series = &metrics.error_percent;
    let normal = normal(series)?;
    let raised = raised_now(series, normal, error_limit(normal), ringing)?;
    enough_failures(metrics, raised.1).then_some(raised.0)
}

/// Whether p95 is raised now, in milliseconds.
pub(super) fn latency(metrics: &Metrics, ringing: &[&Alarm]) -> Option<Raised> {
    let series = &metrics.p95_ms;
    let normal = normal(series)?;
    raised_now(series, normal, slow_limit(normal), ringing).map(|raised| raised.0)
}

/// The raise that lasts until now, with the index it begins at.
fn raised_now(
    series: &Series,
    normal: f64,
    limit: f64,
    ringing: &[&Alarm],
) -> Option<(Raised, usize)> {
    let present: Vec<(usize, f64)> = series
        .values
        .iter()
        .enumerate()
        .filter_map(|(index, value)| value.map(|value| (index, value)))
        .collect();
    let (newest, value) = present.last().copied()?;
    if newest + FRESH_STEPS < series.values.len() || value <= limit {
        return None;
    }
    // Back to where it rose; one value below the limit is a dip, two are the end of it.
    let mut start = present.len() - 1;
    let mut below = 0;
    for position in (0..present.len()).rev() {
        if present[position].1 > limit {
            start = position;
            below = 0;
        } else {
            below += 1;
            if below == 2 {
                break;
            }
        }
    }
    let (index, first) = present[start];
    let earliest = series.time_of(index)?;
    let two_in_a_row = present
        .len()
        .checked_sub(2)
        .is_some_and(|index| present[index].1 > limit);
    // An alarm that rang before the value rose tells of something else.
    let confirmed = ringing
        .iter()
        .any(|alarm| alarm.since.is_none_or(|since| since >= earliest));
    if !two_in_a_row && !confirmed {
        return None;
    }
    let onset = if start == 0 {
        Onset::Before(earliest)
    } else {
        let mut after: Vec<f64> = present[start + 1..]
            .iter()
            .map(|(_, value)| *value)
            .collect();
        after.sort_by(f64::total_cmp);
        let estimate = after.get(after.len() / 2).map(|level| {
            let risen = ((first - normal) / (level - normal)).clamp(0.0, 1.0);
            let within_s = series.step_s as f64 * (1.0 - risen);
            earliest + SignedDuration::from_millis((within_s * 1000.0) as i64)
        });
        Onset::Within { earliest, estimate }
    };
    Some((
        Raised {
            value,
            normal,
            onset,
        },
        index,
    ))
}

/// Whether the raise is made of enough failed requests; true where nobody counts requests.
fn enough_failures(metrics: &Metrics, since: usize) -> bool {
    let rate = &metrics.requests_per_second;
    if rate.values.iter().flatten().next().is_none() {
        return true;
    }
    let failed: f64 = (since..metrics.error_percent.values.len())
        .filter_map(|index| {
            let percent = metrics.error_percent.values[index]?;
            let at_s = metrics.error_percent.start_s + metrics.error_percent.step_s * index as i64;
            Some(percent / 100.0 * value_at(rate, at_s)? * metrics.error_percent.step_s as f64)
        })
        .sum();
    failed >= FAILED_REQUESTS_MIN
}

fn value_at(series: &Series, at_s: i64) -> Option<f64> {
    if series.step_s <= 0 || at_s < series.start_s {
        return None;
    }
    let index = usize::try_from((at_s - series.start_s) / series.step_s).ok()?;
    series.values.get(index).copied().flatten()
}

/// The values of whole steps within `[start, end)`.
pub(super) fn values_between(series: &Series, start: Timestamp, end: Timestamp) -> Vec<f64> {
    series
        .values
        .iter()
        .enumerate()
        .filter_map(|(index, value)| {
            let at = series.time_of(index)?;
            let until = at + SignedDuration::from_secs(series.step_s);
            (at >= start && until <= end).then_some(*value)?
        })
        .collect()
}
