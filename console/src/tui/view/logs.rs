//! The Logs screen, drawn: header, errors a minute, lines, prompt.

mod empty;
mod header;
mod lines;

use crate::{
    platform::PlatformError,
    tui::{
        state::{
            Target, World,
            logs::{Asking, LogsState, Pane, Prompt},
        },
        theme::{Role, Theme},
        widgets::{
            paint::{self, Hits, span},
            spark, text,
        },
    },
};
use jiff::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

/// Below this height the errors a minute give their row to the lines.
const ROWS_FOR_HISTOGRAM: u16 = 8;
/// Columns that the histogram's words take.
const WORDS_COLUMNS: usize = 50;
/// Minutes in the histogram.
const MINUTES: usize = 60;

/// Draws the screen between header and hint bar.
pub fn draw(state: &LogsState, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) -> Hits {
    let mut hits = Hits::default();
    let role = if is_production(state, world) {
        Role::Bad
    } else {
        Role::FocusedFrame
    };
    let (left, right) = header::titles(state, world, theme, usize::from(area.width));
    let mut inner = if state.full_screen {
        paint::ends(buf, Rect { height: 1, ..area }, &left, &right);
        below(area, 1)
    } else {
        paint::frame(buf, theme, area, role, left, right)
    };
    if inner.height >= ROWS_FOR_HISTOGRAM {
        histogram(
            state,
            world,
            theme,
            Rect { height: 1, ..inner },
            buf,
            &mut hits,
        );
        inner = below(inner, 1);
    }
    if let Some(line) = foot(state, world, theme) {
        let row = Rect {
            y: inner.bottom().saturating_sub(1),
            height: 1.min(inner.height),
            ..inner
        };
        paint::line(buf, row, &line);
        inner.height = inner.height.saturating_sub(1);
    }
    let columns = lines::Columns::of(state, inner.width);
    state.pane.set(Pane {
        columns: columns.text,
        rows: usize::from(inner.height),
    });
    if state.view.is_empty(&state.store) {
        empty::draw(state, world, theme, inner, buf);
    } else {
        lines::draw(state, world, theme, columns, inner, buf, &mut hits);
    }
    hits
}

fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect {
        y: area.y + rows,
        height: area.height - rows,
        ..area
    }
}

fn is_production(state: &LogsState, world: &World) -> bool {
    use crate::tui::state::ScreenState as _;
    state
        .environment(world)
        .and_then(|name| world.environment(name))
        .is_some_and(|env| env.is_production())
}

/// Errors a minute as bars, each of which can be clicked.
fn histogram(
    state: &LogsState,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
    hits: &mut Hits,
) {
    // Beside the bars stand two times and the count of errors.
    let room = usize::from(area.width).saturating_sub(WORDS_COLUMNS);
    let minutes = state.store.histogram(MINUTES.min(room));
    let (Some(first), Some(last)) = (minutes.first(), minutes.last()) else {
        let line = Line::from(span(theme, Role::Dim, "errors a minute: no line yet"));
        paint::line(buf, area, &line);
        return;
    };
    let at = |ms: i64| {
        Timestamp::from_millisecond(ms)
            .map(|at| text::moment(at, world.now, &world.zone))
            .unwrap_or_default()
    };
    let counts: Vec<Option<f64>> = minutes
        .iter()
        .map(|minute| Some(minute.errors as f64))
        .collect();
    let bars = spark::line(&counts, minutes.len(), 4.0);
    let start = format!("{} ", at(first.start_ms));
    let mut spans = vec![span(theme, Role::Dim, &start)];
    let first_x = area.x + u16::try_from(text::width(&start)).unwrap_or(0);
    for (x, (minute, bar)) in (first_x..).zip(minutes.iter().zip(bars.chars())) {
        let role = if minute.errors > 0 {
            Role::Bad
        } else {
            Role::Dim
        };
        spans.push(Span::styled(bar.to_string(), theme.style(role)));
        let cell = Rect {
            x,
            width: 1,
            ..area
        };
        hits.add(cell, Target::Time(minute.start_ms / 1_000));
    }
    let errors: u64 = minutes.iter().map(|minute| minute.errors).sum();
    let worst = minutes.iter().max_by_key(|minute| minute.errors);
    let worst = match worst {
        Some(worst) if worst.errors > 0 => {
            format!(", most {} at {}", worst.errors, at(worst.start_ms))
        }
        _ => String::new(),
    };
    let plural = if errors == 1 { "error" } else { "errors" };
    let words = format!(" {} · {errors} {plural}{worst}", at(last.start_ms));
    let taken = text::width(&start) + minutes.len() + text::width(&words);
    spans.push(span(theme, Role::Dim, words));
    let help = " · click or { } to jump";
    if taken + text::width(help) <= usize::from(area.width) {
        spans.push(span(theme, Role::Dim, help));
    }
    paint::line(buf, area, &Line::from(spans));
}

