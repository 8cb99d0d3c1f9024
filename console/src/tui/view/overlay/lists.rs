//! The overlays that are lists or texts, drawn.

use super::Keys;
use crate::{
    model::RolloutOutcome,
    tui::{
        state::{
            Target, World,
            cursor::first_visible,
            overlay::{
                help::HelpState,
                last_logs::LastLogsState,
                messages::MessagesState,
                palette::PaletteState,
                picker::{Choice, Choices, PickerState},
                scale::ScaleState,
                text::TextState,
            },
        },
        theme::{Role, Theme},
        view::{common, frame, rollout},
        widgets::{
            input,
            paint::{self, Hits, span},
            table::{self, Row, left, right},
            text,
        },
    },
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

/// A box over most of `body`, emptied and framed.
fn dialog(
    buf: &mut Buffer,
    theme: &Theme,
    body: Rect,
    size: (u16, u16),
    role: Role,
    title: &str,
) -> Rect {
    let area = paint::centred(body, size.0.min(body.width.saturating_sub(2)), size.1);
    paint::wipe(buf, area);
    let inner = paint::frame(
        buf,
        theme,
        area,
        role,
        Line::from(span(theme, Role::Strong, title)),
        Line::default(),
    );
    Rect {
        x: inner.x + 1.min(inner.width),
        width: inner.width.saturating_sub(2),
        ..inner
    }
}

fn rows_for(count: usize, extra: u16) -> u16 {
    u16::try_from(count)
        .unwrap_or(u16::MAX)
        .saturating_add(extra)
}

/// Releases, or environments to promote from.
pub fn picker(
    state: &PickerState,
    world: &World,
    theme: &Theme,
    body: Rect,
    buf: &mut Buffer,
) -> (Hits, Keys) {
    let keys: Keys = &[
        ("type", "to search"),
        ("↑↓", "choose"),
        ("⏎", "plan it"),
        ("esc", "cancel"),
    ];
    let shown = state.shown(world);
    let is_releases = matches!(state.choices, Choices::Releases(_));
    let title = if is_releases {
        format!("Deploy to {}: which release?", state.environment)
    } else {
        format!("Promote to {}: from where?", state.environment)
    };
    let role = common::frame_role(world, Some(&state.environment), true);
    let inner = dialog(
        buf,
        theme,
        body,
        (
            104,
            rows_for(shown.len().max(6), 5).min(body.height.saturating_sub(2)),
        ),
        role,
        &title,
    );
    let [top, _, list] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(0),
    ])
    .areas(inner);
    let mut line = Line::from(span(theme, Role::Key, "❯ "));
    line.extend(input::line(
        theme,
        state.input.value(),
        Some(state.input.visual_cursor()),
        usize::from(top.width).saturating_sub(3),
    ));
    paint::line(buf, top, &line);
    let words = match &state.choices {
        Choices::Releases(None) => Some((Role::Live, "◐ asking the registry…".to_owned())),
        Choices::Releases(Some(Err(error))) => Some((Role::Bad, error.to_string())),
        _ if state.unlisted(world).is_some() => Some((
            Role::Text,
            format!(
                "{} is not listed here. ⏎ plans it all the same; the plan says whether it can be had.",
                state.input.value().trim()
            ),
        )),
        _ if shown.is_empty() => Some((Role::Dim, "nothing matches".to_owned())),
        _ => None,
    };
    if let Some((role, words)) = words {
        let lines: Vec<Line<'_>> = text::wrap(&text::clean(&words), usize::from(list.width))
            .into_iter()
            .map(|part| Line::from(span(theme, role, part)))
            .collect();
        paint::lines(buf, list, &lines);
        return (Hits::default(), keys);
    }
    let columns = if is_releases {
        vec![
            left("RELEASE", 9),
            right("PUSHED", 6),
            left("HERE", 8),
            left("RUNS IN", 7),
            left("DIGEST", 2),
        ]
    } else {
        vec![
            left("ENVIRONMENT", 9),
            right("DEPLOYED", 5),
            left("HERE", 2),
            left("", 1),
            left("RELEASE", 8),
        ]
    };
    let rows: Vec<Row> = shown
        .iter()
        .enumerate()
        .map(|(index, choice)| Row::new(choice_cells(choice, world, theme), Target::Row(index)))
        .collect();
    (
        table::draw(
            buf,
            theme,
            list,
            &columns,
            &rows,
            state.cursor.of(rows.len()),
        ),
        keys,
    )
}

