//! The lines of the Logs screen: time, task, level, text, with matches marked.

use crate::{
    logs::{Line as Held, stream_mark},
    model::Level,
    tui::{
        state::{
            Target, World,
            logs::{
                LogsState, Pane, Spot, Times,
                rows::{Part, Row, message_end},
            },
        },
        theme::{Depth, Role, Theme},
        widgets::{
            paint::{self, Hits, span},
            text,
        },
    },
};
use jiff::{Timestamp, tz::TimeZone};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
    text::{Line, Span},
};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;

/// Columns of a task's short name.
const TASK_COLUMNS: usize = 4;
/// Columns of the level.
const LEVEL_COLUMNS: usize = 5;

/// How the columns of a row are divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    time: usize,
    /// What is left for the text.
    pub(super) text: usize,
}

impl Columns {
    /// For rows of that width.
    pub(super) fn of(state: &LogsState, width: u16) -> Self {
        let time = match state.times {
            Times::Short | Times::Local => 13,
            Times::Full => 25,
            Times::Off => 0,
        };
        // The mark, task and level with a blank after each.
        let fixed = 1 + time + TASK_COLUMNS + 1 + LEVEL_COLUMNS + 1;
        Self {
            time,
            text: usize::from(width).saturating_sub(fixed).max(8),
        }
    }

    fn before_text(self) -> usize {
        1 + self.time + TASK_COLUMNS + 1 + LEVEL_COLUMNS + 1
    }
}

/// Draws the rows in sight.
pub(super) fn draw(
    state: &LogsState,
    world: &World,
    theme: &Theme,
    columns: Columns,
    area: Rect,
    buf: &mut Buffer,
    hits: &mut Hits,
) {
    let pane = Pane {
        columns: columns.text,
        rows: usize::from(area.height),
    };
    let tasks = Tasks::of(state, world);
    let rows = state.visible(pane);
    for (index, (row, place)) in rows.iter().zip(area.rows()).enumerate() {
        let Some(held) = state.store.get(row.id) else {
            continue;
        };
        let drawer = Drawer {
            state,
            world,
            theme,
            columns,
            held,
            tasks: &tasks,
        };
        paint::line(buf, place, &drawer.row(row));
        let spot = Spot {
            id: row.id,
            field: row.field(),
        };
        if state.cursor == Some(spot) {
            select(buf, theme, place);
        }
        hits.add(place, Target::Row(index));
    }
}

/// The row under the cursor, without covering the marks of the search.
fn select(buf: &mut Buffer, theme: &Theme, place: Rect) {
    let selected = theme.style(Role::Selected);
    let matched = theme.style(Role::Match);
    for x in place.left()..place.right() {
        let cell = &mut buf[(x, place.y)];
        let is_match = matched.bg.is_some_and(|bg| cell.bg == bg);
        if !is_match {
            cell.set_style(Style {
                fg: None,
                ..selected
            });
        }
    }
}

/// The colour of each task's stream: tasks that run get one each, in the order of the service.
struct Tasks<'a>(Vec<&'a str>);

impl<'a> Tasks<'a> {
    fn of(state: &'a LogsState, world: &'a World) -> Self {
        use crate::tui::state::ScreenState as _;
        let service = state
            .environment(world)
            .and_then(|name| world.environment(name))
            .and_then(|env| env.service());
        let running = service
            .iter()
            .flat_map(|service| &service.instances)
            .filter_map(|task| task.log_stream.as_deref());
        let mut streams: Vec<&str> = running.collect();
        for stream in state.store.streams() {
            if !streams.contains(&&**stream) {
                streams.push(stream);
            }
        }
        Self(streams)
    }

