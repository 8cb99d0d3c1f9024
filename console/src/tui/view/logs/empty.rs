//! Why a Logs screen shows no line, and what to do about it.

use super::grouped;
use crate::{
    logs::TailPhase,
    tui::{
        state::{
            ScreenState as _, World,
            logs::{LogsState, Span as Read},
        },
        theme::{Role, Theme},
        widgets::{
            paint::{self, span},
            text,
        },
    },
};
use jiff::Timestamp;
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

/// Draws the reason in the middle of `area`.
pub(super) fn draw(state: &LogsState, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (role, what, then) = reason(state, world);
    let columns = usize::from(area.width).saturating_sub(4).min(90);
    let mut rows: Vec<Line<'_>> = Vec::new();
    for row in text::wrap(&text::clean(&what), columns) {
        rows.push(Line::from(span(theme, role, row)));
    }
    for row in text::wrap(&text::clean(&then), columns) {
        rows.push(Line::from(span(theme, Role::Dim, row)));
    }
    let height = u16::try_from(rows.len()).unwrap_or(area.height);
    let width = u16::try_from(columns).unwrap_or(area.width);
    paint::lines(buf, paint::centred(area, width, height), &rows);
}

/// What it is, and the way out.
fn reason(state: &LogsState, world: &World) -> (Role, String, String) {
    if !state.store.is_empty() {
        return hidden(state);
    }
    if let Some(error) = &state.failure {
        return (
            Role::Bad,
            error.to_string(),
            "Trying again; other environments are not touched.".to_owned(),
        );
    }
    match state.tail.as_ref().map(|tail| &tail.phase) {
        None | Some(TailPhase::Starting) => (
            Role::Dim,
            "Asking for the first lines…".to_owned(),
            String::new(),
        ),
        Some(TailPhase::Trouble { error, .. }) => (
            Role::Bad,
            error.to_string(),
            "The tail goes on trying and fills what it missed. r asks again now.".to_owned(),
        ),
        Some(TailPhase::CatchingUp) => {
            let calls = state.tail.as_ref().map_or(0, |tail| tail.calls);
            (
                Role::Live,
                format!(
                    "Reading what is there: no line in {} pages so far.",
                    grouped(calls)
                ),
                "Empty pages are normal where a stream was quiet.".to_owned(),
            )
        }
        Some(TailPhase::Following | TailPhase::Ended) => nothing(state, world),
    }
}

/// Lines are held, but the filter shows none of them.
fn hidden(state: &LogsState) -> (Role, String, String) {
    let held = grouped(u64::try_from(state.store.len()).unwrap_or(u64::MAX));
    if state.behind > 0 {
        return (
            Role::Live,
            format!("Filtering: {} lines to go.", grouped(state.behind)),
            String::new(),
        );
    }
    (
        Role::Warn,
        format!(
            "The filter `{}` hides all {held} lines.",
            state.view.filter()
        ),
        "f changes it, v changes the level, esc shows everything.".to_owned(),
    )
}

/// Everything was read, and there is nothing.
fn nothing(state: &LogsState, world: &World) -> (Role, String, String) {
    let moment = |at: Timestamp| text::moment(at, world.now, &world.zone);
    let zone = &world.zone_label;
    if let Read::Window(window) = state.source.span {
        return (
            Role::Warn,
            format!(
                "No line was written from {} to {} {zone}.",
                moment(window.start),
                moment(window.end)
            ),
            "a asks for another window, 0 goes back to now.".to_owned(),
        );
    }
    if let Some(label) = &state.source.label {
        return (
            Role::Warn,
            format!("{label} wrote nothing that is still kept."),
            "p shows the task that stopped before it, 0 all tasks.".to_owned(),
        );
    }
    let service = state
        .environment(world)
        .and_then(|name| world.environment(name))
        .and_then(|env| env.service());
    match service {
        Some(service) if service.instances.is_empty() => {
            let then = match service.stopped.first() {
                Some(_) => "p shows the last words of the task that stopped last.",
                None => "Lines appear here as soon as a task starts.",
            };
            (
                Role::Warn,
                "No task runs, so there is no stream to read yet.".to_owned(),
                then.to_owned(),
            )
        }
        Some(service) => {
            let oldest = service
                .instances
                .iter()
                .filter_map(|task| task.started_at)
                .min();
            let since = oldest.map_or_else(String::new, |at| format!(" since {}", moment(at)));
            (
                Role::Warn,
                format!("{} tasks run and none has written a line{since}.", service.instances.len()),
                "6 reads back an hour, 1 from where the oldest task started. If this stays empty, look at the task definition's log configuration.".to_owned(),
            )
        }
        None => (
            Role::Warn,
            "The log group is there and holds no line in this span.".to_owned(),
            "6 reads back an hour, a asks for a window.".to_owned(),
        ),
    }
}