fn choice_cells(choice: &Choice, world: &World, theme: &Theme) -> Vec<Line<'static>> {
    let fared = match (choice.is_live_here, choice.fared) {
        (true, _) => span(theme, Role::Live, "● runs here"),
        (false, Some((outcome, at))) => {
            let role = match outcome {
                RolloutOutcome::Succeeded => Role::Good,
                RolloutOutcome::InProgress => Role::Live,
                RolloutOutcome::Superseded => Role::Text,
                RolloutOutcome::RolledBack | RolloutOutcome::Failed | RolloutOutcome::Stopped => {
                    Role::Bad
                }
            };
            span(
                theme,
                role,
                format!("{} {} ago", outcome.word(), text::short(world.ago(at))),
            )
        }
        (false, None) => span(theme, Role::Dim, "never ran"),
    };
    vec![
        Line::from(span(theme, Role::Strong, &choice.name)),
        Line::from(span(
            theme,
            Role::Text,
            choice
                .at
                .map(|at| format!("{} ago", text::short(world.ago(at))))
                .unwrap_or_default(),
        )),
        Line::from(fared),
        Line::from(span(theme, Role::Text, choice.live_in.join(", "))),
        Line::from(span(theme, Role::Dim, &choice.detail)),
    ]
}

/// A number of tasks.
pub fn scale(
    state: &ScaleState,
    world: &World,
    theme: &Theme,
    body: Rect,
    buf: &mut Buffer,
) -> (Hits, Keys) {
    let role = common::frame_role(world, Some(&state.environment), true);
    let inner = dialog(
        buf,
        theme,
        body,
        (60, 5),
        role,
        &format!("Scale {}", state.environment),
    );
    let mut line = Line::from(span(theme, Role::Text, "tasks wanted: "));
    line.extend(input::line(
        theme,
        state.input.value(),
        Some(state.input.visual_cursor()),
        10,
    ));
    let now = state
        .now
        .map(|now| format!("{now} now; the plan shows what it costs"))
        .unwrap_or_default();
    let under = match &state.error {
        Some(error) => Line::from(span(theme, Role::Warn, error)),
        None => Line::from(span(theme, Role::Dim, now)),
    };
    paint::lines(buf, inner, &[line, Line::default(), under]);
    (
        Hits::default(),
        &[
            ("↑↓", "one more or less"),
            ("⏎", "plan it"),
            ("esc", "cancel"),
        ],
    )
}

