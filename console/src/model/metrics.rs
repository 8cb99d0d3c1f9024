//! Measured series: what the sparklines and the assessment read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A stretch of time, start inclusive and end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Inclusive.
    pub start: Timestamp,
    /// Exclusive.
    pub end: Timestamp,
}

/// Equally spaced values; a hole is a `None`, never a zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The first value's time in seconds since the epoch.
    pub start_s: i64,
    /// Distance of two values in seconds.
    pub step_s: i64,
    /// Oldest first.
    pub values: Vec<Option<f64>>,
}

impl Series {
    /// The newest value that is there, if it is among the last `steps` values.
    pub fn latest_within(&self, steps: usize) -> Option<f64> {
        self.values
            .iter()
            .rev()
            .take(steps)
            .find_map(|value| *value)
    }

    /// The time of the value at `index`.
    pub fn time_of(&self, index: usize) -> Option<Timestamp> {
        Timestamp::from_second(self.start_s + self.step_s * i64::try_from(index).ok()?).ok()
    }
}

/// What is measured of one environment over a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Requests a second at the load balancer.
    pub requests_per_second: Series,
    /// Share of 5xx answers in percent, 0–100.
    pub error_percent: Series,
    /// 95th percentile of the target's response time in milliseconds.
    pub p95_ms: Series,
    /// Mean CPU of the service in percent of what it reserves.
    pub cpu_percent: Series,
    /// Mean memory of the service in percent of its limit.
    pub memory_percent: Series,
}
