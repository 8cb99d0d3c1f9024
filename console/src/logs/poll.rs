//! Reads a paged source again and again without losing or repeating an event.
//!
//! CloudWatch shows events late and out of order, so "everything after the newest one I have"
//! loses lines. Instead: each poll reads again an overlap before the newest time seen, drains
//! every page, drops what was taken already by its event id, and moves on only after a full
//! drain. A sweep goes further back from time to time and finds what came later still.
//!
//! This file has no clock and never sleeps: [`Poller::step`] is told the time.

use super::{seen::SeenIds, tail::TailStart};
use crate::{
    model::RawLogEvent,
    platform::{LogPages, PageRequest, PlatformError},
};
use std::{collections::VecDeque, sync::Arc};

/// Bounds of the overlap, in milliseconds. It is twice the lag seen lately.
pub const OVERLAP_MS_MIN: i64 = 30_000;
/// See [`OVERLAP_MS_MIN`].
pub const OVERLAP_MS_MAX: i64 = 120_000;
/// How far a sweep goes back, in milliseconds.
pub const SWEEP_BACK_MS: i64 = 15 * 60_000;
/// From one sweep to the next, in milliseconds: a line up to ten minutes late is always found.
pub const SWEEP_EVERY_MS: i64 = 5 * 60_000;

/// To find the last lines, so far back and then further, in milliseconds.
const LOOK_BACK_MS: [i64; 4] = [30_000, 5 * 60_000, 60 * 60_000, 6 * 60 * 60_000];
/// Pages read at most to find the last lines: a log this busy has them in the nearest span.
const LOOK_BACK_PAGES: u32 = 40;

/// What one step brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Events not given before, in the platform's order.
    pub events: Vec<RawLogEvent>,
    /// True when everything there is was read: time to pause.
    pub drained: bool,
    /// True when the end of the window is reached and nothing can come any more.
    pub ended: bool,
}

/// One pass over all pages of a stretch of time.
#[derive(Debug)]
struct Drain {
    start_ms: i64,
    end_ms: Option<i64>,
    token: Option<String>,
    begun_ms: i64,
    latest_ms: Option<i64>,
}

impl Drain {
    fn over(start_ms: i64, end_ms: Option<i64>, now_ms: i64) -> Self {
        Self {
            start_ms,
            end_ms,
            token: None,
            begun_ms: now_ms,
            latest_ms: None,
        }
    }
}

/// The search for the last lines.
#[derive(Debug)]
struct LookBack {
    wanted: usize,
    found: VecDeque<RawLogEvent>,
    begun_ms: Option<i64>,
    span: usize,
    pages: u32,
}

impl LookBack {
    fn for_lines(wanted: usize) -> Self {
        Self {
            wanted,
            found: VecDeque::new(),
            begun_ms: None,
            span: 0,
            pages: 0,
        }
    }
}

/// The state of reading one source.
pub struct Poller {
    pages: Arc<dyn LogPages>,
    streams: Vec<String>,
    /// Nothing older is wanted.
    start_ms: i64,
    end_ms: Option<i64>,
    /// Everything up to here was read, bar what comes later than the overlap.
    highwater_ms: Option<i64>,
    look_back: Option<LookBack>,
    live: Option<Drain>,
    sweep: Option<Drain>,
    next_sweep_ms: Option<i64>,
    seen: SeenIds,
    lag: Lag,
}

impl Poller {
    /// Reads `streams` (all when empty) from `start` on, up to `end_ms`.
    pub fn new(
        pages: Arc<dyn LogPages>,
        streams: Vec<String>,
        start: TailStart,
        end_ms: Option<i64>,
    ) -> Self {
        let (start_ms, look_back) = match start {
            TailStart::At(start_ms) => (start_ms, None),
            TailStart::LastLines(wanted) => (i64::MIN, Some(LookBack::for_lines(wanted))),
        };
        Self {
            pages,
            streams,
            start_ms,
            end_ms,
            highwater_ms: None,
            look_back,
            live: None,
            sweep: None,
            next_sweep_ms: None,
            seen: SeenIds::new(),
            lag: Lag::default(),
        }
    }

    /// Everything up to that time was read, in milliseconds since the epoch.
    pub fn read_to_ms(&self) -> Option<i64> {
        self.highwater_ms
    }

    /// How long lines usually take until they can be read, in milliseconds.
    pub fn lag_ms(&self) -> Option<i64> {
        self.lag.usual_ms.map(|lag| lag as i64)
    }

    /// How far before the newest time seen the next poll begins, in milliseconds.
    pub fn overlap_ms(&self) -> i64 {
        (2 * self.lag.worst_ms as i64).clamp(OVERLAP_MS_MIN, OVERLAP_MS_MAX)
    }