/// Commands and environments.
pub fn palette(
    state: &PaletteState,
    world: &World,
    theme: &Theme,
    body: Rect,
    buf: &mut Buffer,
) -> (Hits, Keys) {
    let entries = state.entries(world);
    let inner = dialog(
        buf,
        theme,
        body,
        (90, 18.min(body.height)),
        Role::FocusedFrame,
        "Command",
    );
    let [top, list] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(inner);
    let mut line = Line::from(span(theme, Role::Key, ":"));
    line.extend(input::line(
        theme,
        state.input.value(),
        Some(state.input.visual_cursor()),
        usize::from(top.width).saturating_sub(2),
    ));
    paint::line(buf, top, &line);
    let mut hits = Hits::default();
    if entries.is_empty() {
        paint::line(
            buf,
            list,
            &Line::from(span(theme, Role::Dim, "no such command on this screen")),
        );
        return (hits, PALETTE_KEYS);
    }
    let selected = state.cursor.of(entries.len());
    let first = first_visible(
        selected.unwrap_or(0),
        entries.len(),
        usize::from(list.height),
    );
    let widest = entries
        .iter()
        .map(|entry| text::width(&entry.name) + 1 + text::width(entry.argument))
        .max()
        .unwrap_or(0)
        .min(28);
    for (row, (index, entry)) in list.rows().zip(entries.iter().enumerate().skip(first)) {
        let is_selected = selected == Some(index);
        if is_selected {
            buf.set_style(row, theme.style(Role::Selected));
        }
        let left = Line::from(vec![
            span(theme, Role::Text, if is_selected { "▸ " } else { "  " }),
            span(theme, Role::Strong, &entry.name),
            span(
                theme,
                Role::Dim,
                format!(
                    " {:<width$}",
                    entry.argument,
                    width = widest.saturating_sub(text::width(&entry.name))
                ),
            ),
            span(theme, Role::Text, format!("  {}", entry.doc)),
        ]);
        let key = if entry.fixed.is_none() {
            frame::shown(&world.key(entry.command))
        } else {
            String::new()
        };
        paint::ends(buf, row, &left, &Line::from(span(theme, Role::Key, key)));
        hits.add(row, Target::Row(index));
    }
    (hits, PALETTE_KEYS)
}

const PALETTE_KEYS: Keys = &[
    ("⏎", "run"),
    ("tab", "complete"),
    ("↑↓", "choose"),
    ("esc", "cancel"),
];

/// Columns of the help: a command's keys, and its longest help line.
const HELP_KEYS: usize = 10;
const HELP_DOC: usize = 62;

/// Keys and commands of the screen below.
pub fn help(
    state: &HelpState,
    world: &World,
    theme: &Theme,
    body: Rect,
    buf: &mut Buffer,
) -> (Hits, Keys) {
    let inner = dialog(
        buf,
        theme,
        body,
        (110, body.height),
        Role::FocusedFrame,
        "Keys and commands",
    );
    // On a narrow terminal the help lines matter more than the names, which the palette finds too.
    let is_wide = usize::from(inner.width) >= HELP_KEYS + HELP_DOC + 20;
    let mut lines = Vec::new();
    for (title, rows) in state.groups() {
        if rows.is_empty() {
            continue;
        }
        lines.push(Line::from(span(theme, Role::Strong, title)));
        for spec in rows {
            let keys: Vec<String> = world
                .keys
                .keys(spec.id)
                .iter()
                .map(|key| frame::shown(&key.to_string()))
                .collect();
            let mut line = Line::from(vec![
                span(
                    theme,
                    Role::Key,
                    format!(" {:<HELP_KEYS$} ", keys.join(" ")),
                ),
                span(theme, Role::Text, format!("{:<HELP_DOC$}", spec.doc)),
            ]);
            if is_wide {
                line.push_span(span(
                    theme,
                    Role::Dim,
                    format!("  :{} {}", spec.name, spec.argument),
                ));
            }
            lines.push(line);
        }
        lines.push(Line::default());
    }
    let most = lines.len().saturating_sub(usize::from(inner.height));
    for (row, line) in inner.rows().zip(lines.iter().skip(state.scroll.min(most))) {
        paint::line(buf, row, line);
    }
    (Hits::default(), &[("↑↓", "scroll"), ("esc", "close")])
}

/// What was said.
pub fn messages(
    state: &MessagesState,
    world: &World,
    theme: &Theme,
    body: Rect,
    buf: &mut Buffer,
) -> (Hits, Keys) {
    let count = state.notices.iter().len();
    let inner = dialog(
        buf,
        theme,
        body,
        (110, rows_for(count.max(1), 2).min(body.height)),
        Role::FocusedFrame,
        "Messages",
    );
    if count == 0 {
        paint::line(
            buf,
            inner,
            &Line::from(span(theme, Role::Dim, "nothing was said yet")),
        );
    }
    let mut rows = inner.rows();
    for notice in state.notices.iter().skip(state.scroll) {
        let (glyph, role) = frame::level(notice.level);
        let times = if notice.times > 1 {
            format!(" (×{})", notice.times)
        } else {
            String::new()
        };
        let columns = usize::from(inner.width).saturating_sub(11);
        for (index, part) in text::wrap(&text::clean(&format!("{}{times}", notice.text)), columns)
            .into_iter()
            .enumerate()
        {
            let Some(row) = rows.next() else { break };
            let stamp = if index == 0 {
                format!("{} {glyph} ", text::clock(notice.at, &world.zone))
            } else {
                " ".repeat(11)
            };
            paint::line(
                buf,
                row,
                &Line::from(vec![span(theme, Role::Dim, stamp), span(theme, role, part)]),
            );
        }
    }
    (Hits::default(), &[("↑↓", "scroll"), ("esc", "close")])
}

