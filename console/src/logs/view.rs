//! What one pane shows of a store: an index of the lines that pass a filter, and a search.
//!
//! Both grow in two directions: new lines first, then older ones from the newest down, so that
//! the bottom of the screen is right after the first few milliseconds of work. No call does more
//! than its [`WorkBudget`].

use super::{
    filter::{Filter, Pattern},
    search::{IdList, SearchStatus, Seek, SeekDirection},
    store::{Line, LineId, LogStore},
};
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// Between two looks at the clock, in lines and in bytes of text.
const CLOCK_LINES: usize = 64;
const CLOCK_BYTES: usize = 64 * 1024;

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

    fn start(self) -> Meter {
        Meter {
            lines: self.lines,
            deadline: self.time.map(|time| Instant::now() + time),
            unseen_lines: 0,
            unseen_bytes: 0,
        }
    }
}

/// A budget being spent.
struct Meter {
    lines: usize,
    deadline: Option<Instant>,
    unseen_lines: usize,
    unseen_bytes: usize,
}

impl Meter {
    fn is_spent(&self) -> bool {
        self.lines == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.lines = self.lines.saturating_sub(1);
        self.unseen_lines += 1;
        self.unseen_bytes += bytes;
        if self.unseen_lines >= CLOCK_LINES || self.unseen_bytes >= CLOCK_BYTES {
            (self.unseen_lines, self.unseen_bytes) = (0, 0);
            if self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
            {
                self.lines = 0;
            }
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Match,
    Error,
}

/// A jump on its way.
#[derive(Clone, Copy, Debug)]
struct Jump {
    target: Target,
    direction: SeekDirection,
    /// Where it goes on: the first id to look at (forward), or the one after it (backward).
    at: u64,
    wrapped: bool,
}

/// The ids looked at so far, always without holes.
#[derive(Clone, Copy, Debug, Default)]
struct Covered {
    from: u64,
    to: u64,
}

impl Covered {
    fn nothing_at(id: u64) -> Self {
        Self { from: id, to: id }
    }

    fn forget_before(&mut self, first: u64) {
        self.from = self.from.max(first);
        self.to = self.to.max(first);
    }
}

#[derive(Clone, Debug)]
struct Search {
    pattern: Pattern,
    matches: IdList,
    covered: Option<Covered>,
}

/// A filter and a search over a store. Positions count the lines that pass, from the oldest held;
/// they shift as old lines go or are found, so a cursor is kept as a [`LineId`].
#[derive(Clone, Debug, Default)]
pub struct LogView {
    filter: Filter,
    /// Only used with a filter; without one every line of the store is in the view.
    index: IdList,
    covered: Option<Covered>,
    search: Option<Search>,
    jump: Option<Jump>,
}

impl LogView {
    /// Shows everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Takes another filter; the index is built anew by [`work`](Self::work), newest lines first.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.index = IdList::default();
        self.covered = None;
        self.jump = None;
        if let Some(search) = &mut self.search {
            search.matches = IdList::default();
            search.covered = None;
        }
    }

    /// What is searched for.
    pub fn search(&self) -> Option<&Pattern> {
        self.search.as_ref().map(|search| &search.pattern)
    }

    /// Searches for another pattern, or for nothing.
    pub fn set_search(&mut self, pattern: Option<Pattern>) {
        self.jump = None;
        self.search = pattern.map(|pattern| Search {
            pattern,
            matches: IdList::default(),
            covered: None,
        });
    }

    /// Gives up a pending jump, as when another key was pressed.
    pub fn cancel_jump(&mut self) {
        self.jump = None;
    }

    /// Catches up with the store within the budget: drops what was let go, filters what is new,
    /// counts matches, goes on with a pending jump. Call it on every tick and batch.
    pub fn work(&mut self, store: &LogStore, budget: WorkBudget) -> WorkDone {
        let mut meter = budget.start();
        let jumped = self.advance(store, &mut meter);
        let view = self.view_covered(store);
        let held = store.first_id().0..store.next_id().0;
        let behind = (view.from - held.start) + (held.end - view.to);
        let is_counted = self.search.as_ref().is_none_or(|search| {
            search
                .covered
                .is_some_and(|done| done.from <= held.start && done.to == held.end)
        });
        let complete = behind == 0 && is_counted && self.jump.is_none();
        WorkDone {
            complete,
            behind,
            jumped,
        }
    }

    fn advance(&mut self, store: &LogStore, meter: &mut Meter) -> Option<Seek> {
        self.forget(store);
        self.run_filter(store, meter);
        self.run_search(store, meter);
        self.jump?;
        match self.resolve(store, meter) {
            Seek::Pending => None,
            answer => {
                self.jump = None;
                Some(answer)
            }
        }
    }

    fn forget(&mut self, store: &LogStore) {
        let first = store.first_id().0;
        if let Some(covered) = &mut self.covered {
            covered.forget_before(first);
        }
        self.index.drop_before(first);
        if let Some(search) = &mut self.search {
            if let Some(covered) = &mut search.covered {
                covered.forget_before(first);
            }
            search.matches.drop_before(first);
        }
    }

    fn run_filter(&mut self, store: &LogStore, meter: &mut Meter) {
        if self.filter.is_empty() {
            return;
        }
        let Self {
            filter,
            index,
            covered,
            ..
        } = self;
        let covered = covered.get_or_insert(Covered::nothing_at(store.next_id().0));
        for line in store.range(LineId(covered.to)..store.next_id()) {
            if meter.is_spent() {
                return;
            }
            if filter.passes(&line) {
                index.push_back(line.id.0);
            }
            covered.to = line.id.0 + 1;
            meter.spend(line.text.len());
        }
        for line in store.range(store.first_id()..LineId(covered.from)).rev() {
            if meter.is_spent() {
                return;
            }
            if filter.passes(&line) {
                index.push_front(line.id.0);
            }
            covered.from = line.id.0;
            meter.spend(line.text.len());
        }
    }

    /// What the filter has looked at; everything when there is none.
    fn view_covered(&self, store: &LogStore) -> Covered {
        if self.filter.is_empty() {
            Covered {
                from: store.first_id().0,
                to: store.next_id().0,
            }
        } else {
            self.covered
                .unwrap_or(Covered::nothing_at(store.next_id().0))
        }
    }

    fn run_search(&mut self, store: &LogStore, meter: &mut Meter) {
        let view = self.view_covered(store);
        let Self {
            filter,
            index,
            search: Some(search),
            ..
        } = self
        else {
            return;
        };
        let Search {
            pattern,
            matches,
            covered,
        } = search;
        let covered = covered.get_or_insert(Covered::nothing_at(view.to));
        // Without a filter every id is in the view; with one, its index says which.
        let ids = |range: Range<u64>| -> Box<dyn DoubleEndedIterator<Item = u64>> {
            if filter.is_empty() {
                Box::new(range)
            } else {
                Box::new(index.within(range))
            }
        };
        let mut reader = store.range(store.first_id()..store.next_id());
        let mut is_match = |id: u64, meter: &mut Meter| {
            let Some(line) = reader.line(id) else {
                return false;
            };
            meter.spend(line.text.len());
            pattern.is_match(line.text)
        };
        for id in ids(covered.to..view.to) {
            if meter.is_spent() {
                return;
            }
            if is_match(id, meter) {
                matches.push_back(id);
            }
            covered.to = id + 1;
        }
        covered.to = view.to;
        for id in ids(view.from..covered.from).rev() {
            if meter.is_spent() {
                return;
            }
            if is_match(id, meter) {
                matches.push_front(id);
            }
            covered.from = id;
        }
        covered.from = view.from;
    }

    /// Lines that pass.
    pub fn len(&self, store: &LogStore) -> usize {
        if self.filter.is_empty() {
            store.len()
        } else {
            self.index.len()
        }
    }

    /// True when no line passes.
    pub fn is_empty(&self, store: &LogStore) -> bool {
        self.len(store) == 0
    }

    /// The line at a position.
    pub fn id_at(&self, store: &LogStore, position: usize) -> Option<LineId> {
        if self.filter.is_empty() {
            let id = LineId(store.first_id().0 + position as u64);
            (id < store.next_id()).then_some(id)
        } else {
            self.index.get(position).map(LineId)
        }
    }

    /// The position of a line, or of the next newer one that passes; `len` when there is none.
    pub fn position_of(&self, store: &LogStore, id: LineId) -> usize {
        if self.filter.is_empty() {
            (id.0.saturating_sub(store.first_id().0) as usize).min(store.len())
        } else {
            self.index.lower_bound(id.0)
        }
    }

    /// The lines from a position on, oldest first.
    pub fn lines<'a>(
        &'a self,
        store: &'a LogStore,
        from: usize,
    ) -> impl Iterator<Item = Line<'a>> + 'a {
        let start = self.id_at(store, from).unwrap_or(store.next_id());
        let lines: Box<dyn Iterator<Item = Line<'a>> + 'a> = if self.filter.is_empty() {
            Box::new(store.range(start..store.next_id()))
        } else {
            let ids = self.index.within(start.0..u64::MAX);
            Box::new(ids.filter_map(|id| store.get(LineId(id))))
        };
        lines
    }

