//! How long to wait before a job is tried again.

use std::time::Duration;

use uuid::Uuid;

/// The pause grows up to this.
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
/// A service that asks for more than this is asked again nevertheless.
const ASKED_MAX: Duration = Duration::from_secs(60 * 60);

/// The pause after this many failed attempts: `first`, doubled with each further one, with
/// between none and half of it taken off at random, so that jobs which failed together do
/// not come back together. Never shorter than the service asks for.
pub(super) fn pause(first: Duration, attempts: i64, asked: Option<Duration>) -> Duration {
    pause_with(first, attempts, asked, random())
}

fn pause_with(first: Duration, attempts: i64, asked: Option<Duration>, share: f64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default();
    let full = first
        .saturating_mul(2_u32.saturating_pow(doublings.min(20)))
        .min(PAUSE_MAX);
    let own = full.mul_f64(1.0 - share / 2.0);
    match asked {
        None => own,
        // A little more, for the same reason.
        Some(asked) => own.max(asked.min(ASKED_MAX) + first.mul_f64(share)),
    }
}

/// From 0 to 1.
fn random() -> f64 {
    let bits = Uuid::new_v4().as_u128() as u16;
    f64::from(bits) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_secs(5);

    #[test]
    fn the_pause_doubles_up_to_a_quarter_of_an_hour() {
        let seconds = |attempts| pause_with(FIRST, attempts, None, 0.0).as_secs();
        assert_eq!([1, 2, 3, 4].map(seconds), [5, 10, 20, 40]);
        assert_eq!(seconds(100), 15 * 60);
    }

    proptest! {
        #[test]
        fn a_pause_is_spread_and_never_shorter_than_asked(
            attempts in 0..200_i64, share in 0.0..=1.0, asked in proptest::option::of(0..10_000_u64)
        ) {
            let asked = asked.map(Duration::from_secs);
            let full = pause_with(FIRST, attempts, None, 0.0);
            let pause = pause_with(FIRST, attempts, asked, share);
            prop_assert!(pause >= full / 2);
            match asked {
                None => prop_assert!(pause <= full),
                Some(asked) => prop_assert!(pause >= asked.min(ASKED_MAX)),
            }
        }
    }
}