/// The row at the foot: what is being typed, or a search that goes on elsewhere.
fn foot(state: &LogsState, world: &World, theme: &Theme) -> Option<Line<'static>> {
    if let Some(prompt) = &state.prompt {
        return Some(typed(state, prompt, theme));
    }
    let server = state.find.server.as_ref()?;
    let pattern = state.view.search().map_or("", |pattern| pattern.text());
    let progress = server.progress.as_ref();
    let from = progress.and_then(|progress| Timestamp::from_millisecond(progress.from_ms).ok());
    let from = from.map_or_else(
        || "asking".to_owned(),
        |from| format!("back to {}", text::moment(from, world.now, &world.zone)),
    );
    let lines = grouped(progress.map_or(0, |progress| progress.lines));
    let trouble = match progress.and_then(|progress| progress.trouble.as_ref()) {
        Some(PlatformError::Throttled { .. }) => ", throttled, waiting",
        Some(_) => ", no answer, trying again",
        None => "",
    };
    Some(Line::from(vec![
        span(theme, Role::Live, "◐ "),
        span(
            theme,
            Role::Text,
            format!(
                "no older `{pattern}` here: searching the server, {from}, {lines} lines read{trouble}"
            ),
        ),
        span(theme, Role::Dim, "   esc stops"),
    ]))
}

fn typed(state: &LogsState, prompt: &Prompt, theme: &Theme) -> Line<'static> {
    let (label, help) = match prompt.asking {
        Asking::Search => (
            "/ ",
            if prompt.regex {
                "expression · ^R plain text"
            } else {
                "plain text · ^R expression"
            },
        ),
        Asking::Filter => (
            "filter ",
            if prompt.regex {
                "words, !not, level>=warn, field=value · ^R plain text"
            } else {
                "plain text · ^R expressions"
            },
        ),
        Asking::Window => ("window ", "13:50-14:05, 13:50-14:05 utc or local, 15m"),
    };
    let value = prompt.input.value();
    let cursor = prompt.input.cursor();
    let before: String = value.chars().take(cursor).collect();
    let under: String = value.chars().skip(cursor).take(1).collect();
    let after: String = value.chars().skip(cursor + 1).collect();
    let under = if under.is_empty() {
        " ".to_owned()
    } else {
        under
    };
    let role = if prompt.recalled {
        Role::Dim
    } else {
        Role::Text
    };
    let mut spans = vec![
        span(theme, Role::Key, label),
        span(theme, role, before),
        span(theme, Role::FocusedButton, under),
        span(theme, role, after),
        Span::raw("  "),
    ];
    match (&prompt.error, prompt.asking) {
        (Some(error), _) => spans.push(span(theme, Role::Bad, error)),
        (None, Asking::Search) if !value.is_empty() && !prompt.recalled => {
            spans.push(span(theme, Role::Strong, header::matches(state)));
            spans.push(span(theme, Role::Dim, format!("  {help}")));
        }
        (None, _) => spans.push(span(theme, Role::Dim, help)),
    }
    Line::from(spans)
}

/// `1,204`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!(
            [0, 12, 999, 1_204, 1_000_000].map(grouped),
            ["0", "12", "999", "1,204", "1,000,000"]
        );
    }
}
