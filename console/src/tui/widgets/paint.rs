//! Drawing lines and boxes, and remembering where things that can be clicked are.

use super::text::{clean, width};
use crate::tui::{
    state::Target,
    theme::{Role, Theme},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, BorderType, Clear, Widget},
};

/// Where things that can be clicked were drawn: what a view returns.
#[derive(Clone, Debug, Default)]
pub struct Hits(Vec<(Rect, Target)>);

impl Hits {
    /// Remembers that `target` is at `area`. Later ones lie on top.
    pub fn add(&mut self, area: Rect, target: Target) {
        self.0.push((area, target));
    }

    /// Takes all of `other` on top.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Forgets everything: a dialog over the screen takes all clicks.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What is at that cell.
    pub fn at(&self, column: u16, row: u16) -> Option<Target> {
        self.0
            .iter()
            .rev()
            .find(|(area, _)| area.contains((column, row).into()))
            .map(|(_, target)| *target)
    }
}

/// A styled piece of text, made harmless.
pub fn span(theme: &Theme, role: Role, text: impl AsRef<str>) -> Span<'static> {
    Span::styled(clean(text.as_ref()).into_owned(), theme.style(role))
}

/// Draws `line` at the top of `area`, cut to its width.
pub fn line(buf: &mut Buffer, area: Rect, line: &Line<'_>) {
    if area.height > 0 && area.width > 0 {
        buf.set_line(area.x, area.y, line, area.width);
    }
}

/// Draws `lines` from the top of `area`, as many as fit.
pub fn lines(buf: &mut Buffer, area: Rect, all: &[Line<'_>]) {
    for (row, content) in area.rows().zip(all) {
        line(buf, row, content);
    }
}

/// The style of a whole row.
pub fn row_style(buf: &mut Buffer, area: Rect, style: Style) {
    buf.set_style(area, style);
}

/// A box with a title at the left and one at the right; answers the area inside.
pub fn frame(
    buf: &mut Buffer,
    theme: &Theme,
    area: Rect,
    role: Role,
    title: Line<'_>,
    right: Line<'_>,
) -> Rect {
    let mut block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(role));
    let title_width = title.width();
    if title_width > 0 {
        block = block.title(padded(title));
    }
    if right.width() > 0 && title_width + right.width() + 8 <= usize::from(area.width) {
        block = block.title_top(padded(right).right_aligned());
    }
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}

/// Empties `area`: what lay below does not shine through.
pub fn wipe(buf: &mut Buffer, area: Rect) {
    Clear.render(area, buf);
}

/// A box of at most that size in the middle of `area`.
pub fn centred(area: Rect, columns: u16, rows: u16) -> Rect {
    let (columns, rows) = (columns.min(area.width), rows.min(area.height));
    Rect {
        x: area.x + (area.width - columns) / 2,
        y: area.y + (area.height - rows) / 2,
        width: columns,
        height: rows,
    }
}

/// `left` and `right` at the two ends of one row.
pub fn ends(buf: &mut Buffer, area: Rect, left: &Line<'_>, right: &Line<'_>) {
    if area.height == 0 {
        return;
    }
    let room = usize::from(area.width);
    let right_width = right.width();
    if right_width < room {
        let x = area.x + u16::try_from(room - right_width).unwrap_or(0);
        buf.set_line(x, area.y, right, area.width);
        // The right end is kept whole; the left one is cut before it.
        let left_room = room.saturating_sub(right_width + 1);
        buf.set_line(
            area.x,
            area.y,
            left,
            u16::try_from(left_room).unwrap_or(u16::MAX),
        );
    } else {
        buf.set_line(area.x, area.y, left, area.width);
    }
}

/// Columns of the widest of `texts`.
pub fn widest<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    texts.into_iter().map(width).max().unwrap_or(0)
}

fn padded(mut line: Line<'_>) -> Line<'_> {
    line.spans.insert(0, Span::raw(" "));
    line.spans.push(Span::raw(" "));
    line
}
