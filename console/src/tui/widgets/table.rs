//! A table whose columns fit the width: the least important ones leave first.

use super::{
    paint::{self, Hits},
    text,
};
use crate::tui::{
    state::Target,
    theme::{Role, Theme},
};
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its head.
    pub title: &'static str,
    /// Numbers stand at the right.
    pub right: bool,
    /// The lower, the earlier it leaves when there is no room; 9 never leaves.
    pub keep: u8,
    /// It is content with so many columns when there is no room for all of its text.
    pub least: Option<usize>,
}

/// A column of text.
pub const fn left(title: &'static str, keep: u8) -> Column {
    Column {
        title,
        right: false,
        keep,
        least: None,
    }
}

/// A column of text that is cut, down to `least` columns, before others leave.
pub const fn words(title: &'static str, keep: u8, least: usize) -> Column {
    Column {
        title,
        right: false,
        keep,
        least: Some(least),
    }
}

/// A column of numbers.
pub const fn right(title: &'static str, keep: u8) -> Column {
    Column {
        title,
        right: true,
        keep,
        least: None,
    }
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// As many as there are columns.
    pub cells: Vec<Line<'static>>,
    /// Lines under it that belong to it, over the whole width.
    pub below: Vec<Line<'static>>,
    /// What a click on it means.
    pub target: Target,
    /// The style of what its cells leave plain.
    pub role: Role,
}

impl Row {
    /// A row without lines under it.
    pub fn new(cells: Vec<Line<'static>>, target: Target) -> Self {
        Self {
            cells,
            below: Vec::new(),
            target,
            role: Role::Text,
        }
    }

    fn height(&self) -> usize {
        1 + self.below.len()
    }
}

/// Columns between two columns: no less, and no more than this however wide the terminal.
const GAP: usize = 2;
const GAP_MAX: usize = 5;

/// The marker before the selected row, and the room it takes.
const MARKER: usize = 2;

/// Draws head and rows; the selected row is always among them.
pub fn draw(
    buf: &mut Buffer,
    theme: &Theme,
    area: Rect,
    columns: &[Column],
    rows: &[Row],
    selected: Option<usize>,
) -> Hits {
    let mut hits = Hits::default();
    let room = usize::from(area.width).saturating_sub(MARKER);
    if room == 0 || area.height == 0 {
        return hits;
    }
    let natural = natural(columns, rows);
    let mut widths: Vec<usize> = natural
        .iter()
        .zip(columns)
        .map(|(width, column)| column.least.map_or(*width, |least| least.min(*width)))
        .collect();
    let kept = kept(columns, &widths, room);
    // What is left over goes to the columns that were cut.
    for column in &kept {
        let taken: usize = kept.iter().map(|column| widths[*column] + GAP).sum();
        let more = natural[*column] - widths[*column];
        widths[*column] += more.min((room + GAP).saturating_sub(taken));
    }
    let used: usize = kept.iter().map(|column| widths[*column]).sum();
    let gaps = kept.len().saturating_sub(1).max(1);
    let gap = (room.saturating_sub(used) / gaps).clamp(1, GAP_MAX);
    let place = |area: Rect, mut cell: Box<dyn FnMut(usize, Rect) + '_>| {
        let mut x = area.x.saturating_add(MARKER as u16);
        for column in &kept {
            let left = area.right().saturating_sub(x);
            let width = u16::try_from(widths[*column]).unwrap_or(u16::MAX).min(left);
            cell(
                *column,
                Rect {
                    x,
                    y: area.y,
                    width,
                    height: 1,
                },
            );
            x = x
                .saturating_add(width)
                .saturating_add(gap as u16)
                .min(area.right());
        }
    };
    let mut lines = area.rows();
    if let Some(head) = lines.next() {
        place(
            head,
            Box::new(|column, cell| {
                let title = paint::span(theme, Role::Dim, columns[column].title);
                put(buf, cell, Line::from(title), columns[column].right);
            }),
        );
    }
    let first = first_shown(rows, selected, usize::from(area.height) - 1);
    for (index, row) in rows.iter().enumerate().skip(first) {
        let Some(line) = lines.next() else { break };
        let is_selected = selected == Some(index);
        let style = theme.style(if is_selected {
            Role::Selected
        } else {
            row.role
        });
        buf.set_style(line, style);
        if is_selected {
            buf.set_string(line.x, line.y, "▸", style);
        }
        place(
            line,
            Box::new(|column, cell| {
                if let Some(content) = row.cells.get(column) {
                    put(buf, cell, content.clone(), columns[column].right);
                }
            }),
        );
        hits.add(line, row.target);
        for below in &row.below {
            let Some(line) = lines.next() else { break };
            paint::line(buf, line, below);
            hits.add(line, row.target);
        }
    }
    hits
}

