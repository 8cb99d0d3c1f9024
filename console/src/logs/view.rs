//! What one pane shows of a store: an index of the lines that pass a filter, and a search.

use super::{
    filter::{Filter, Pattern},
    search::{SearchStatus, Seek, SeekDirection},
    store::{Line, LineId, LogStore},
};
use std::{ops::Range, time::Duration};

/// How much one call may do, so that a key is never kept waiting.
#[derive(Clone, Copy, Debug)]
pub struct WorkBudget {
    lines: usize,
    time: Option<Duration>,
}

impl WorkBudget {
    /// At most so many lines looked at.
    pub fn lines(lines: usize) -> Self {
        Self { lines, time: None }
    }
    /// At most so long (looked at every few lines).
    pub fn time(time: Duration) -> Self {
        Self {
            lines: usize::MAX,
            time: Some(time),
        }
    }
}

/// What a call of [`LogView::work`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkDone {
    /// True when nothing is left to do for now.
    pub complete: bool,
    /// Lines that the filter has not looked at yet.
    pub behind: u64,
    /// The answer to a jump that was [`Seek::Pending`]: found or nowhere.
    pub jumped: Option<Seek>,
}

/// A filter and a search over a store. Positions count the lines that pass, from the oldest held.
#[derive(Clone, Debug)]
pub struct LogView {}

impl LogView {
    /// Shows everything.
    pub fn new() -> Self {
        unimplemented!()
    }
    /// The filter.
    pub fn filter(&self) -> &Filter {
        unimplemented!()
    }
    /// Takes another filter; the index is built anew by [`work`](Self::work), newest lines first.
    pub fn set_filter(&mut self, filter: Filter) {
        let _ = filter;
        unimplemented!()
    }
    /// What is searched for.
    pub fn search(&self) -> Option<&Pattern> {
        unimplemented!()
    }
    /// Searches for another pattern, or for nothing.
    pub fn set_search(&mut self, pattern: Option<Pattern>) {
        let _ = pattern;
        unimplemented!()
    }
    /// Catches up with the store within the budget: drops what was let go, filters what is new,
    /// counts matches, goes on with a pending jump. Call it on every tick and batch.
    pub fn work(&mut self, store: &LogStore, budget: WorkBudget) -> WorkDone {
        let _ = (store, budget);
        unimplemented!()
    }
    /// Lines that pass.
    pub fn len(&self, store: &LogStore) -> usize {
        let _ = store;
        unimplemented!()
    }
    /// True when no line passes.
    pub fn is_empty(&self, store: &LogStore) -> bool {
        self.len(store) == 0
    }
    /// The line at a position.
    pub fn id_at(&self, store: &LogStore, position: usize) -> Option<LineId> {
        let _ = (store, position);
        unimplemented!()
    }
    /// The position of a line, or of the next newer one that passes; `len` when there is none.
    pub fn position_of(&self, store: &LogStore, id: LineId) -> usize {
        let _ = (store, id);
        unimplemented!()
    }
    /// The lines from a position on, oldest first.
    pub fn lines<'a>(&'a self, store: &'a LogStore, from: usize) -> impl Iterator<Item = Line<'a>> {
        let _ = from;
        (0..0).map(move |n| store.get(LineId(n)).expect("none"))
    }
    /// The next match after (before) the line `from`.
    pub fn next_match(
        &mut self,
        store: &LogStore,
        from: LineId,
        direction: SeekDirection,
        budget: WorkBudget,
    ) -> Seek {
        let _ = (store, from, direction, budget);
        unimplemented!()
    }
    /// The next line of level error after (before) the line `from`.
    pub fn next_error(
        &mut self,
        store: &LogStore,
        from: LineId,
        direction: SeekDirection,
        budget: WorkBudget,
    ) -> Seek {
        let _ = (store, from, direction, budget);
        unimplemented!()
    }
    /// Where the search matches in a text, in bytes; empty without a search.
    pub fn match_ranges(&self, text: &str) -> Vec<Range<usize>> {
        let _ = text;
        unimplemented!()
    }
    /// `12 of 37` for the cursor on that line; `None` without a search.
    pub fn search_status(&self, cursor: Option<LineId>) -> Option<SearchStatus> {
        let _ = cursor;
        unimplemented!()
    }
}

impl Default for LogView {
    fn default() -> Self {
        Self::new()
    }
}
