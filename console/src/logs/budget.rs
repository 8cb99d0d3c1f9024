//! The calls a second that all readers of one account and region share.
//!
//! CloudWatch allows 5 to 25 FilterLogEvents a second per account and region, for everybody in it
//! together (AWS: CloudWatch Logs quotas). The console takes two and leaves the rest to others.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// Calls a second.
const RATE_PER_S: f64 = 2.0;
/// Calls at once after a rest: the smallest quota any region has for one second.
const BURST: f64 = 5.0;

/// A token bucket.
#[derive(Debug)]
pub struct Budget {
    state: Mutex<State>,
    interval: Duration,
    burst: f64,
}

#[derive(Debug)]
struct State {
    /// When the bucket is full again if nobody calls.
    full_at: Instant,
    /// Nobody calls before: the platform said that it is too much.
    closed_until: Instant,
}

static BUDGETS: LazyLock<Mutex<HashMap<String, Weak<Budget>>>> = LazyLock::new(Mutex::default);

impl Budget {
    /// The bucket that everybody with that key shares (`LogPages::budget_key`).
    pub fn shared(key: &str) -> Arc<Self> {
        let mut budgets = BUDGETS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = budgets.get(key).and_then(Weak::upgrade) {
            return budget;
        }
        budgets.retain(|_, budget| budget.strong_count() > 0);
        let budget = Arc::new(Self::new(RATE_PER_S, BURST));
        budgets.insert(key.to_owned(), Arc::downgrade(&budget));
        budget
    }

    /// A bucket of one's own: `rate_per_s` calls a second, `burst` at once after a rest.
    pub fn new(rate_per_s: f64, burst: f64) -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                full_at: now,
                closed_until: now,
            }),
            interval: Duration::from_secs_f64(1.0 / rate_per_s.max(0.001)),
            burst: burst.max(1.0),
        }
    }

    /// Waits for a token and takes it. First come, first served.
    pub async fn take(&self) {
        let at = self.reserve(Instant::now());
        tokio::time::sleep_until(at).await;
    }

    /// When the next call may go; the token is taken.
    fn reserve(&self, now: Instant) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = self.interval.mul_f64(self.burst - 1.0);
        let full_at = state.full_at.max(now);
        state.full_at = full_at + self.interval;
        let has_token_at = full_at.checked_sub(burst).unwrap_or(now);
        has_token_at.max(now).max(state.closed_until)
    }

    /// The platform throttled: nobody of this budget calls for so long.
    pub fn close_for(&self, pause: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed_until = state.closed_until.max(Instant::now() + pause);
    }
}

/// How long to wait before try number `tries` (from 1): doubling from `base` up to `max`, with
/// "equal jitter" (half fixed, half random), so that many readers do not come back at once.
pub(super) fn back_off(tries: u32, base: Duration, max: Duration) -> Duration {
    let whole = base
        .saturating_mul(1 << tries.saturating_sub(1).min(16))
        .min(max);
    // A fresh RandomState is a random number without another dependency.
    let random = RandomState::new().hash_one(tries) as f64 / u64::MAX as f64;
    whole.mul_f64(0.5 + 0.5 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let budget = Budget::new(2.0, 5.0);
        let now = Instant::now() + Duration::from_secs(60);
        let waits: Vec<_> = (0..8)
            .map(|_| (budget.reserve(now) - now).as_millis())
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 500, 1_000, 1_500]);
        let later = now + Duration::from_secs(60);
        assert_eq!(budget.reserve(later), later);
    }

    #[test]
    fn everybody_waits_when_the_platform_throttles() {
        let (a, b) = (
            Budget::shared("111/us-east-1"),
            Budget::shared("111/us-east-1"),
        );
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &Budget::shared("111/eu-west-1")));
        let now = Instant::now();
        a.close_for(Duration::from_secs(3));
        assert!(b.reserve(now) >= now + Duration::from_secs(3));
    }

    #[test]
    fn back_off_doubles_up_to_its_bound_and_is_never_the_same_for_all() {
        let (base, max) = (Duration::from_millis(500), Duration::from_secs(30));
        for tries in 1..40 {
            let wait = back_off(tries, base, max);
            assert!(wait <= max && wait >= base / 2, "{tries}: {wait:?}");
        }
        assert!(back_off(30, base, max) >= max / 2);
        let waits: std::collections::HashSet<_> = (0..20).map(|_| back_off(9, base, max)).collect();
        assert!(waits.len() > 10);
    }
}
