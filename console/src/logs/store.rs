//! The lines that are held: a ring bounded by bytes, text in chunked arenas.

use super::tail::{TailEvent, TailLine};
use crate::model::Level;

/// A line's name: counted up from 0, never used again, so it survives eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u64);

/// One line as held.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its name.
    pub id: LineId,
    /// When it happened, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The stream it came from.
    pub stream: &'a str,
    /// How bad.
    pub level: Level,
    /// True when lines of a later time were out before it.
    pub late: bool,
    /// Its text, safe for a terminal; may hold newlines and tabs.
    pub text: &'a str,
    /// Its size in bytes as received, when it was too long to hold whole.
    pub truncated_from: Option<u64>,
}

/// Lines and errors of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinuteCount {
    /// The minute's start, in milliseconds since the epoch.
    pub start_ms: i64,
    /// Lines.
    pub lines: u64,
    /// Of them, lines of level error.
    pub errors: u64,
}

/// A stretch of time that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The newest line held when it opened; the gap is shown after it.
    pub after: Option<LineId>,
    /// Inclusive, in milliseconds since the epoch.
    pub from_ms: i64,
    /// Exclusive; `None` while it still grows.
    pub to_ms: Option<i64>,
    /// True once everything in it was read after all.
    pub filled: bool,
}

/// The ring. A clone is cheap (sealed chunks are shared) and frozen: pausing a view is taking a
/// clone and showing that, while the original goes on.
#[derive(Clone, Debug)]
pub struct LogStore {}

impl LogStore {
    /// Holds at most `budget_bytes` of memory, text and records together.
    pub fn new(budget_bytes: usize) -> Self {
        let _ = budget_bytes;
        unimplemented!()
    }
    /// Takes what a tail delivered.
    pub fn apply(&mut self, event: TailEvent) {
        let _ = event;
        unimplemented!()
    }
    /// Takes one line; its text is cleaned on the way in.
    pub fn push(&mut self, line: &TailLine) -> LineId {
        let _ = line;
        unimplemented!()
    }
    /// Lets every line go, as for another anchor; ids go on counting.
    pub fn clear(&mut self) {}
    /// The oldest line held, or the id the next line will get.
    pub fn first_id(&self) -> LineId {
        unimplemented!()
    }
    /// The id the next line will get.
    pub fn next_id(&self) -> LineId {
        unimplemented!()
    }
    /// Lines held.
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Lines let go to stay within the budget ("n lines let go").
    pub fn evicted(&self) -> u64 {
        unimplemented!()
    }
    /// One line, unless it was let go.
    pub fn get(&self, id: LineId) -> Option<Line<'_>> {
        let _ = id;
        unimplemented!()
    }
    /// Memory held in bytes.
    pub fn bytes(&self) -> usize {
        unimplemented!()
    }
    /// The last `minutes` minutes up to the newest line, oldest first, holes as zeros.
    pub fn histogram(&self, minutes: usize) -> Vec<MinuteCount> {
        let _ = minutes;
        unimplemented!()
    }
    /// The first line held at or after that time (for a click on the histogram).
    pub fn first_at_or_after(&self, at_ms: i64) -> Option<LineId> {
        let _ = at_ms;
        unimplemented!()
    }
    /// Stretches that could not be read, oldest first.
    pub fn gaps(&self) -> &[Gap] {
        unimplemented!()
    }
}