    /// True while pages of a stretch are left to read, or a sweep is due: step again at once.
    pub fn has_more(&self, now_ms: i64) -> bool {
        self.look_back.is_some() || self.live.is_some() || self.is_sweep_due(now_ms)
    }

    /// Reads one page. `poll` says that a poll is due; else only what was begun goes on, or a
    /// sweep. After an error the same page is asked for again.
    pub async fn step(&mut self, now_ms: i64, poll: bool) -> Result<Step, PlatformError> {
        if self.look_back.is_some() {
            return self.step_back(now_ms).await;
        }
        if self.live.is_none() && poll {
            let overlap_ms = self.overlap_ms();
            let start_ms = self
                .highwater_ms
                .map_or(self.start_ms, |highwater_ms| highwater_ms - overlap_ms)
                .max(self.oldest_ms());
            self.live = Some(Drain::over(start_ms, self.end_ms, now_ms));
        }
        if self.live.is_some() {
            self.step_live(now_ms).await
        } else if self.is_sweep_due(now_ms) {
            self.step_sweep(now_ms).await
        } else {
            Ok(Step {
                drained: true,
                ..Step::default()
            })
        }
    }

    /// Nothing before may be read: it is not wanted, or nobody knows whether it was taken.
    fn oldest_ms(&self) -> i64 {
        self.start_ms.max(self.seen.floor_ms())
    }

    async fn step_live(&mut self, now_ms: i64) -> Result<Step, PlatformError> {
        let Some(mut drain) = self.live.take() else {
            return Ok(Step::default());
        };
        let mut events = match self.page_of(&mut drain).await {
            Ok(events) => events,
            Err(error) => {
                self.live = Some(drain);
                return Err(error);
            }
        };
        self.keep_new(&mut events, true);
        for event in &events {
            drain.latest_ms = drain.latest_ms.max(Some(event.timestamp_ms));
            self.lag.note(event);
        }
        let mut step = Step {
            events,
            ..Step::default()
        };
        if drain.token.is_some() {
            self.live = Some(drain);
            return Ok(step);
        }
        // A clock ahead of ours must not move us past what is still to come, and a silent log
        // must not make each poll read further back than a sweep does. (SigV4 refuses clocks
        // that differ by more than 15 minutes, the length of a sweep.)
        let seen_to_ms = drain.latest_ms.unwrap_or(i64::MIN).min(drain.begun_ms);
        let quiet_ms = drain.begun_ms - SWEEP_BACK_MS;
        let highwater_ms = seen_to_ms
            .max(quiet_ms)
            .max(self.highwater_ms.unwrap_or(i64::MIN));
        self.highwater_ms = Some(highwater_ms);
        self.next_sweep_ms.get_or_insert(now_ms + SWEEP_EVERY_MS);
        self.forget(now_ms);
        step.drained = true;
        step.ended = self
            .end_ms
            .is_some_and(|end_ms| drain.begun_ms >= end_ms + OVERLAP_MS_MAX);
        Ok(step)
    }

    fn is_sweep_due(&self, now_ms: i64) -> bool {
        self.sweep.is_some() || self.next_sweep_ms.is_some_and(|due_ms| now_ms >= due_ms)
    }

    async fn step_sweep(&mut self, now_ms: i64) -> Result<Step, PlatformError> {
        let mut drain = match self.sweep.take() {
            Some(drain) => drain,
            None => {
                let start_ms = (now_ms - SWEEP_BACK_MS).max(self.oldest_ms());
                // The polls read the rest anyway.
                let end_ms = self.highwater_ms.map(|at| at - OVERLAP_MS_MIN);
                self.next_sweep_ms = Some(now_ms + SWEEP_EVERY_MS);
                if end_ms.is_none_or(|end_ms| end_ms <= start_ms) {
                    return Ok(Step {
                        drained: true,
                        ..Step::default()
                    });
                }
                Drain::over(start_ms, end_ms, now_ms)
            }
        };
        let mut events = match self.page_of(&mut drain).await {
            Ok(events) => events,
            Err(error) => {
                self.sweep = Some(drain);
                return Err(error);
            }
        };
        self.keep_new(&mut events, false);
        if drain.token.is_some() {
            self.sweep = Some(drain);
        }
        Ok(Step {
            events,
            drained: self.sweep.is_none(),
            ended: false,
        })
    }