    fn style(&self, stream: &str, theme: &Theme) -> Style {
        // Red is for errors and yellow for warnings: neither names a task.
        const SIXTEEN: [Color; 6] = [
            Color::Cyan,
            Color::Magenta,
            Color::Green,
            Color::Blue,
            Color::LightCyan,
            Color::LightMagenta,
        ];
        const INDEXED: [u8; 8] = [80, 176, 114, 111, 180, 146, 73, 139];
        let index = self
            .0
            .iter()
            .position(|known| *known == stream)
            .unwrap_or(0);
        match theme.depth() {
            Depth::Mono => Style::new(),
            Depth::Sixteen => Style::new().fg(SIXTEEN[index % SIXTEEN.len()]),
            Depth::Indexed | Depth::True => {
                Style::new().fg(Color::Indexed(INDEXED[index % INDEXED.len()]))
            }
        }
    }
}

struct Drawer<'a> {
    state: &'a LogsState,
    world: &'a World,
    theme: &'a Theme,
    columns: Columns,
    held: Held<'a>,
    tasks: &'a Tasks<'a>,
}

impl Drawer<'_> {
    fn row(&self, row: &Row) -> Line<'static> {
        match &row.part {
            Part::Text { range, first } => self.text(row, range.clone(), *first),
            Part::Field {
                name,
                name_columns,
                range,
                first,
                ..
            } => self.field(row, name, *name_columns, range.clone(), *first),
            Part::Gap(index) => self.gap(*index),
        }
    }

    fn text(&self, row: &Row, range: Range<usize>, first: bool) -> Line<'static> {
        let mut spans = if first {
            self.head()
        } else {
            vec![Span::raw(" ".repeat(self.columns.before_text()))]
        };
        // A structured line's message comes first, its fields after it, quieter.
        let message_end = message_end(&self.held, &row.text);
        let text = self.theme.style(Role::Text);
        let quiet = self.theme.style(Role::Dim);
        let split = message_end.clamp(range.start, range.end);
        let stretches = [(range.start..split, text), (split..range.end, quiet)];
        let skip = if self.state.wrap { 0 } else { self.state.left };
        let matches = self.state.view.match_ranges(&row.text);
        spans.extend(cut_styled(
            &row.text,
            &stretches,
            &matches,
            self.theme.style(Role::Match),
            skip,
            self.columns.text,
        ));
        Line::from(spans)
    }

    /// Mark, time, task and level.
    fn head(&self) -> Vec<Span<'static>> {
        let held = &self.held;
        let on_cursor = self.state.cursor.is_some_and(|spot| spot.id == held.id);
        let mark = if on_cursor {
            span(self.theme, Role::Key, "▸")
        } else if held.late {
            span(self.theme, Role::Warn, "L")
        } else {
            Span::raw(" ")
        };
        let (role, word) = match held.level {
            Level::Error => (Role::Bad, "ERROR"),
            Level::Warn => (Role::Warn, "WARN "),
            Level::Info => (Role::Good, "INFO "),
            Level::Debug => (Role::Dim, "DEBUG"),
            Level::Trace => (Role::Dim, "TRACE"),
        };
        let task = format!("{:<TASK_COLUMNS$} ", stream_mark(held.stream));
        vec![
            mark,
            span(self.theme, Role::Dim, self.time(held.at_ms)),
            Span::styled(
                text::clean(&task).into_owned(),
                self.tasks.style(held.stream, self.theme),
            ),
            span(self.theme, role, word),
            Span::raw(" "),
        ]
    }

    fn time(&self, at_ms: i64) -> String {
        let Ok(at) = Timestamp::from_millisecond(at_ms) else {
            return " ".repeat(self.columns.time);
        };
        let of_day = |zone: TimeZone| at.to_zoned(zone).strftime("%H:%M:%S%.3f ").to_string();
        match self.state.times {
            Times::Off => String::new(),
            Times::Short => of_day(self.world.zone.clone()),
            Times::Local => of_day(TimeZone::system()),
            Times::Full => at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ ").to_string(),
        }
    }

    fn field(
        &self,
        row: &Row,
        name: &str,
        name_columns: usize,
        range: Range<usize>,
        first: bool,
    ) -> Line<'static> {
        let indent = " ".repeat(self.columns.before_text());
        let shown = if first {
            text::cut(name, name_columns)
        } else {
            "".into()
        };
        let pad = name_columns.saturating_sub(text::width(&shown));
        let mut spans = vec![
            Span::raw(indent),
            span(self.theme, Role::Frame, if first { "└ " } else { "  " }),
            span(self.theme, Role::Key, &shown),
            Span::raw(" ".repeat(pad + 2)),
        ];
        let matches = self.state.view.match_ranges(&row.text);
        spans.extend(cut_styled(
            &row.text,
            &[(range, self.theme.style(Role::Text))],
            &matches,
            self.theme.style(Role::Match),
            0,
            self.columns.text,
        ));
        Line::from(spans)
    }

    fn gap(&self, index: usize) -> Line<'static> {
        let Some(gap) = self.state.store.gaps().get(index) else {
            return Line::default();
        };
        let clock = |ms: i64| {
            Timestamp::from_millisecond(ms)
                .map(|at| text::clock(at, &self.world.zone))
                .unwrap_or_default()
        };
        let text = match gap.to_ms {
            Some(to_ms) => format!(
                "── gap: {}–{} could not be read, being read again ──",
                clock(gap.from_ms),
                clock(to_ms)
            ),
            None => format!(
                "── gap: nothing could be read since {} ──",
                clock(gap.from_ms)
            ),
        };
        Line::from(span(self.theme, Role::Warn, text))
    }
}

