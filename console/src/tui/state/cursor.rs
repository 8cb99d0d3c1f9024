//! The selected row of a list, kept inside the list whatever happens to it.

use crate::tui::command::Command;

/// Which row is selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    selected: usize,
}

impl Cursor {
    /// The selected row of a list of `count`; `None` when the list is empty.
    pub fn of(self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.selected.min(count - 1))
    }

    /// Selects a row.
    pub fn set(&mut self, row: usize) {
        self.selected = row;
    }

    /// Moves by a command in a list of `count` rows, `page` of them at a time for page commands.
    /// Answers false when the command is none that moves.
    pub fn moved(&mut self, command: Command, count: usize, page: usize) -> bool {
        let last = count.saturating_sub(1);
        let from = self.selected.min(last);
        self.selected = match command {
            Command::Up => from.saturating_sub(1),
            Command::Down => (from + 1).min(last),
            Command::Top => 0,
            Command::Bottom => last,
            Command::PageUp => from.saturating_sub(page),
            Command::PageDown => (from + page).min(last),
            _ => return false,
        };
        true
    }

    /// Moves by lines of the wheel.
    pub fn wheel(&mut self, lines: i32, count: usize) {
        let last = count.saturating_sub(1);
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        let from = self.selected.min(last);
        self.selected = if lines < 0 {
            from.saturating_sub(step)
        } else {
            from.saturating_add(step).min(last)
        };
    }
}

/// The first row to draw of `count`, when `rows` fit and `selected` must be seen.
pub fn first_visible(selected: usize, count: usize, rows: usize) -> usize {
    selected
        .saturating_sub(rows / 2)
        .min(count.saturating_sub(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_in_a_list_that_shrinks() {
        let mut cursor = Cursor::default();
        cursor.moved(Command::Bottom, 10, 5);
        assert_eq!(cursor.of(10), Some(9));
        assert_eq!(cursor.of(3), Some(2));
        assert_eq!(cursor.of(0), None);
        cursor.moved(Command::Up, 3, 5);
        assert_eq!(cursor.of(3), Some(1));
    }

    #[test]
    fn the_selected_row_is_always_among_the_drawn_ones() {
        for count in 1..30 {
            for rows in 1..12 {
                for selected in 0..count {
                    let first = first_visible(selected, count, rows);
                    assert!(
                        first <= selected && selected < first + rows.max(1),
                        "{selected} of {count} in {rows}"
                    );
                }
            }
        }
    }
}