    /// Reads further and further back until the wanted lines are found, and gives them at once.
    async fn step_back(&mut self, now_ms: i64) -> Result<Step, PlatformError> {
        let Some(mut look) = self.look_back.take() else {
            return Ok(Step::default());
        };
        let begun_ms = *look.begun_ms.get_or_insert(now_ms);
        let end_ms = self.end_ms.unwrap_or(i64::MAX).min(begun_ms);
        let mut drain = self.live.take().unwrap_or_else(|| {
            let nearer = look
                .span
                .checked_sub(1)
                .map_or(0, |nearer| LOOK_BACK_MS[nearer]);
            // Nothing ends the nearest span: a clock behind the platform's must not hide lines.
            let until_ms = if nearer == 0 {
                self.end_ms
            } else {
                Some(end_ms - nearer)
            };
            Drain::over(end_ms - LOOK_BACK_MS[look.span], until_ms, now_ms)
        });
        let mut events = match self.page_of(&mut drain).await {
            Ok(events) => events,
            Err(error) => {
                (self.live, self.look_back) = (Some(drain), Some(look));
                return Err(error);
            }
        };
        look.pages += 1;
        self.keep_new(&mut events, true);
        look.found.extend(events);
        let is_span_read = drain.token.is_none();
        let is_last_span = look.span + 1 == LOOK_BACK_MS.len();
        let is_enough = is_span_read && (look.found.len() >= look.wanted || is_last_span);
        if !is_enough && look.pages < LOOK_BACK_PAGES {
            if is_span_read {
                look.span += 1;
            } else {
                self.live = Some(drain);
            }
            self.look_back = Some(look);
            return Ok(Step::default());
        }
        let mut events: Vec<_> = look.found.into();
        events.sort_by_key(|event| event.timestamp_ms);
        events.drain(..events.len().saturating_sub(look.wanted));
        for event in &events {
            self.lag.note(event);
        }
        // From here on nothing older than the oldest line given is wanted.
        let oldest_ms = events
            .first()
            .map_or(end_ms - LOOK_BACK_MS[look.span], |e| e.timestamp_ms);
        self.start_ms = oldest_ms.min(end_ms);
        if is_span_read {
            let latest_ms = events.last().map_or(i64::MIN, |event| event.timestamp_ms);
            self.highwater_ms = Some(latest_ms.min(begun_ms).max(begun_ms - SWEEP_BACK_MS));
        }
        Ok(Step {
            events,
            ..Step::default()
        })
    }

    /// Asks for the next page of a drain and moves the drain on.
    async fn page_of(&self, drain: &mut Drain) -> Result<Vec<RawLogEvent>, PlatformError> {
        let request = PageRequest {
            start_ms: drain.start_ms.max(0),
            end_ms: drain.end_ms,
            streams: self.streams.clone(),
            token: drain.token.clone(),
            ..PageRequest::default()
        };
        match self.pages.page(&request).await {
            Ok(page) => {
                drain.token = page.token;
                Ok(page.events)
            }
            // A token that is refused (it expires after 24 hours): read the stretch again from
            // its beginning. What was taken already is known by its id.
            Err(PlatformError::Invalid { .. }) if drain.token.is_some() => {
                drain.token = None;
                drain.start_ms = drain.start_ms.max(self.oldest_ms());
                let start_ms = drain.start_ms.max(0);
                let again = PageRequest {
                    start_ms,
                    token: None,
                    ..request
                };
                let page = self.pages.page(&again).await?;
                drain.token = page.token;
                Ok(page.events)
            }
            Err(error) => Err(error),
        }
    }

    /// Drops what was taken already. Events whose minute was forgotten within this very pass are
    /// new to a poll, which began above the floor; a sweep cannot know, so it leaves them.
    fn keep_new(&mut self, events: &mut Vec<RawLogEvent>, is_poll: bool) {
        events.retain(|event| {
            self.seen
                .insert(&event.id, event.timestamp_ms)
                .unwrap_or(is_poll)
        });
    }

    /// Forgets ids that no poll and no sweep can meet again.
    fn forget(&mut self, now_ms: i64) {
        let mut keep_ms = now_ms - SWEEP_BACK_MS - 60_000;
        if let Some(highwater_ms) = self.highwater_ms {
            keep_ms = keep_ms.min(highwater_ms - OVERLAP_MS_MAX);
        }
        if let Some(sweep) = &self.sweep {
            keep_ms = keep_ms.min(sweep.start_ms);
        }
        self.seen.forget_before(keep_ms);
    }
}

/// How long events take from their timestamp until the platform had them.
#[derive(Debug, Default)]
struct Lag {
    usual_ms: Option<f64>,
    /// The worst seen lately: falls by half in about 700 events.
    worst_ms: f64,
}

impl Lag {
    fn note(&mut self, event: &RawLogEvent) {
        // A timestamp ahead of the ingestion is a wrong clock, hours of lag an imported file.
        let lag_ms = (event.ingested_ms - event.timestamp_ms).clamp(0, SWEEP_BACK_MS) as f64;
        self.usual_ms = Some(
            self.usual_ms
                .map_or(lag_ms, |usual| usual * 0.95 + lag_ms * 0.05),
        );
        self.worst_ms = (self.worst_ms * 0.999).max(lag_ms);
    }
}

#[cfg(test)]
mod tests {
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
}
