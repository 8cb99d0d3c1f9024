//! Where the Logs screen stands: the rows in sight, the cursor, and how both move.
//!
//! A place is named by its line, never counted from an end, so lines that come, go or are filtered
//! away do not move what is read.

use super::{
    LogsState,
    rows::{Part, Row, Shape, rows_of},
};
use crate::{logs::LineId, tui::effect::Effect};

/// The area that lines are drawn in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pane {
    /// Columns of the text, beside time, task and level.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

impl Default for Pane {
    /// What a terminal of 80×24 leaves, until a frame was drawn.
    fn default() -> Self {
        Self {
            columns: 54,
            rows: 18,
        }
    }
}

/// What the cursor can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// A line.
    pub id: LineId,
    /// 0 for the line itself, n for its n-th field.
    pub field: usize,
}

impl Spot {
    /// The line itself.
    pub fn line(id: LineId) -> Self {
        Self { id, field: 0 }
    }
}

/// A row, by the position of its line in the view and its number in the line.
type Place = (usize, usize);

impl LogsState {
    /// The rows in sight.
    pub fn visible(&self, pane: Pane) -> Vec<Row> {
        let len = self.view.len(&self.store);
        if len == 0 || pane.rows == 0 {
            return Vec::new();
        }
        let (mut position, skip) = self.top_place(pane);
        let mut rows: Vec<Row> = Vec::with_capacity(pane.rows);
        while position < len && rows.len() < skip + pane.rows {
            rows.extend(self.rows_at(position, pane));
            position += 1;
        }
        rows.drain(..skip.min(rows.len()));
        rows.truncate(pane.rows);
        rows
    }

    /// The row at the top, such that the screen is filled when there is enough to fill it.
    fn top_place(&self, pane: Pane) -> Place {
        let len = self.view.len(&self.store);
        let lowest = self.climb((len, 0), pane.rows, pane);
        if self.following || len == 0 {
            return lowest;
        }
        let position = self.view.position_of(&self.store, self.top.id).min(len - 1);
        let row = if self.view.id_at(&self.store, position) == Some(self.top.id) {
            let count = self.rows_at(position, pane).len();
            self.top_row.min(count.saturating_sub(1))
        } else {
            0
        };
        (position, row).min(lowest)
    }

    /// The rows of the line at a position, and those of gaps after it.
    fn rows_at(&self, position: usize, pane: Pane) -> Vec<Row> {
        let held = self
            .view
            .id_at(&self.store, position)
            .and_then(|id| self.store.get(id));
        let Some(held) = held else {
            return Vec::new();
        };
        let shape = Shape {
            columns: pane.columns,
            wrap: self.wrap,
        };
        let mut rows = rows_of(&held, shape, self.expanded.contains(&held.id));
        let next = self.view.id_at(&self.store, position + 1);
        for (index, gap) in self.store.gaps().iter().enumerate() {
            let is_here = gap
                .after
                .is_some_and(|after| held.id <= after && next.is_none_or(|next| after < next));
            if is_here && !gap.filled {
                rows.push(Row {
                    id: held.id,
                    text: "".into(),
                    part: Part::Gap(index),
                });
            }
        }
        rows
    }

    /// So many rows up from a place, or the first row of all.
    fn climb(&self, (mut position, row): Place, rows: usize, pane: Pane) -> Place {
        if rows <= row {
            return (position, row - rows);
        }
        let mut left = rows - row;
        while position > 0 {
            position -= 1;
            let count = self.rows_at(position, pane).len();
            if count >= left {
                return (position, count - left);
            }
            left -= count;
        }
        (0, 0)
    }

    /// So many rows down from a place, or as far as there are rows.
    fn descend(&self, (mut position, row): Place, rows: usize, pane: Pane) -> Place {
        let len = self.view.len(&self.store);
        let mut left = row + rows;
        while position < len {
            let count = self.rows_at(position, pane).len();
            if left < count {
                return (position, left);
            }
            left -= count;
            position += 1;
        }
        (len, 0)
    }

    fn set_top(&mut self, (position, row): Place) {
        if let Some(id) = self.view.id_at(&self.store, position) {
            self.top = Spot::line(id);
            self.top_row = row;
        }
    }

    /// The newest line that passes the filter.
    pub(super) fn last_id(&self) -> Option<LineId> {
        let len = self.view.len(&self.store);
        self.view.id_at(&self.store, len.checked_sub(1)?)
    }

    /// Stops following where it stands, with the cursor on the newest line.
    pub(super) fn pin(&mut self) {
        if !self.following {
            return;
        }
        let top = self.top_place(self.pane.get());
        self.set_top(top);
        self.cursor = self.last_id().map(Spot::line);
        self.following = false;
    }

    /// Keeps the newest line in sight from now on.
    pub(super) fn follow(&mut self) -> Vec<Effect> {
        self.following = true;
        self.cursor = None;
        Vec::new()
    }

    /// Puts the cursor on a spot and, when it is out of sight, brings it there with a third of
    /// the screen above it.
    pub(super) fn stand_on(&mut self, spot: Spot) {
        let pane = self.pane.get();
        self.pin();
        self.cursor = Some(spot);
        if self.is_in_sight(spot, pane) {
            return;
        }
        let place = self.place_of(spot, pane);
        let top = self.climb(place, pane.rows / 3, pane);
        self.set_top(top);
    }

