//! Faults on purpose, for rehearsals: what a bad release does, done by this one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::problem::ApiError;
use crate::settings::Faults;

/// What the settings ask to go wrong, and the state that needs.
pub(crate) struct Misbehaviour {
    faults: Faults,
    requests: AtomicU64,
    seed: u64,
    leaked: Mutex<Vec<Vec<u8>>>,
}

impl Misbehaviour {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            faults,
            requests: AtomicU64::new(0),
            // Tasks of one service must not fail in step.
            seed: u64::from(std::process::id()) << 32,
            leaked: Mutex::new(Vec::new()),
        }
    }

    /// Whether any business request is to be treated badly.
    pub(crate) fn concerns_requests(&self) -> bool {
        self.faults.fail_percent > 0.0
            || !self.faults.latency.is_zero()
            || self.faults.leak_kib_per_request > 0
    }

    /// Why this process never becomes ready, if it is to be so.
    pub(crate) fn unready_reason(&self) -> Option<&'static str> {
        self.faults
            .never_ready
            .then_some("warming up: 0 of 4 segments loaded")
    }

    /// When this process is to crash, counted from its start.
    pub(crate) fn crash_after(&self) -> Option<Duration> {
        self.faults.crash_after
    }

    fn leak(&self) {
        let bytes = self.faults.leak_kib_per_request * 1024;
        if bytes > 0 {
            // Not zero: zeroed pages would not be resident and no metric would show them.
            let mut leaked = self.leaked.lock().unwrap_or_else(PoisonError::into_inner);
            leaked.push(vec![0xA5; bytes]);
        }
    }

    fn is_next_to_fail(&self) -> bool {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        draw_percent(self.seed.wrapping_add(number)) < self.faults.fail_percent
    }
}

/// Around business routes: leaks, delays and fails as the settings ask.
pub(crate) async fn misbehave(State(app): State<App>, request: Request, next: Next) -> Response {
    let misbehaviour = &app.faults;
    misbehaviour.leak();
    tokio::time::sleep(misbehaviour.faults.latency).await;
    if misbehaviour.is_next_to_fail() {
        return ApiError::Internal {
            cause: "price lookup failed: missing field `currency` in the catalogue's answer".into(),
        }
        .into_response();
    }
    next.run(request).await
}

/// A number from 0 to 100 (exclusive) that looks random but depends on `input` alone:
/// the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
fn draw_percent(input: u64) -> f64 {
    let mut mixed = input.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    // 10,000 steps are finer than any share worth rehearsing.
    let step = u32::try_from(mixed % 10_000).unwrap_or_default();
    f64::from(step) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures_in_10_000(percent: f64, seed: u64) -> usize {
        let misbehaviour = Misbehaviour {
            seed,
            ..Misbehaviour::new(Faults {
                fail_percent: percent,
                ..Faults::default()
            })
        };
        (0..10_000)
            .filter(|_| misbehaviour.is_next_to_fail())
            .count()
    }

    #[test]
    fn the_share_of_failures_is_the_one_asked_for() {
        for seed in [0, 7 << 32, 4242 << 32] {
            let failures = failures_in_10_000(8.0, seed);
            assert!((700..900).contains(&failures), "{failures} of 10,000");
            assert_eq!(failures_in_10_000(0.0, seed), 0);
            assert_eq!(failures_in_10_000(100.0, seed), 10_000);
        }
    }

    #[test]
    fn failures_do_not_follow_a_rhythm_that_spares_a_route() {
        // Traffic that repeats every 10 requests must not always meet the same fate.
        let misbehaviour = Misbehaviour {
            seed: 0,
            ..Misbehaviour::new(Faults {
                fail_percent: 10.0,
                ..Faults::default()
            })
        };
        let mut by_slot = [0; 10];
        for number in 0..10_000 {
            if misbehaviour.is_next_to_fail() {
                by_slot[number % 10] += 1;
            }
        }
        assert!(
            by_slot.iter().all(|count| (50..150).contains(count)),
            "{by_slot:?}"
        );
    }
}
