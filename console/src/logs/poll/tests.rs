//! Polling a source that shows events late and fails: nothing lost, nothing twice.

use super::{super::fake::FakeLogPages, *};
use futures::executor::block_on;
use proptest::prelude::*;

const NOON_MS: i64 = 1_750_000_000_000;

fn poller(pages: &Arc<FakeLogPages>, start: TailStart) -> Poller {
    Poller::new(pages.clone(), Vec::new(), start, None)
}

/// One poll at that time: every page, until everything there is was read.
fn poll(poller: &mut Poller, pages: &FakeLogPages, now_ms: i64) -> Vec<String> {
    pages.set_now(now_ms);
    let (mut read, mut due) = (Vec::new(), true);
    for _ in 0..10_000 {
        let step = block_on(poller.step(now_ms, due)).unwrap();
        due = false;
        read.extend(step.events.into_iter().map(|event| event.message));
        if !poller.has_more(now_ms) {
            return read;
        }
    }
    panic!("the poll does not end");
}

#[test]
fn an_event_that_shows_up_late_is_still_read() {
    let pages = Arc::new(FakeLogPages::new(100));
    pages.add("a", NOON_MS, 0, "first");
    pages.add(
        "b",
        NOON_MS - 10_000,
        20_000,
        "ten seconds older, shown ten seconds later",
    );
    let mut poller = poller(&pages, TailStart::At(NOON_MS - 60_000));
    assert_eq!(poll(&mut poller, &pages, NOON_MS + 1_000), ["first"]);
    assert_eq!(poll(&mut poller, &pages, NOON_MS + 9_000), [""; 0]);
    assert_eq!(poll(&mut poller, &pages, NOON_MS + 11_000).len(), 1);
    assert_eq!(poll(&mut poller, &pages, NOON_MS + 12_000), [""; 0]);
}

#[test]
fn the_overlap_grows_with_the_lag_within_bounds() {
    let pages = Arc::new(FakeLogPages::new(100));
    let mut poller = poller(&pages, TailStart::At(NOON_MS));
    assert_eq!(poller.overlap_ms(), OVERLAP_MS_MIN);
    pages.add("a", NOON_MS, 45_000, "slow");
    poll(&mut poller, &pages, NOON_MS + 45_000);
    assert_eq!(
        (poller.overlap_ms(), poller.lag_ms()),
        (90_000, Some(45_000))
    );
    pages.add("a", NOON_MS + 1, 300_000, "slower");
    poll(&mut poller, &pages, NOON_MS + 600_000);
    assert_eq!(poller.overlap_ms(), OVERLAP_MS_MAX);
}

#[test]
fn a_sweep_finds_what_came_minutes_late() {
    let pages = Arc::new(FakeLogPages::new(2));
    let mut poller = poller(&pages, TailStart::At(NOON_MS));
    pages.add("a", NOON_MS + 1_000, 8 * 60_000, "eight minutes late");
    let mut read = Vec::new();
    for second in 0..16 * 60 {
        let now_ms = NOON_MS + second * 1_000;
        pages.add("b", now_ms, 0, "tick");
        read.extend(poll(&mut poller, &pages, now_ms));
    }
    assert_eq!(
        read.iter()
            .filter(|text| *text == "eight minutes late")
            .count(),
        1
    );
    assert_eq!(read.iter().filter(|text| *text == "tick").count(), 16 * 60);
}

#[test]
fn a_clock_ahead_of_ours_does_not_make_us_skip_what_is_still_to_come() {
    let pages = Arc::new(FakeLogPages::new(100));
    let mut poller = poller(&pages, TailStart::At(NOON_MS));
    pages.add(
        "wrong clock",
        NOON_MS + 3_600_000,
        -3_600_000,
        "from the future",
    );
    assert_eq!(
        poll(&mut poller, &pages, NOON_MS + 1_000),
        ["from the future"]
    );
    pages.add("right clock", NOON_MS + 2_000, 0, "now");
    assert_eq!(poll(&mut poller, &pages, NOON_MS + 2_000), ["now"]);
}