    /// The next match after (before) the line `from`, on from the other end when there is none.
    pub fn next_match(
        &mut self,
        store: &LogStore,
        from: LineId,
        direction: SeekDirection,
        budget: WorkBudget,
    ) -> Seek {
        self.seek(store, Target::Match, from, direction, budget)
    }

    /// The next line of level error after (before) the line `from`, likewise.
    pub fn next_error(
        &mut self,
        store: &LogStore,
        from: LineId,
        direction: SeekDirection,
        budget: WorkBudget,
    ) -> Seek {
        self.seek(store, Target::Error, from, direction, budget)
    }

    fn seek(
        &mut self,
        store: &LogStore,
        target: Target,
        from: LineId,
        direction: SeekDirection,
        budget: WorkBudget,
    ) -> Seek {
        if target == Target::Match && self.search.is_none() {
            return Seek::Nowhere;
        }
        let at = match direction {
            SeekDirection::Forward => from.0 + 1,
            SeekDirection::Backward => from.0,
        };
        self.jump = Some(Jump {
            target,
            direction,
            at,
            wrapped: false,
        });
        self.advance(store, &mut budget.start())
            .unwrap_or(Seek::Pending)
    }

    /// Goes on with the pending jump as far as the index and the search have come.
    fn resolve(&mut self, store: &LogStore, meter: &mut Meter) -> Seek {
        let Some(mut jump) = self.jump else {
            return Seek::Nowhere;
        };
        loop {
            let step = match jump.target {
                Target::Match => self.step_to_match(store, jump),
                Target::Error => self.step_to_error(store, jump),
            };
            match step {
                Step::Found(id) => {
                    return Seek::Found {
                        id: LineId(id),
                        wrapped: jump.wrapped,
                    };
                }
                Step::Unknown => break,
                Step::GoOn(at) => jump.at = at,
                Step::End if jump.wrapped => return Seek::Nowhere,
                Step::End => {
                    jump.wrapped = true;
                    jump.at = match jump.direction {
                        SeekDirection::Forward => store.first_id().0,
                        SeekDirection::Backward => store.next_id().0,
                    };
                }
            }
            meter.spend(0);
            if meter.is_spent() {
                break;
            }
        }
        self.jump = Some(jump);
        Seek::Pending
    }

