//! Puts lines of many sources in order of time.
//!
//! A line waits for as long as the window after it arrived; then everything up to its time goes
//! out in order. A line that arrives after a later one went out is marked late, never dropped.
//!
//! Why it is right: let every line arrive at most one window after any line of a later time. A
//! line y goes out only when some line z with time(z) ≥ time(y) has waited a window; every line
//! of a time before y's has arrived by then, and goes out before y.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Shortest and longest wait, in milliseconds. The window grows when it was too short for a line
/// and shrinks again while nothing comes late.
pub const WINDOW_MS_MIN: i64 = 500;
/// See [`WINDOW_MS_MIN`].
pub const WINDOW_MS_MAX: i64 = 2_000;
/// After so long without a late line the window shrinks a step, in milliseconds.
const CALM_MS: i64 = 30_000;
/// Lines that wait at most; beyond, the oldest half goes out at once.
const LINES_MAX: usize = 50_000;

/// A line in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered<T> {
    /// When it happened, in milliseconds since the epoch.
    pub at_ms: i64,
    /// True when a later line was out already.
    pub late: bool,
    /// What it carries.
    pub item: T,
}

/// A line that waits; ordered by time, then by arrival.
#[derive(Debug)]
struct Waiting<T> {
    at_ms: i64,
    number: u64,
    item: T,
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Waiting<T> {}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

/// The reorder buffer. Times of arrival are any clock in milliseconds that does not go back.
#[derive(Debug)]
pub struct Reorder<T> {
    window_ms: i64,
    bounds_ms: (i64, i64),
    lines_max: usize,
    waiting: BinaryHeap<Reverse<Waiting<T>>>,
    /// The latest time among the lines that arrived then: arrival → time.
    arrivals: BTreeMap<i64, i64>,
    numbered: u64,
    released_ms: Option<i64>,
    calm_since_ms: i64,
}

impl<T> Reorder<T> {
    /// Waits between [`WINDOW_MS_MIN`] and [`WINDOW_MS_MAX`], as the lines need it.
    pub fn adaptive() -> Self {
        Self::within(WINDOW_MS_MIN, WINDOW_MS_MAX, LINES_MAX)
    }

    /// Waits between `min_ms` and `max_ms`, holding at most `lines_max` lines.
    pub fn within(min_ms: i64, max_ms: i64, lines_max: usize) -> Self {
        Self {
            window_ms: min_ms,
            bounds_ms: (min_ms, max_ms),
            lines_max: lines_max.max(1),
            waiting: BinaryHeap::new(),
            arrivals: BTreeMap::new(),
            numbered: 0,
            released_ms: None,
            calm_since_ms: i64::MIN,
        }
    }

    /// The wait at present, in milliseconds.
    pub fn window_ms(&self) -> i64 {
        self.window_ms
    }

    /// Takes a line of time `at_ms` that arrived at `now_ms`; what has to go out because too much
    /// waits is added to `out`.
    pub fn push(&mut self, at_ms: i64, item: T, now_ms: i64, out: &mut Vec<Ordered<T>>) {
        if self.released_ms.is_some_and(|released| at_ms < released) {
            self.window_ms = (self.window_ms * 2).min(self.bounds_ms.1);
            self.calm_since_ms = now_ms;
        }
        let latest = self.arrivals.entry(now_ms).or_insert(at_ms);
        *latest = at_ms.max(*latest);
        self.waiting.push(Reverse(Waiting {
            at_ms,
            number: self.numbered,
            item,
        }));
        self.numbered += 1;
        if self.waiting.len() > self.lines_max {
            while self.waiting.len() > self.lines_max / 2 {
                self.pop(out);
            }
        }
    }

    /// What has waited long enough at `now_ms`, in order.
    pub fn release(&mut self, now_ms: i64, out: &mut Vec<Ordered<T>>) {
        if now_ms.saturating_sub(self.calm_since_ms) > CALM_MS {
            self.calm_since_ms = now_ms;
            self.window_ms = (self.window_ms * 3 / 4).max(self.bounds_ms.0);
        }
        let mut until = None;
        while let Some(entry) = self.arrivals.first_entry() {
            if entry.key().saturating_add(self.window_ms) > now_ms {
                break;
            }
            until = until.max(Some(entry.remove()));
        }
        while let (Some(until), Some(Reverse(next))) = (until, self.waiting.peek()) {
            if next.at_ms > until {
                break;
            }
            self.pop(out);
        }
    }

    /// Everything, in order: nothing more will come.
    pub fn flush(&mut self, out: &mut Vec<Ordered<T>>) {
        self.arrivals.clear();
        while !self.waiting.is_empty() {
            self.pop(out);
        }
    }

