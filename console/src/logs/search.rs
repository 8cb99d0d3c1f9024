//! Search in a view: matches counted in steps, next and previous.

use super::store::LineId;

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
