//! What was measured: buckets of a second for three hours, of a minute for fifteen days.
//!
//! The two resolutions and how long they are kept are CloudWatch's own for high-resolution
//! metrics: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html>

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const SECONDS_KEPT_MS: i64 = 3 * 60 * MINUTE_MS;
const MINUTES_KEPT_MS: i64 = 15 * 24 * 60 * MINUTE_MS;

/// Values kept of one bucket for percentiles; beyond it a uniform sample of them.
const SAMPLES_MAX: usize = 256;

/// Series beyond this many are not recorded: nothing here makes that many, a client might.
const SERIES_MAX: usize = 20_000;

/// What names a series: namespace, metric name, dimensions in order of name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricId {
    /// Such as `AWS/ApplicationELB`.
    pub namespace: String,
    /// Such as `HTTPCode_Target_5XX_Count`.
    pub name: String,
    /// Names and values, sorted.
    pub dimensions: Vec<(String, String)>,
}

impl MetricId {
    /// The id of a series, whatever order its dimensions are given in.
    pub fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let mut dimensions: Vec<(String, String)> = dimensions
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        dimensions.sort();
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions,
        }
    }
}

/// How the values of a period become one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// How many values there were.
    SampleCount,
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// The value below which this percentage of them lies (`p95`, `p99.9`).
    Percentile(f64),
}

impl Statistic {
    /// Reads a statistic as the API spells it; none when it is not one known here.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "SampleCount" => Self::SampleCount,
            "Sum" => Self::Sum,
            "Average" => Self::Average,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => {
                let percent: f64 = text.strip_prefix('p')?.parse().ok()?;
                (0.0..=100.0).contains(&percent).then_some(())?;
                Self::Percentile(percent)
            }
        })
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p{percent}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// The values of one period.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// How many values.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    samples: Vec<f32>,
}

impl Statistics {
    fn none() -> Self {
        Self {
            count: 0.0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            samples: Vec::new(),
        }
    }

    /// Several values known only by their statistics, as `PutMetricData` may send them.
    pub fn from_set(count: f64, sum: f64, min: f64, max: f64) -> Self {
        Self {
            count,
            sum,
            min,
            max,
            samples: vec![min as f32, max as f32],
        }
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(value as f32);
        } else {
            // Algorithm R with a hash of the count for its random number: the same values in
            // the same order give the same sample.
            let place = scramble(self.count as u64) % (self.count as u64).max(1);
            if let Some(slot) = self.samples.get_mut(place as usize) {
                *slot = value as f32;
            }
        }
    }

    fn merge(&mut self, other: &Statistics) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.samples.extend_from_slice(&other.samples);
    }

    fn thin(&mut self) {
        if self.samples.len() > SAMPLES_MAX {
            self.samples.sort_by(f32::total_cmp);
            let len = self.samples.len();
            // Evenly over the sorted values, both ends included: the shape is what matters.
            self.samples = (0..SAMPLES_MAX)
                .map(|i| self.samples[i * (len - 1) / (SAMPLES_MAX - 1)])
                .collect();
        }
    }

    /// One number out of the values.
    pub fn value(&self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::SampleCount => self.count,
            Statistic::Sum => self.sum,
            Statistic::Average => self.sum / self.count,
            Statistic::Minimum => self.min,
            Statistic::Maximum => self.max,
            Statistic::Percentile(percent) => self.percentile(percent),
        }
    }

    /// The nearest-rank percentile of the values held.
    fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f32::total_cmp);
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted
            .get(rank.saturating_sub(1))
            .or(sorted.last())
            .map_or(self.max, |v| f64::from(*v))
    }
}