    /// When [`release`](Self::release) will have something to do, on the clock of arrivals.
    pub fn due_ms(&self) -> Option<i64> {
        self.waiting.peek()?;
        let (arrived, _) = self.arrivals.first_key_value()?;
        Some(arrived.saturating_add(self.window_ms))
    }

    fn pop(&mut self, out: &mut Vec<Ordered<T>>) {
        if let Some(Reverse(line)) = self.waiting.pop() {
            let late = self
                .released_ms
                .is_some_and(|released| line.at_ms < released);
            self.released_ms = self.released_ms.max(Some(line.at_ms));
            out.push(Ordered {
                at_ms: line.at_ms,
                late,
                item: line.item,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_sources_come_out_as_one_in_order() {
        let (mut reorder, mut out) = (Reorder::adaptive(), Vec::new());
        for (at, from) in [(10, "a"), (30, "a"), (20, "b"), (20, "a")] {
            reorder.push(at, from, 1_000, &mut out);
        }
        reorder.release(1_499, &mut out);
        assert!(out.is_empty());
        assert_eq!(reorder.due_ms(), Some(1_500));
        reorder.release(1_500, &mut out);
        let shown: Vec<_> = out
            .iter()
            .map(|line| (line.at_ms, line.item, line.late))
            .collect();
        // Lines of one time keep the order in which they came.
        assert_eq!(
            shown,
            [
                (10, "a", false),
                (20, "b", false),
                (20, "a", false),
                (30, "a", false)
            ]
        );
        assert_eq!(reorder.due_ms(), None);
    }

    #[test]
    fn a_straggler_is_marked_and_the_window_grows_and_shrinks_again() {
        let (mut reorder, mut out) = (Reorder::adaptive(), Vec::new());
        reorder.push(50, (), 0, &mut out);
        reorder.release(500, &mut out);
        reorder.push(40, (), 600, &mut out);
        assert_eq!(reorder.window_ms(), 1_000);
        reorder.release(1_600, &mut out);
        assert_eq!(
            out.iter().map(|line| line.late).collect::<Vec<_>>(),
            [false, true]
        );
        for minute in 1..10 {
            reorder.release(minute * 60_000, &mut out);
        }
        assert_eq!(reorder.window_ms(), WINDOW_MS_MIN);
    }

    #[test]
    fn too_much_to_hold_goes_out_oldest_first() {
        let (mut reorder, mut out) = (Reorder::within(500, 500, 10), Vec::new());
        for at in (0..11).rev() {
            reorder.push(at, (), 0, &mut out);
        }
        assert_eq!(
            out.iter().map(|line| line.at_ms).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5]
        );
    }

    proptest! {
        /// Any interleaving of sources, any lateness up to the window, any rhythm of release:
        /// every line exactly once, in order, none marked late.
        #[test]
        fn every_line_goes_out_once_and_in_order(
            lines in prop::collection::vec((0i64..20_000, 0i64..=1_000), 0..200),
            rhythm in 1i64..700,
        ) {
            let mut arrivals: Vec<(i64, i64, usize)> = lines
                .iter()
                .enumerate()
                .map(|(number, (at, lateness))| (at + lateness, *at, number))
                .collect();
            arrivals.sort_unstable();
            let (mut reorder, mut out) = (Reorder::within(1_000, 1_000, usize::MAX), Vec::new());
            let mut now = 0;
            for (arrival, at, number) in arrivals {
                while now + rhythm <= arrival {
                    now += rhythm;
                    reorder.release(now, &mut out);
                }
                reorder.push(at, number, arrival, &mut out);
            }
            reorder.release(now + 25_000, &mut out);
            prop_assert!(reorder.due_ms().is_none());
            prop_assert!(out.iter().all(|line| !line.late));
            prop_assert!(out.is_sorted_by_key(|line| line.at_ms));
            let mut numbers: Vec<_> = out.iter().map(|line| line.item).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..lines.len()).collect::<Vec<_>>());
        }

        /// With lateness beyond the window and a small buffer, order may break, but only at lines
        /// that are marked, and still every line goes out once.
        #[test]
        fn only_marked_lines_are_out_of_order(
            lines in prop::collection::vec((0i64..20_000, 0i64..=9_000), 0..200),
            lines_max in 1usize..50,
        ) {
            let mut arrivals: Vec<(i64, i64)> =
                lines.iter().map(|(at, lateness)| (at + lateness, *at)).collect();
            arrivals.sort_unstable();
            let (mut reorder, mut out) = (Reorder::within(500, 2_000, lines_max), Vec::new());
            for (arrival, at) in arrivals {
                reorder.release(arrival, &mut out);
                reorder.push(at, (), arrival, &mut out);
            }
            reorder.flush(&mut out);
            prop_assert_eq!(out.len(), lines.len());
            let mut latest = i64::MIN;
            for line in out {
                prop_assert_eq!(line.late, line.at_ms < latest);
                latest = latest.max(line.at_ms);
            }
        }
    }
}