    fn step_to_match(&self, store: &LogStore, jump: Jump) -> Step {
        let Some(Search {
            matches,
            covered: Some(covered),
            ..
        }) = &self.search
        else {
            return Step::Unknown;
        };
        let (first, next) = (store.first_id().0, store.next_id().0);
        let at = jump.at.clamp(first, next);
        match jump.direction {
            SeekDirection::Forward if at < covered.from => Step::Unknown,
            SeekDirection::Forward => match matches.get(matches.lower_bound(at)) {
                Some(id) => Step::Found(id),
                None if covered.to < next => Step::Unknown,
                None => Step::End,
            },
            SeekDirection::Backward if at > covered.to => Step::Unknown,
            SeekDirection::Backward => {
                let below = matches.lower_bound(at).checked_sub(1);
                match below.and_then(|position| matches.get(position)) {
                    Some(id) => Step::Found(id),
                    None if covered.from > first => Step::Unknown,
                    None => Step::End,
                }
            }
        }
    }

    fn step_to_error(&self, store: &LogStore, jump: Jump) -> Step {
        let found = match jump.direction {
            SeekDirection::Forward => store.error_from(LineId(jump.at)),
            SeekDirection::Backward => store.error_before(LineId(jump.at)),
        };
        let Some(LineId(id)) = found else {
            return Step::End;
        };
        let view = self.view_covered(store);
        if id < view.from || id >= view.to {
            Step::Unknown
        } else if self.filter.is_empty() || self.index.contains(id) {
            Step::Found(id)
        } else {
            Step::GoOn(match jump.direction {
                SeekDirection::Forward => id + 1,
                SeekDirection::Backward => id,
            })
        }
    }

    /// Where the search matches in a text, in bytes; empty without a search.
    pub fn match_ranges(&self, text: &str) -> Vec<Range<usize>> {
        self.search
            .as_ref()
            .map_or_else(Vec::new, |search| search.pattern.ranges(text))
    }

    /// `12 of 37` for the cursor on that line; `None` without a search.
    pub fn search_status(&self, store: &LogStore, cursor: Option<LineId>) -> Option<SearchStatus> {
        let search = self.search.as_ref()?;
        let current = cursor
            .filter(|id| search.matches.contains(id.0))
            .map(|id| search.matches.lower_bound(id.0) + 1);
        let complete = search.covered.is_some_and(|covered| {
            covered.from <= store.first_id().0 && covered.to >= store.next_id().0
        });
        Some(SearchStatus {
            current,
            total: search.matches.len(),
            complete,
        })
    }
}

/// One step of a jump.
enum Step {
    Found(u64),
    /// Look on from there.
    GoOn(u64),
    /// Not looked at yet.
    Unknown,
    /// Nothing more in this direction.
    End,
}

#[cfg(test)]
mod tests;
