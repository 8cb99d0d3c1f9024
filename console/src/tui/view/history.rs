//! The History screen, drawn: a table of runs, and the selected one's account below it.

use crate::{
    model::RunOutcome,
    store::RunRecord,
    tui::{
        state::{
            ScreenState as _, Target, World,
            history::{HistoryState, account, duration, verdict_word},
        },
        theme::{Role, Theme},
        widgets::{
            input,
            paint::{self, Hits, span},
            table::{self, Column, Row},
            text,
        },
    },
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

/// Below this height the account of the selected run gives its rows to the table.
const ROWS_FOR_ACCOUNT: u16 = 18;
/// Rows of the account with its frame.
const ACCOUNT_ROWS: u16 = 9;

/// Draws the screen between header and hint bar.
pub fn draw(
    state: &HistoryState,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let below = if area.height >= ROWS_FOR_ACCOUNT && state.record().is_some() {
        ACCOUNT_ROWS
    } else {
        0
    };
    let [top, bottom] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(below)]).areas(area);
    let hits = table(state, world, theme, top, buf);
    if let (Some(record), true) = (state.record(), below > 0) {
        selected(record, world, theme, bottom, buf);
    }
    hits
}

fn table(state: &HistoryState, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) -> Hits {
    let production = state
        .limited_to()
        .and_then(|name| world.environment(name))
        .is_some_and(|env| env.is_production());
    let role = if production {
        Role::Bad
    } else {
        Role::FocusedFrame
    };
    let of = state
        .limited_to()
        .map_or("all environments", |name| name.as_str());
    let shown = state.shown();
    let more = if state.complete || state.records.is_none() {
        ""
    } else {
        "+"
    };
    let title = format!("History · {of} · {}{more} changes", shown.len());
    let title = Line::from(span(theme, Role::Strong, title));
    let inner = paint::frame(buf, theme, area, role, title, right(state, theme));
    if shown.is_empty() {
        empty(state, world, theme, inner, buf);
        return Hits::default();
    }
    const COLUMNS: [Column; 8] = [
        table::left("WHEN", 9),
        table::left("ENV", 9),
        table::left("WHAT", 9),
        table::left("FROM → TO", 9),
        table::left("OUTCOME", 9),
        table::left("WHO", 7),
        table::right("TOOK", 5),
        table::left("WHY", 4),
    ];
    let rows: Vec<Row> = shown
        .iter()
        .enumerate()
        .map(|(index, record)| row(record, index, world, theme))
        .collect();
    table::draw(buf, theme, inner, &COLUMNS, &rows, state.selected())
}

fn right(state: &HistoryState, theme: &Theme) -> Line<'static> {
    if let Some((typed, cursor)) = state.filter.shown() {
        let mut line = Line::from(span(theme, Role::Key, "/"));
        line.spans
            .extend(input::line(theme, typed, cursor, 24).spans);
        if let Some(error) = state.filter.error() {
            line.push_span(span(theme, Role::Warn, format!("  {error}")));
        }
        return line;
    }
    if let (Some(error), Some(_)) = (&state.failure, &state.records) {
        return Line::from(span(
            theme,
            Role::Bad,
            format!("▲ {}", text::cut(error, 60)),
        ));
    }
    Line::from(span(theme, Role::Dim, "tab next environment"))
}

fn row(record: &RunRecord, index: usize, world: &World, theme: &Theme) -> Row {
    let cell = |role, text: &str| Line::from(span(theme, role, text));
    let production = world
        .environment(&record.environment)
        .is_some_and(|env| env.is_production());
    let who = match &record.author.host {
        Some(host) => format!("{}@{host}", record.author.name),
        None => record.author.name.clone(),
    };
    let path = format!(
        "{} → {}",
        record.from.as_deref().unwrap_or("—"),
        record.to.as_deref().unwrap_or("—")
    );
    // Broken glass is never a quiet thing: its column never leaves.
    let why = match (&record.break_glass, &record.reason) {
        (Some(reason), _) => cell(Role::Bad, reason),
        (None, Some(reason)) => cell(Role::Dim, reason),
        (None, None) => Line::default(),
    };
    let what = if record.break_glass.is_some() {
        Line::from(vec![
            span(theme, Role::Strong, format!("{} ", record.verb)),
            span(theme, Role::Production, " BREAK-GLASS "),
        ])
    } else {
        cell(Role::Text, &record.verb)
    };
    let cells = vec![
        cell(
            Role::Text,
            &text::moment(record.started_at, world.now, &world.zone),
        ),
        cell(
            if production { Role::Bad } else { Role::Text },
            record.environment.as_str(),
        ),
        what,
        cell(Role::Strong, &path),
        outcome(record, theme),
        cell(Role::Text, &who),
        cell(Role::Dim, &text::long(duration(record, world))),
        why,
    ];
    Row::new(cells, Target::Row(index))
}

fn outcome(record: &RunRecord, theme: &Theme) -> Line<'static> {
    let (glyph, role) = match &record.outcome {
        None => ("◐", Role::Live),
        Some(RunOutcome::Done) => ("✓", Role::Good),
        Some(RunOutcome::RolledBack { .. }) => ("↶", Role::Warn),
        Some(RunOutcome::Failed { .. }) => ("✖", Role::Bad),
        Some(RunOutcome::Superseded { .. }) => ("↷", Role::Warn),
        Some(RunOutcome::Stopped { .. }) => ("■", Role::Warn),
        Some(RunOutcome::TimedOut { .. } | RunOutcome::Unknown { .. }) => ("?", Role::Warn),
        Some(RunOutcome::NotSent { .. }) => ("○", Role::Dim),
    };
    Line::from(span(
        theme,
        role,
        format!("{glyph} {}", verdict_word(record)),
    ))
}

/// The selected run in a few lines; Enter tells all.
fn selected(record: &RunRecord, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let role = if record.break_glass.is_some() {
        Role::Bad
    } else {
        Role::Frame
    };
    let title = format!("{} · {}", record.environment, record.verb);
    let inner = paint::frame(
        buf,
        theme,
        area,
        role,
        Line::from(span(theme, Role::Text, title)),
        Line::from(span(theme, Role::Dim, "⏎ plan and stages, y copies this")),
    );
    let columns = usize::from(inner.width);
    let account = account(record, world);
    let mut lines = Vec::new();
    for paragraph in account.lines() {
        let role = if paragraph.starts_with("BREAK-GLASS") {
            Role::Bad
        } else {
            Role::Text
        };
        for line in text::wrap(&text::clean(paragraph), columns) {
            lines.push(Line::from(span(theme, role, line)));
        }
    }
    paint::lines(buf, inner, &lines);
}

/// Why there is nothing to show.
fn empty(state: &HistoryState, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (role, message) = if let Some(error) = &state.failure {
        (Role::Bad, format!("{error} (r asks again)"))
    } else if state.records.is_none() {
        (Role::Dim, "Reading the audit…".to_owned())
    } else if state.filter.shown().is_some() {
        (
            Role::Warn,
            "The filter hides everything; esc clears it.".to_owned(),
        )
    } else {
        let of = state
            .environment(world)
            .map_or_else(String::new, |name| format!(" in {name}"));
        (
            Role::Dim,
            format!(
                "Nothing was changed{of} from this machine yet. Every deploy, rollback, restart and scale is recorded here before it is sent."
            ),
        )
    };
    let wrapped = text::wrap(&message, usize::from(area.width).saturating_sub(2));
    let lines: Vec<Line<'_>> = wrapped
        .iter()
        .map(|line| Line::from(span(theme, role, line)))
        .collect();
    paint::lines(buf, area, &lines);
}
