//! The Logs screen's title: whose logs, how the tail stands, what is hidden and searched for.

use super::grouped;
use crate::{
    logs::{TailPhase, TailState},
    model::Level,
    platform::PlatformError,
    tui::{
        state::{
            ScreenState as _, World,
            logs::{LogsState, Span as Read},
        },
        theme::{Role, Theme},
        widgets::{paint::span, text},
    },
};
use jiff::Timestamp;
use ratatui::text::{Line, Span};

/// One part of the title. Those of the greatest `rank` go first when the row is too short.
struct Part {
    rank: u8,
    role: Role,
    text: String,
}

fn part(rank: u8, role: Role, text: impl Into<String>) -> Part {
    Part {
        rank,
        role,
        text: text.into(),
    }
}

/// The title at the left and the one at the right, together at most `columns` wide.
pub(super) fn titles(
    state: &LogsState,
    world: &World,
    theme: &Theme,
    columns: usize,
) -> (Line<'static>, Line<'static>) {
    let mut left = left(state, world);
    let mut right = right(state);
    // The frame's corners, the blanks around both titles and the line between them.
    let room = columns.saturating_sub(10);
    loop {
        let taken = columns_of(&left) + columns_of(&right);
        if taken <= room {
            break;
        }
        let worst = |parts: &[Part]| parts.iter().map(|part| part.rank).max().unwrap_or(0);
        let (most_left, most_right) = (worst(&left), worst(&right));
        if most_left.max(most_right) == 0 {
            break;
        }
        let parts = if most_right >= most_left {
            &mut right
        } else {
            &mut left
        };
        let most = most_left.max(most_right);
        if let Some(at) = parts.iter().rposition(|part| part.rank == most) {
            parts.remove(at);
        }
    }
    (line(theme, &left), line(theme, &right))
}

fn columns_of(parts: &[Part]) -> usize {
    parts.iter().map(|part| text::width(&part.text) + 3).sum()
}

fn line(theme: &Theme, parts: &[Part]) -> Line<'static> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            spans.push(span(theme, Role::Dim, " · "));
        }
        spans.push(span(theme, part.role, &part.text));
    }
    Line::from(spans)
}

fn left(state: &LogsState, world: &World) -> Vec<Part> {
    let env = state
        .environment(world)
        .and_then(|name| world.environment(name));
    let service = env.and_then(|env| env.service());
    let name = state.environment(world).map_or("", |name| name.as_str());
    let title = match service {
        Some(service) => format!("{name}/{}", service.name),
        None => name.to_owned(),
    };
    let mut parts = vec![part(0, Role::Strong, title)];
    match (&state.source.label, service) {
        (Some(label), _) => parts.push(part(1, Role::Warn, label)),
        (None, Some(service)) => {
            let count = service.instances.len();
            let word = if count == 1 { "task" } else { "tasks" };
            parts.push(part(3, Role::Text, format!("{count} {word}")));
        }
        (None, None) => {}
    }
    if let Some(read) = span_word(state, world) {
        parts.push(part(2, Role::Text, read));
    }
    parts.push(standing(state));
    if let Some(tail) = &state.tail {
        parts.extend(trouble(tail, world));
        parts.extend(sources(tail));
        if tail.late > 0 {
            parts.push(part(4, Role::Warn, format!("{} late", grouped(tail.late))));
        } else {
            parts.push(part(6, Role::Dim, "0 late"));
        }
        if let Some(lag_ms) = tail.lag_ms {
            let lag = text::millis(lag_ms.max(0) as f64);
            parts.push(part(5, Role::Dim, format!("lag {lag}")));
        }
    }
    if let Some(gap) = state.store.gaps().iter().rev().find(|gap| !gap.filled) {
        let word = if gap.to_ms.is_none() {
            "gap, growing"
        } else {
            "gap"
        };
        parts.push(part(2, Role::Warn, word));
    }
    if state.store.evicted() > 0 {
        let text = format!("{} let go", grouped(state.store.evicted()));
        parts.push(part(7, Role::Dim, text));
    }
    parts
}

/// From when on it reads, unless that is simply now.
fn span_word(state: &LogsState, world: &World) -> Option<String> {
    let moment = |at: Timestamp| text::moment(at, world.now, &world.zone);
    match state.source.span {
        Read::Anchor(crate::logs::Anchor::Tail) => None,
        Read::Anchor(anchor) => Some(format!("since {}", anchor.label())),
        Read::Since(at_ms) => {
            let at = Timestamp::from_millisecond(at_ms).ok()?;
            Some(format!("since {}", moment(at)))
        }
        Read::Window(window) => Some(format!(
            "{}–{} {}",
            moment(window.start),
            moment(window.end),
            world.zone_label
        )),
    }
}