/// Stretches of `text` with the matches marked, from column `skip` on, at most `columns` wide;
/// `‹` and `›` stand where something is cut away.
fn cut_styled(
    text: &str,
    stretches: &[(Range<usize>, Style)],
    matches: &[Range<usize>],
    matched: Style,
    skip: usize,
    columns: usize,
) -> Vec<Span<'static>> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut column = 0;
    let mut push = |cluster: &str, style: Style| match spans.last_mut() {
        Some(last) if last.style == style => last.content.to_mut().push_str(cluster),
        _ => spans.push(Span::styled(cluster.to_owned(), style)),
    };
    let mut left_cut = skip > 0;
    let total: usize = stretches
        .iter()
        .map(|(range, _)| text::width(&text[range.clone()]))
        .sum();
    let end = skip + columns;
    let right_cut = total > end;
    'all: for (range, style) in stretches {
        for (offset, cluster) in text[range.clone()].grapheme_indices(true) {
            let at = range.start + offset;
            let shown = if cluster == "\n" || cluster == "\r\n" {
                "↵"
            } else {
                cluster
            };
            let wide = text::width(shown);
            let from = column;
            column += wide;
            if from < skip {
                continue;
            }
            if column > end - usize::from(right_cut) {
                break 'all;
            }
            if std::mem::take(&mut left_cut) {
                push("‹", *style);
                continue;
            }
            let is_match = matches.iter().any(|range| range.contains(&at));
            push(shown, if is_match { matched } else { *style });
        }
    }
    if right_cut {
        let style = stretches
            .last()
            .map(|(_, style)| *style)
            .unwrap_or_default();
        push("›", style);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, skip: usize, columns: usize) -> String {
        let all = [(0..text.len(), Style::new())];
        cut_styled(text, &all, &[], Style::new(), skip, columns)
            .iter()
            .map(|span| span.content.as_ref())
            .collect()
    }

    #[test]
    fn a_line_that_is_cut_says_so_at_both_ends() {
        assert_eq!(cut("abcdefgh", 0, 8), "abcdefgh");
        assert_eq!(cut("abcdefgh", 0, 5), "abcd›");
        assert_eq!(cut("abcdefgh", 2, 4), "‹de›");
        assert_eq!(cut("abcdefgh", 4, 8), "‹fgh");
        assert_eq!(cut("abc", 9, 4), "");
    }

    #[test]
    fn a_match_is_marked_where_it_stands() {
        let matched = Style::new().bg(Color::Yellow);
        let all = [(0..11, Style::new())];
        let found = 4..7;
        let spans = cut_styled("GET err 500", &all, &[found], matched, 0, 80);
        let marked: Vec<&str> = spans
            .iter()
            .filter(|span| span.style == matched)
            .map(|span| span.content.as_ref())
            .collect();
        assert_eq!(marked, ["err"]);
    }
}