    /// Puts the cursor on what is drawn in a row of the screen.
    pub(super) fn stand_on_row(&mut self, row: usize) {
        let pane = self.pane.get();
        if let Some(row) = self.visible(pane).into_iter().nth(row) {
            let spot = Spot {
                id: row.id,
                field: row.field(),
            };
            self.stand_on(spot);
        }
    }

    fn is_in_sight(&self, spot: Spot, pane: Pane) -> bool {
        self.visible(pane)
            .iter()
            .any(|row| row.id == spot.id && row.field() == spot.field)
    }

    /// The first row of a spot.
    fn place_of(&self, spot: Spot, pane: Pane) -> Place {
        let position = self.view.position_of(&self.store, spot.id);
        let rows = self.rows_at(position, pane);
        let row = rows
            .iter()
            .position(|row| row.id == spot.id && row.field() == spot.field);
        (position, row.unwrap_or(0))
    }

    /// One spot up or down. Below the last one it follows again.
    pub(super) fn moved(&mut self, by: isize) -> Vec<Effect> {
        let pane = self.pane.get();
        let was_following = self.following;
        self.pin();
        let Some(spot) = self.cursor.or_else(|| self.last_id().map(Spot::line)) else {
            return Vec::new();
        };
        let position = self.view.position_of(&self.store, spot.id);
        let fields = |position| {
            let rows = self.rows_at(position, pane);
            rows.iter().map(Row::field).max().unwrap_or(0)
        };
        let next = if by > 0 {
            if spot.field < fields(position) {
                Some((position, spot.field + 1))
            } else {
                Some((position + 1, 0))
            }
        } else if spot.field > 0 {
            Some((position, spot.field - 1))
        } else {
            position
                .checked_sub(1)
                .map(|position| (position, fields(position)))
        };
        let Some((position, field)) = next else {
            return Vec::new();
        };
        let Some(id) = self.view.id_at(&self.store, position) else {
            return if was_following || !self.paused {
                self.follow()
            } else {
                Vec::new()
            };
        };
        let spot = Spot { id, field };
        self.cursor = Some(spot);
        if !self.is_in_sight(spot, pane) {
            let place = self.place_of(spot, pane);
            let top = if by > 0 {
                self.climb(place, pane.rows.saturating_sub(1), pane)
            } else {
                place
            };
            self.set_top(top);
        }
        Vec::new()
    }

    /// A page up or down, two rows of which stay in sight.
    pub(super) fn paged(&mut self, pages: i32) -> Vec<Effect> {
        let rows = i32::try_from(self.pane.get().rows.saturating_sub(2).max(1)).unwrap_or(1);
        self.scrolled(pages.saturating_mul(rows))
    }

    /// Rows down (up when negative); the cursor comes along when it would leave the screen.
    /// Scrolled to the end, it follows again.
    pub(super) fn scrolled(&mut self, rows: i32) -> Vec<Effect> {
        let pane = self.pane.get();
        if self.following && rows > 0 {
            return Vec::new();
        }
        self.pin();
        let count = rows.unsigned_abs() as usize;
        let top = self.top_place(pane);
        let top = if rows < 0 {
            self.climb(top, count, pane)
        } else {
            self.descend(top, count, pane)
        };
        let lowest = self.climb((self.view.len(&self.store), 0), pane.rows, pane);
        if rows > 0 && top >= lowest {
            return self.follow();
        }
        self.set_top(top);
        let visible = self.visible(pane);
        let in_sight = self.cursor.is_some_and(|spot| self.is_in_sight(spot, pane));
        if !in_sight {
            let row = if rows < 0 {
                visible.last()
            } else {
                visible.first()
            };
            self.cursor = row.map(|row| Spot {
                id: row.id,
                field: row.field(),
            });
        }
        Vec::new()
    }

    /// To the oldest line held.
    pub(super) fn go_to_oldest(&mut self) -> Vec<Effect> {
        if let Some(id) = self.view.id_at(&self.store, 0) {
            self.stand_on(Spot::line(id));
            self.set_top((0, 0));
        }
        Vec::new()
    }

    /// To the first line shown at or after a time.
    pub(super) fn go_to_time(&mut self, at_ms: i64) -> Vec<Effect> {
        if let Some(id) = self.store.first_at_or_after(at_ms) {
            let position = self.view.position_of(&self.store, id);
            if let Some(id) = self.view.id_at(&self.store, position) {
                self.stand_on(Spot::line(id));
                self.set_top((position, 0));
            }
        }
        Vec::new()
    }

    /// Scrolls cut lines sideways; kept while new lines come.
    pub(super) fn sideways(&mut self, left: usize) -> Vec<Effect> {
        if !self.wrap {
            let widest = self
                .visible(self.pane.get())
                .iter()
                .map(|row| unicode_width::UnicodeWidthStr::width(&*row.text))
                .max()
                .unwrap_or(0);
            self.left = left.min(widest.saturating_sub(1));
        }
        Vec::new()
    }
}