/// Following, scrolled, paused, over.
fn standing(state: &LogsState) -> Part {
    let below = match state.new_below() {
        0 => String::new(),
        new => format!(" · {} new below", grouped(new)),
    };
    if state.paused {
        return part(0, Role::Warn, format!("‖ paused{below}"));
    }
    if !state.following {
        return part(0, Role::Live, format!("○ scrolled{below}"));
    }
    match state.tail.as_ref().map(|tail| &tail.phase) {
        None | Some(TailPhase::Starting) => part(0, Role::Dim, "○ connecting"),
        Some(TailPhase::CatchingUp) => part(0, Role::Live, "◐ catching up"),
        Some(TailPhase::Following) => part(0, Role::Good, "● following"),
        Some(TailPhase::Trouble { .. }) => part(0, Role::Dim, "○ waiting"),
        Some(TailPhase::Ended) => part(0, Role::Text, "■ complete"),
    }
}

/// What keeps lines from coming.
fn trouble(tail: &TailState, world: &World) -> Option<Part> {
    let TailPhase::Trouble {
        error, retry_at_ms, ..
    } = &tail.phase
    else {
        return (tail.throttled > 0).then(|| {
            let text = format!("throttled {} times", grouped(tail.throttled));
            part(5, Role::Dim, text)
        });
    };
    let word = match error {
        PlatformError::Throttled { .. } => "throttled",
        PlatformError::Credentials { .. } => "credentials expired",
        PlatformError::Unreachable { .. } => "unreachable",
        PlatformError::Denied { .. } => "not allowed",
        PlatformError::NotFound { .. } => "not found",
        _ => "failing",
    };
    let wait_s = (retry_at_ms - world.now.as_millisecond())
        .max(0)
        .div_euclid(1_000)
        + 1;
    Some(part(1, Role::Bad, format!("▲ {word}, again in {wait_s} s")))
}

/// Streams that are not followed live.
fn sources(tail: &TailState) -> Vec<Part> {
    let Some(sources) = &tail.sources else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    if sources.in_turns > 0 {
        let all = sources.followed + sources.in_turns + sources.failing;
        let text = format!("{} of {all} live, the others in turns", sources.followed);
        parts.push(part(2, Role::Warn, text));
    }
    if sources.failing > 0 && !matches!(tail.phase, TailPhase::Trouble { .. }) {
        parts.push(part(
            1,
            Role::Bad,
            format!("▲ {} unreadable", sources.failing),
        ));
    }
    parts
}

/// What is hidden, and what is searched for.
fn right(state: &LogsState) -> Vec<Part> {
    let mut parts = Vec::new();
    let filter = state.view.filter();
    if let Some(level) = filter.level {
        parts.push(part(3, Role::Warn, format!("level≥{}", level_word(level))));
    }
    let mut rest = filter.clone();
    rest.level = None;
    if !rest.is_empty() {
        let text = rest.to_string();
        parts.push(part(
            2,
            Role::Warn,
            format!("filter {}", text::cut(&text, 40)),
        ));
    }
    if !filter.is_empty() {
        let shown = state.view.len(&state.store);
        let text = if state.behind > 0 {
            format!("{} to filter", grouped(state.behind))
        } else {
            let held = u64::try_from(state.store.len()).unwrap_or(u64::MAX);
            let shown = u64::try_from(shown).unwrap_or(u64::MAX);
            format!("{} of {} lines", grouped(shown), grouped(held))
        };
        parts.push(part(4, Role::Dim, text));
    }
    if let Some(pattern) = state.view.search() {
        let text = format!("/{} {}", text::cut(pattern.text(), 24), matches(state));
        parts.push(part(1, Role::Live, text));
    }
    parts
}

/// `12 of 37`, `37+ matches`, `no match`.
pub(super) fn matches(state: &LogsState) -> String {
    let cursor = state.cursor.map(|spot| spot.id);
    let Some(status) = state.view.search_status(&state.store, cursor) else {
        return String::new();
    };
    let total = u64::try_from(status.total).unwrap_or(u64::MAX);
    let more = if status.complete { "" } else { "+" };
    match (status.current, total) {
        (Some(current), _) => {
            let current = u64::try_from(current).unwrap_or(u64::MAX);
            format!("{} of {}{more}", grouped(current), grouped(total))
        }
        (None, 0) if status.complete => "no match".to_owned(),
        (None, 1) => format!("1{more} match"),
        (None, _) => format!("{}{more} matches", grouped(total)),
    }
}

/// The level's name.
pub(super) fn level_word(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}