/// A text.
pub fn text(state: &TextState, theme: &Theme, body: Rect, buf: &mut Buffer) -> (Hits, Keys) {
    let inner = dialog(
        buf,
        theme,
        body,
        (120, rows_for(state.lines.len(), 2).min(body.height)),
        Role::FocusedFrame,
        &state.title,
    );
    let most = state.lines.len().saturating_sub(usize::from(inner.height));
    for (row, line) in inner
        .rows()
        .zip(state.lines.iter().skip(state.scroll.min(most)))
    {
        paint::line(buf, row, &Line::from(span(theme, Role::Text, line)));
    }
    (
        Hits::default(),
        &[("↑↓", "scroll"), ("c", "copy"), ("esc", "close")],
    )
}

/// Why a task stopped, and the last it said.
pub fn last_logs(
    state: &LastLogsState,
    world: &World,
    theme: &Theme,
    body: Rect,
    buf: &mut Buffer,
) -> (Hits, Keys) {
    let role = common::frame_role(world, Some(&state.environment), true);
    let title = format!(
        "Last logs of task {} ({})",
        state.task.id.short(),
        state
            .task
            .release
            .as_deref()
            .unwrap_or_else(|| state.task.revision.short())
    );
    let inner = dialog(buf, theme, body, (120, body.height), role, &title);
    let mut why = state.task.why();
    if let Some(at) = state.task.stopped_at {
        why = format!("stopped {} ago, {why}", text::short(world.ago(at)));
    }
    let head = text::wrap(&text::clean(&why), usize::from(inner.width));
    let height = u16::try_from(head.len()).unwrap_or(1);
    let [top, _, rest] = Layout::vertical([
        Constraint::Length(height),
        Constraint::Length(1),
        Constraint::Min(0),
    ])
    .areas(inner);
    paint::lines(
        buf,
        top,
        &head
            .into_iter()
            .map(|part| Line::from(span(theme, Role::Warn, part)))
            .collect::<Vec<_>>(),
    );
    match &state.lines {
        None => paint::line(
            buf,
            rest,
            &Line::from(span(theme, Role::Live, "◐ reading its last lines…")),
        ),
        Some(Err(error)) => {
            let lines: Vec<Line<'_>> =
                text::wrap(&text::clean(&error.to_string()), usize::from(rest.width))
                    .into_iter()
                    .map(|part| Line::from(span(theme, Role::Bad, part)))
                    .collect();
            paint::lines(buf, rest, &lines);
        }
        Some(Ok(lines)) if lines.is_empty() => {
            let words = if state.task.log_stream.is_none() {
                "it never got as far as a log stream: its container did not start"
            } else {
                "it wrote nothing in the last hour"
            };
            paint::line(buf, rest, &Line::from(span(theme, Role::Dim, words)));
        }
        Some(Ok(lines)) => {
            let height = usize::from(rest.height);
            let end = lines
                .len()
                .saturating_sub(state.up)
                .max(height.min(lines.len()));
            for (row, event) in rest.rows().zip(&lines[end.saturating_sub(height)..end]) {
                paint::line(buf, row, &rollout::log_line(event, world, theme));
            }
        }
    }
    (
        Hits::default(),
        &[
            ("↑↓", "scroll"),
            ("l", "all logs"),
            ("c", "copy"),
            ("esc", "close"),
        ],
    )
}