#[test]
fn a_page_that_failed_is_asked_for_again_and_nothing_is_lost() {
    let pages = Arc::new(FakeLogPages::new(2));
    for n in 0..7 {
        pages.add("a", NOON_MS + n, 0, &n.to_string());
    }
    pages.set_now(NOON_MS + 1_000);
    let mut poller = poller(&pages, TailStart::At(NOON_MS));
    let (mut read, mut failures) = (Vec::new(), 0);
    for turn in 0..20 {
        if turn % 2 == 1 {
            pages.fail_next([FakeLogPages::expired()]);
        }
        match block_on(poller.step(NOON_MS + 1_000, true)) {
            Ok(step) => read.extend(step.events.into_iter().map(|event| event.message)),
            Err(_) => failures += 1,
        }
        if read.len() == 7 {
            break;
        }
        assert_eq!(
            poller.read_to_ms(),
            None,
            "moved on before everything was read"
        );
    }
    assert_eq!(read, ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(failures, 3);
}

#[test]
fn a_token_that_is_refused_starts_the_stretch_over_without_repeating() {
    let pages = Arc::new(FakeLogPages::new(2));
    for n in 0..5 {
        pages.add("a", NOON_MS + n, 0, &n.to_string());
    }
    pages.set_now(NOON_MS + 1_000);
    let mut poller = poller(&pages, TailStart::At(NOON_MS));
    let first = block_on(poller.step(NOON_MS, true)).unwrap();
    pages.fail_next([PlatformError::Invalid {
        operation: "FilterLogEvents".to_owned(),
        cause: "The specified nextToken is invalid.".to_owned(),
    }]);
    let rest = poll(&mut poller, &pages, NOON_MS + 1_000);
    assert_eq!(
        (first.events.len(), rest),
        (2, vec!["2".into(), "3".into(), "4".into()])
    );
}

#[test]
fn the_last_lines_are_found_wherever_they_are() {
    let pages = Arc::new(FakeLogPages::new(3));
    for n in 0..10 {
        pages.add("a", NOON_MS - 40 * 60_000 + n, 0, &format!("old {n}"));
    }
    pages.add("a", NOON_MS - 1_000, 0, "new");
    let mut tail = poller(&pages, TailStart::LastLines(4));
    assert_eq!(
        poll(&mut tail, &pages, NOON_MS),
        ["old 7", "old 8", "old 9", "new"]
    );
    pages.add("a", NOON_MS + 500, 0, "newer");
    assert_eq!(poll(&mut tail, &pages, NOON_MS + 1_000), ["newer"]);
    // Later sweeps do not bring up what was older than the lines asked for.
    assert_eq!(poll(&mut tail, &pages, NOON_MS + 400_000), [""; 0]);
    let empty = Arc::new(FakeLogPages::new(3));
    let mut silent = poller(&empty, TailStart::LastLines(4));
    assert_eq!(poll(&mut silent, &empty, NOON_MS), [""; 0]);
    empty.add("a", NOON_MS + 500, 0, "first ever");
    assert_eq!(poll(&mut silent, &empty, NOON_MS + 1_000), ["first ever"]);
}

#[test]
fn a_window_ends_when_nothing_can_come_any_more() {
    let pages = Arc::new(FakeLogPages::new(2));
    for n in 0..6 {
        pages.add("a", NOON_MS + n * 1_000, 0, &n.to_string());
    }
    pages.set_now(NOON_MS + 600_000);
    let window = TailStart::At(NOON_MS + 1_000);
    let mut past = Poller::new(pages.clone(), Vec::new(), window, Some(NOON_MS + 4_000));
    let mut read = Vec::new();
    let ended = (0..10).any(|_| {
        let step = block_on(past.step(NOON_MS + 600_000, true)).unwrap();
        read.extend(step.events.into_iter().map(|event| event.message));
        step.ended
    });
    assert!(ended);
    assert_eq!(read, ["1", "2", "3"]);
    let mut open = Poller::new(pages, Vec::new(), window, Some(NOON_MS + 4_000));
    let early = (0..10).any(|_| block_on(open.step(NOON_MS + 5_000, true)).unwrap().ended);
    assert!(!early, "ended while late lines could still come");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any lateness up to the overlap, any page splitting, empty pages, repeated events, any
    /// rhythm of polls, failures in between: every event exactly once.
    #[test]
    fn every_event_is_read_exactly_once(
        events in prop::collection::vec((0i64..300_000, 0i64..=OVERLAP_MS_MIN - 1, 0u8..4), 0..80),
        page_size in 1usize..40,
        empty_every in prop_oneof![Just(0u64), 2u64..5],
        repeats in any::<bool>(),
        rhythm_ms in 500i64..20_000,
        failures in prop::collection::vec(0usize..60, 0..8),
    ) {
        let pages = Arc::new(
            FakeLogPages::new(page_size).with_empty_pages(empty_every).with_repeats(repeats),
        );
        for (number, (at, lateness, stream)) in events.iter().enumerate() {
            pages.add(&format!("s{stream}"), NOON_MS + at, *lateness, &number.to_string());
        }
        let mut poller = poller(&pages, TailStart::At(NOON_MS));
        let mut read = Vec::new();
        let mut now_ms = NOON_MS;
        for turn in 0.. {
            now_ms += rhythm_ms;
            if failures.contains(&turn) {
                pages.fail_next([FakeLogPages::throttled()]);
                prop_assert!(block_on(poller.step(now_ms, true)).is_err());
            }
            read.extend(poll(&mut poller, &pages, now_ms));
            if now_ms > NOON_MS + 400_000 {
                break;
            }
        }
        read.sort_unstable_by_key(|text| text.parse::<usize>().unwrap());
        let all: Vec<_> = (0..events.len()).map(|number| number.to_string()).collect();
        prop_assert_eq!(read, all);
    }
}