/// SplitMix64's finaliser: a well-mixed number out of a counter.
fn scramble(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[derive(Debug, Default)]
struct Series {
    /// By start, in milliseconds since the epoch.
    seconds: BTreeMap<i64, Statistics>,
    minutes: BTreeMap<i64, Statistics>,
}

impl Series {
    fn bucket(&mut self, at_ms: i64) -> &mut Statistics {
        let start = at_ms.div_euclid(SECOND_MS) * SECOND_MS;
        self.seconds.entry(start).or_insert_with(Statistics::none)
    }

    /// Moves whole minutes that are past the fine resolution into the coarse one.
    fn roll_up(&mut self) {
        let Some(newest) = self.seconds.keys().next_back().copied() else {
            return;
        };
        let fine_from = (newest - SECONDS_KEPT_MS).div_euclid(MINUTE_MS) * MINUTE_MS;
        while let Some(entry) = self.seconds.first_entry() {
            if *entry.key() >= fine_from {
                break;
            }
            let (at, second) = entry.remove_entry();
            let minute = self
                .minutes
                .entry(at.div_euclid(MINUTE_MS) * MINUTE_MS)
                .or_insert_with(Statistics::none);
            minute.merge(&second);
            minute.thin();
        }
        while let Some(entry) = self.minutes.first_entry() {
            if *entry.key() >= newest - MINUTES_KEPT_MS {
                break;
            }
            entry.remove();
        }
    }
}

/// All series of the cloud.
#[derive(Debug, Default)]
pub struct MetricStore {
    series: RwLock<BTreeMap<MetricId, Series>>,
}

impl MetricStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records one value at a time in milliseconds since the epoch.
    pub fn record(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        at_ms: i64,
        value: f64,
    ) {
        self.change(MetricId::new(namespace, name, dimensions), |series| {
            series.bucket(at_ms).add(value);
        });
    }

    /// Records values of which only the statistics are known.
    pub fn record_set(&self, id: MetricId, at_ms: i64, set: &Statistics) {
        self.change(id, |series| {
            let bucket = series.bucket(at_ms);
            bucket.merge(set);
            bucket.thin();
        });
    }

    /// The ids of all series for which `wanted` holds, in order.
    pub fn ids(&self, wanted: impl Fn(&MetricId) -> bool) -> Vec<MetricId> {
        let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
        all.keys().filter(|id| wanted(id)).cloned().collect()
    }

    /// The values of a series by periods of `period_s` from `start_ms` to, not including,
    /// `end_ms`; periods are aligned to the epoch, and those without a value are left out.
    pub fn periods(
        &self,
        id: &MetricId,
        start_ms: i64,
        end_ms: i64,
        period_s: i64,
    ) -> BTreeMap<i64, Statistics> {
        let period_ms = period_s.max(1) * SECOND_MS;
        let mut periods: BTreeMap<i64, Statistics> = BTreeMap::new();
        if start_ms >= end_ms {
            return periods;
        }
        let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let Some(series) = all.get(id) else {
            return periods;
        };
        let buckets = series
            .minutes
            .range(start_ms..end_ms)
            .chain(series.seconds.range(start_ms..end_ms));
        for (at, bucket) in buckets {
            periods
                .entry(at.div_euclid(period_ms) * period_ms)
                .or_insert_with(Statistics::none)
                .merge(bucket);
        }
        periods
    }

    fn change(&self, id: MetricId, change: impl FnOnce(&mut Series)) {
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SERIES_MAX && !all.contains_key(&id) {
            tracing::warn!(?id, "too many metrics: this one is not recorded");
            return;
        }
        let series = all.entry(id).or_default();
        change(series);
        series.roll_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMENSIONS: &[(&str, &str)] = &[("LoadBalancer", "app/dev/1")];

    #[test]
    fn periods_give_every_statistic_of_what_was_recorded() {
        let store = MetricStore::new();
        for i in 1..=100 {
            store.record("N", "Latency", DIMENSIONS, 60_000 + i * 100, i as f64);
        }
        let id = MetricId::new("N", "Latency", DIMENSIONS);
        let periods = store.periods(&id, 60_000, 120_000, 60);
        let minute = &periods[&60_000];
        assert_eq!(minute.value(Statistic::SampleCount), 100.0);
        assert_eq!(minute.value(Statistic::Sum), 5050.0);
        assert_eq!(minute.value(Statistic::Average), 50.5);
        assert_eq!(minute.value(Statistic::Minimum), 1.0);
        assert_eq!(minute.value(Statistic::Maximum), 100.0);
        assert_eq!(minute.value(Statistic::Percentile(95.0)), 95.0);
        assert_eq!(store.periods(&id, 60_000, 120_000, 1).len(), 11);
    }

    #[test]
    fn old_seconds_become_minutes_without_losing_a_count() {
        let store = MetricStore::new();
        for second in 0..60 {
            store.record("N", "Requests", &[], second * 1000, 2.0);
        }
        store.record("N", "Requests", &[], 4 * 60 * MINUTE_MS, 1.0);
        let id = MetricId::new("N", "Requests", &[]);
        let old = store.periods(&id, 0, MINUTE_MS, 1);
        assert_eq!(old.len(), 1, "one minute bucket: {old:?}");
        assert_eq!(old[&0].value(Statistic::Sum), 120.0);
    }

    #[test]
    fn statistics_are_read_as_the_api_spells_them() {
        assert_eq!(Statistic::parse("p99.9"), Some(Statistic::Percentile(99.9)));
        assert_eq!(Statistic::parse("Sum"), Some(Statistic::Sum));
        assert_eq!(Statistic::parse("p101"), None);
        assert_eq!(Statistic::parse("median"), None);
    }
}
