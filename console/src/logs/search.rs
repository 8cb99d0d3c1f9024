//! What a search in a view answers, and the compact list of line ids behind it.

use super::store::LineId;
use std::{collections::VecDeque, ops::Range};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekDirection {
    /// To newer lines.
    Forward,
    /// To older lines.
    Backward,
}

/// What a jump to a match or an error gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// There; `wrapped` when it went on from the other end.
    Found {
        /// Where.
        id: LineId,
        /// Past the end and on from the other.
        wrapped: bool,
    },
    /// Nowhere in the view.
    Nowhere,
    /// Not found within the budget: `LogView::work` goes on and tells.
    Pending,
}

/// `12 of 37`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchStatus {
    /// The matching line under the cursor, counted from 1.
    pub current: Option<usize>,
    /// Matching lines counted so far.
    pub total: usize,
    /// False while older or newer lines are still being counted (`37+`).
    pub complete: bool,
}

/// Rising line ids in four bytes each: the low half of every id. What is held never spans 2^32
/// lines (that many records alone would take 64 GiB), so the high half follows from `base`.
#[derive(Clone, Debug, Default)]
pub(super) struct IdList {
    /// Not above the first id in the list.
    base: u64,
    low: VecDeque<u32>,
}

impl IdList {
    fn widen(&self, low: u32) -> u64 {
        self.base + u64::from(low.wrapping_sub(self.base as u32))
    }

    pub(super) fn len(&self) -> usize {
        self.low.len()
    }

    pub(super) fn get(&self, position: usize) -> Option<u64> {
        self.low.get(position).map(|low| self.widen(*low))
    }

    /// Adds an id above all others.
    pub(super) fn push_back(&mut self, id: u64) {
        if self.low.is_empty() {
            self.base = id;
        }
        self.low.push_back(id as u32);
    }

    /// Adds an id below all others.
    pub(super) fn push_front(&mut self, id: u64) {
        self.base = id;
        self.low.push_front(id as u32);
    }

    /// Forgets ids below `first`.
    pub(super) fn drop_before(&mut self, first: u64) {
        let gone = self.lower_bound(first);
        self.low.drain(..gone);
        if let Some(base) = self.get(0) {
            self.base = base;
        }
        // A list that has shrunk much gives its memory back.
        if self.low.capacity() > 4 * self.low.len().max(1024) {
            self.low.shrink_to(2 * self.low.len());
        }
    }

    /// How many ids are below `id`: the position of the first that is not.
    pub(super) fn lower_bound(&self, id: u64) -> usize {
        self.low.partition_point(|low| self.widen(*low) < id)
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        self.get(self.lower_bound(id)) == Some(id)
    }

    /// The ids within a range.
    pub(super) fn within(&self, ids: Range<u64>) -> impl DoubleEndedIterator<Item = u64> {
        let positions = self.lower_bound(ids.start)..self.lower_bound(ids.end);
        self.low.range(positions).map(|low| self.widen(*low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_the_turn_of_their_low_half() {
        let start = u64::from(u32::MAX) - 2;
        let mut list = IdList::default();
        for id in start..start + 6 {
            list.push_back(id);
        }
        list.push_front(start - 3);
        assert_eq!(
            list.within(0..u64::MAX).collect::<Vec<_>>()[..2],
            [start - 3, start]
        );
        assert_eq!(list.get(6), Some(start + 5));
        list.drop_before(start + 4);
        assert_eq!((list.len(), list.get(0)), (2, Some(start + 4)));
        assert!(list.contains(start + 5) && !list.contains(start));
        assert_eq!(list.lower_bound(start + 5), 1);
    }
}