fn put(buf: &mut Buffer, cell: Rect, content: Line<'_>, right: bool) {
    let spare = usize::from(cell.width).saturating_sub(content.width());
    let shift = if right {
        u16::try_from(spare).unwrap_or(0)
    } else {
        0
    };
    buf.set_line(cell.x + shift, cell.y, &content, cell.width - shift);
}

fn natural(columns: &[Column], rows: &[Row]) -> Vec<usize> {
    columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let cells = rows
                .iter()
                .filter_map(|row| row.cells.get(index))
                .map(Line::width);
            cells.max().unwrap_or(0).max(text::width(column.title))
        })
        .collect()
}

/// The columns that fit, in order.
fn kept(columns: &[Column], widths: &[usize], room: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let needed = |kept: &[usize], gap: usize| -> usize {
        kept.iter().map(|column| widths[*column]).sum::<usize>()
            + gap * kept.len().saturating_sub(1)
    };
    while needed(&kept, GAP) > room {
        // The last of the least important ones. A column that must stay is cut rather than lost,
        // and before one leaves for a single missing column the gaps shrink.
        let least = kept
            .iter()
            .map(|column| columns[*column].keep)
            .min()
            .unwrap_or(9);
        if least >= 9 || needed(&kept, 1) <= room && least >= 5 {
            break;
        }
        match kept
            .iter()
            .rposition(|column| columns[*column].keep == least)
        {
            Some(at) => _ = kept.remove(at),
            None => break,
        }
    }
    kept
}

fn first_shown(rows: &[Row], selected: Option<usize>, room: usize) -> usize {
    let Some(selected) = selected else {
        return 0;
    };
    let height = |from: usize| -> usize {
        rows.get(from..=selected)
            .unwrap_or_default()
            .iter()
            .map(Row::height)
            .sum()
    };
    (0..=selected)
        .find(|from| height(*from) <= room)
        .unwrap_or(selected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Depth;

    fn drawn(width: u16, height: u16, rows: &[Row], selected: usize) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        let columns = [left("NAME", 9), left("DETAIL", 1), right("COUNT", 5)];
        draw(
            &mut buf,
            &Theme::new(Depth::Mono),
            area,
            &columns,
            rows,
            Some(selected),
        );
        let line = |y| -> String {
            (0..width)
                .map(|x| buf[(x, y)].symbol().to_owned())
                .collect()
        };
        (0..height).map(line).collect::<Vec<_>>().join("\n")
    }

    fn rows(count: usize) -> Vec<Row> {
        (0..count)
            .map(|index| {
                Row::new(
                    vec![
                        Line::from(format!("row{index}")),
                        Line::from("some detail"),
                        Line::from("7"),
                    ],
                    Target::Row(index),
                )
            })
            .collect()
    }

    #[test]
    fn the_least_important_column_leaves_first() {
        assert!(drawn(40, 3, &rows(1), 0).contains("DETAIL"));
        let narrow = drawn(16, 3, &rows(1), 0);
        assert!(
            !narrow.contains("DETAIL") && narrow.contains("COUNT"),
            "{narrow}"
        );
    }

    #[test]
    fn the_selected_row_is_scrolled_into_view() {
        let shown = drawn(40, 5, &rows(30), 29);
        assert!(
            shown.contains("▸ row29") && !shown.contains("row3 "),
            "{shown}"
        );
    }

    #[test]
    fn a_table_of_no_size_is_no_panic() {
        drawn(1, 1, &rows(3), 2);
        drawn(3, 2, &rows(3), 2);
    }
}
