//! The Rollout screen, drawn: stages, both sides, what users feel, and the new tasks' logs.

use super::common;
use crate::{
    logs::stream_mark,
    model::{AlarmState, RolloutProgress, RolloutSide, RunOutcome, Stage, StageState},
    tui::{
        command::Command,
        state::{
            RunView, World,
            rollout::{RolloutState, doing, verdict},
        },
        theme::{self, Role, Theme},
        widgets::{
            paint::{self, Hits, span},
            spark, text,
        },
    },
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};

/// Rows for each thing that the platform says: the bars below tell more.
const SAID_ROWS_MAX: usize = 3;

/// Draws one run.
pub fn draw(
    state: &RolloutState,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let name = state.environment_name();
    let Some(run) = state.run(world) else {
        let inner = common::part(buf, theme, world, name, area, "Rollout", true);
        paint::line(
            buf,
            inner,
            &Line::from(span(theme, Role::Dim, "on its way to the platform…")),
        );
        return Hits::default();
    };
    let role = common::frame_role(world, Some(name), true);
    let outer = paint::frame(
        buf,
        theme,
        area,
        role,
        heading(run, theme),
        aside(run, world, theme),
    );
    let columns = usize::from(outer.width).saturating_sub(2);
    let mut lines = stages(run, world, theme, columns);
    lines.push(Line::default());
    if let Some(trouble) = &run.state.trouble {
        lines.push(Line::from(span(theme, Role::Warn, format!("! {trouble}"))));
    }
    if let Some(outcome) = &run.state.outcome {
        lines.extend(outcome_lines(run, outcome, world, theme, columns));
        lines.push(Line::default());
    }
    if let Some(progress) = &run.state.progress {
        if run.state.outcome.is_none() {
            lines.extend(said(progress, theme, columns));
        }
        lines.extend(sides(progress, theme, columns));
    }
    lines.push(rates(run, world, theme, columns));
    if let Some(progress) = &run.state.progress {
        lines.extend(watchers(progress, world, theme));
        if let Some(event) = progress.events.first() {
            lines.push(Line::from(vec![
                span(
                    theme,
                    Role::Dim,
                    format!("event {}  ", text::clock(event.at, &world.zone)),
                ),
                span(theme, Role::Text, text::event(&event.message)),
            ]));
        }
    }
    let wanted = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .min(outer.height.saturating_sub(4));
    let [top, divider, tail] = Layout::vertical([
        Constraint::Length(wanted),
        Constraint::Length(1),
        Constraint::Min(0),
    ])
    .areas(outer);
    paint::lines(buf, pad(top), &lines);
    rule(theme, role, divider, area, buf);
    logs(state, run, world, theme, pad(tail), buf);
    Hits::default()
}

/// The platform's own step, and what holds the rollout up.
fn said(progress: &RolloutProgress, theme: &Theme, columns: usize) -> Vec<Line<'static>> {
    let step = progress
        .platform_stage
        .as_ref()
        .map(|step| (Role::Live, format!("◐ {step}")));
    let why = progress
        .record
        .reason
        .as_ref()
        .map(|why| (Role::Warn, format!("▲ {why}")));
    let wrapped = |(role, words): (Role, String)| {
        text::wrap(&text::clean(&words), columns)
            .into_iter()
            .take(SAID_ROWS_MAX)
            .map(|part| Line::from(span(theme, role, part)))
            .collect::<Vec<_>>()
    };
    step.into_iter().chain(why).flat_map(wrapped).collect()
}

fn pad(area: Rect) -> Rect {
    Rect {
        x: area.x + 1.min(area.width),
        width: area.width.saturating_sub(2),
        ..area
    }
}

fn rule(theme: &Theme, role: Role, row: Rect, frame: Rect, buf: &mut Buffer) {
    if row.height == 0 {
        return;
    }
    let style = theme.style(role);
    let label = " new tasks' logs ";
    let dashes = usize::from(frame.width).saturating_sub(text::width(label) + 3);
    buf.set_string(
        frame.x,
        row.y,
        format!("├─{label}{}┤", "─".repeat(dashes)),
        style,
    );
}

fn heading(run: &RunView, theme: &Theme) -> Line<'static> {
    let going = if run.state.outcome.is_some() {
        ""
    } else {
        " · going on"
    };
    let words = format!("{} · {}", run.plan.environment, doing(&run.plan));
    Line::from(vec![
        span(theme, Role::Strong, words),
        span(theme, Role::Live, going),
    ])
}

fn aside(run: &RunView, world: &World, theme: &Theme) -> Line<'static> {
    let end = run.state.finished_at.unwrap_or(world.now);
    let mut words = format!(
        "{} · {}",
        text::stopwatch(end.duration_since(run.state.started_at)),
        run.plan.author.name
    );
    if let Some(lock) = run
        .state
        .lock
        .as_ref()
        .filter(|_| run.state.outcome.is_none())
    {
        words.push_str(&format!(
            " · lock until {}",
            text::moment(lock.expires_at, world.now, &world.zone)
        ));
    }
    Line::from(span(theme, Role::Text, words))
}

/// The steps in a row, wrapped where they do not fit.
pub fn stages(run: &RunView, world: &World, theme: &Theme, columns: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    for stage in &run.state.stages {
        let spans = stage_words(stage, world, theme);
        let needed: usize = spans.iter().map(Span::width).sum::<usize>() + 3;
        let at = lines.len() - 1;
        if lines[at].width() + needed > columns && lines[at].width() > 0 {
            lines.push(Line::default());
        }
        let at = lines.len() - 1;
        lines[at].extend(spans);
        lines[at].push_span(Span::raw("   "));
    }
    lines
}

fn stage_words(stage: &Stage, world: &World, theme: &Theme) -> Vec<Span<'static>> {
    let (glyph, role) = match stage.state {
        StageState::Done => ("✓", Role::Good),
        StageState::Running => ("◐", Role::Live),
        StageState::Waiting => ("○", Role::Dim),
        StageState::Failed => ("✖", Role::Bad),
    };
    let mut spans = vec![span(theme, role, format!("{glyph} {}", stage.name))];
    // What is behind needs no long story, and the outcome tells why something failed.
    let tells = match stage.state {
        StageState::Running | StageState::Waiting => true,
        StageState::Done => stage
            .detail
            .as_ref()
            .is_some_and(|detail| text::width(detail) <= 24),
        StageState::Failed => false,
    };
    if let Some(detail) = stage.detail.as_ref().filter(|_| tells) {
        spans.push(span(theme, Role::Text, format!(" {detail}")));
    }
    if let (true, Some(at)) = (stage.name == "sent", stage.at) {
        spans.push(span(
            theme,
            Role::Dim,
            format!(" {}", text::clock(at, &world.zone)),
        ));
    }
    spans
}

/// Both sides as bars: how much of each serves.
pub fn sides(progress: &RolloutProgress, theme: &Theme, columns: usize) -> Vec<Line<'static>> {
    let total = progress
        .ours
        .desired
        .max(
            progress
                .others
                .iter()
                .map(|side| side.running)
                .max()
                .unwrap_or(0),
        )
        .max(1);
    let bar = if columns >= 150 {
        40
    } else if columns >= 100 {
        24
    } else {
        14
    };
    let label = |side: &RolloutSide, ours: bool| {
        let name = side
            .release
            .clone()
            .unwrap_or_else(|| side.revision.short().to_owned());
        format!(
            "{}{}",
            text::cut(&text::clean(&name), 18),
            if ours { " (ours)" } else { "" }
        )
    };
    let widest = std::iter::once(label(&progress.ours, true))
        .chain(progress.others.iter().map(|side| label(side, false)))
        .map(|label| text::width(&label))
        .max()
        .unwrap_or(0);
    let line = |side: &RolloutSide, ours: bool| {
        let (full, empty) = spark::bar(f64::from(side.in_service) / f64::from(total), bar);
        let words = |count: u32, word: &str, role| {
            (count > 0).then(|| span(theme, role, format!("  {count} {word}")))
        };
        let mut line = Line::from(vec![
            span(
                theme,
                if ours { Role::Strong } else { Role::Text },
                format!("{:<widest$}  ", label(side, ours)),
            ),
            span(theme, if ours { Role::Live } else { Role::Dim }, full),
            span(theme, Role::Dim, empty),
            span(
                theme,
                Role::Text,
                format!(
                    "  {} of {} in service",
                    side.in_service,
                    if ours {
                        side.desired
                    } else {
                        side.running.max(side.in_service)
                    }
                ),
            ),
        ]);
        line.extend(words(side.pending, "starting", Role::Live));
        line.extend(words(side.draining, "draining", Role::Text));
        line.extend(words(side.failed, "failed", Role::Bad));
        line
    };
    std::iter::once(line(&progress.ours, true))
        .chain(progress.others.iter().map(|side| line(side, false)))
        .collect()
}

/// What watches the rollout: breaker and alarms.
pub fn watchers(progress: &RolloutProgress, world: &World, theme: &Theme) -> Vec<Line<'static>> {
    let mut line = Line::default();
    match progress.breaker {
        Some(breaker) if breaker.enabled => {
            let role = match breaker.failures {
                0 => Role::Text,
                failures if failures < breaker.threshold => Role::Warn,
                _ => Role::Bad,
            };
            line.push_span(span(theme, Role::Dim, "circuit breaker "));
            line.push_span(span(
                theme,
                role,
                format!("{} of {} failures", breaker.failures, breaker.threshold),
            ));
            if !breaker.rolls_back {
                line.push_span(span(theme, Role::Warn, ", does not go back by itself"));
            }
        }
        _ => line.push_span(span(theme, Role::Warn, "no circuit breaker")),
    }
    line.push_span(span(theme, Role::Dim, "   alarms "));
    if progress.alarms.is_empty() {
        line.push_span(span(theme, Role::Dim, "none watch it"));
    }
    for alarm in &progress.alarms {
        let (glyph, word, role) = theme::alarm(alarm.state);
        line.push_span(span(theme, role, format!("{glyph} {} {word}", alarm.name)));
        if let Some(since) = alarm.since.filter(|_| alarm.state == AlarmState::Alarm) {
            line.push_span(span(
                theme,
                Role::Dim,
                format!(" since {}", text::moment(since, world.now, &world.zone)),
            ));
        }
        line.push_span(Span::raw("  "));
    }
    vec![line]
}

/// What users feel: error rate and p95, before → now.
fn rates(run: &RunView, world: &World, theme: &Theme, columns: usize) -> Line<'static> {
    let metrics = world
        .environment(&run.plan.environment)
        .and_then(|env| env.metrics.as_ref());
    let (errors, p95) = world.rates(&run.plan.environment);
    let spark_columns = if columns >= 110 { 20 } else { 8 };
    let of = |label: &str,
              before: Option<f64>,
              now: Option<f64>,
              unit: fn(f64) -> String,
              series: Option<&crate::model::Series>,
              floor: f64,
              worse: f64| {
        let said = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), unit);
        let role = match (before, now) {
            (Some(before), Some(now)) if now > before + worse => Role::Bad,
            (Some(before), Some(now)) if now + worse < before => Role::Good,
            _ => Role::Text,
        };
        let line = series.map_or_else(String::new, |series| {
            let from = series.values.len().saturating_sub(spark_columns);
            let recent = spark::since_first(&series.values[from..], 5);
            spark::line(recent, spark_columns, floor)
        });
        vec![
            span(theme, Role::Dim, format!("{label} ")),
            span(theme, Role::Text, format!("{} → ", said(before))),
            span(theme, role, format!("{} ", said(now))),
            span(theme, role, line),
            Span::raw("    "),
        ]
    };
    let mut line = Line::default();
    line.extend(of(
        "error rate",
        run.before.0,
        errors,
        |value| format!("{value:.1} %"),
        metrics.map(|m| &m.error_percent),
        5.0,
        0.5,
    ));
    line.extend(of(
        "p95",
        run.before.1,
        p95,
        text::millis,
        metrics.map(|m| &m.p95_ms),
        1.0,
        25.0,
    ));
    line
}

/// The glyph and the role of an outcome.
pub fn outcome_face(outcome: &RunOutcome) -> (&'static str, Role) {
    match outcome {
        RunOutcome::Done => ("✓", Role::Good),
        RunOutcome::RolledBack { .. } => ("↶", Role::Warn),
        RunOutcome::Failed { .. } => ("✖", Role::Bad),
        RunOutcome::Superseded { .. } => ("⇄", Role::Warn),
        RunOutcome::Stopped { .. } => ("■", Role::Warn),
        RunOutcome::TimedOut { .. } | RunOutcome::Unknown { .. } => ("?", Role::Warn),
        RunOutcome::NotSent { .. } => ("○", Role::Warn),
    }
}

fn outcome_lines(
    run: &RunView,
    outcome: &RunOutcome,
    world: &World,
    theme: &Theme,
    columns: usize,
) -> Vec<Line<'static>> {
    let Some((headline, advice)) = verdict(run, world) else {
        return Vec::new();
    };
    let (glyph, role) = outcome_face(outcome);
    let mut lines = vec![Line::from(span(theme, role, format!("{glyph} {headline}")))];
    lines.extend(
        text::wrap(&text::clean(&advice), columns.saturating_sub(2))
            .into_iter()
            .map(|part| Line::from(span(theme, Role::Text, format!("  {part}")))),
    );
    lines.push(Line::from(vec![
        Span::raw("  "),
        span(theme, Role::Key, world.key(Command::Yank)),
        span(
            theme,
            Role::Dim,
            " copies the summary for the incident channel",
        ),
    ]));
    lines
}

fn logs(
    state: &RolloutState,
    run: &RunView,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    if area.height == 0 {
        return;
    }
    if state.lines.is_empty() {
        let words = match &state.tail_trouble {
            Some(trouble) => format!("logs cannot be read: {trouble}"),
            None if run.state.outcome.is_some() => {
                "the new tasks wrote nothing that was seen".to_owned()
            }
            None => "waiting for the new tasks' first lines…".to_owned(),
        };
        paint::line(buf, area, &Line::from(span(theme, Role::Dim, words)));
        return;
    }
    let height = usize::from(area.height);
    let end = state
        .lines
        .len()
        .saturating_sub(state.up)
        .max(height.min(state.lines.len()));
    let start = end.saturating_sub(height);
    for (row, event) in area.rows().zip(&state.lines[start..end]) {
        paint::line(buf, row, &log_line(event, world, theme));
    }
}

/// One log event in short: time, task, level, message with the JSON's own fields in front.
pub fn log_line(event: &crate::model::RawLogEvent, world: &World, theme: &Theme) -> Line<'static> {
    let at = jiff::Timestamp::from_millisecond(event.timestamp_ms).unwrap_or(world.now);
    let task = stream_mark(&event.stream);
    let (level, message) = told(&event.message);
    let role = match level.as_str() {
        "ERROR" | "FATAL" | "CRITICAL" => Role::Bad,
        "WARN" | "WARNING" => Role::Warn,
        "DEBUG" | "TRACE" => Role::Dim,
        _ => Role::Text,
    };
    Line::from(vec![
        span(
            theme,
            Role::Dim,
            format!("{} {task} ", text::clock(at, &world.zone)),
        ),
        span(theme, role, format!("{level:<5} ")),
        span(
            theme,
            if role == Role::Text { Role::Text } else { role },
            message,
        ),
    ])
}

/// Level and text of a message; a JSON object is told as its message and its other fields.
fn told(message: &str) -> (String, String) {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(message) else {
        return (String::new(), message.to_owned());
    };
    let word = |value: &serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let level = fields
        .get("level")
        .map(word)
        .unwrap_or_default()
        .to_uppercase();
    let mut out = fields
        .get("message")
        .or_else(|| fields.get("msg"))
        .map(word)
        .unwrap_or_default();
    // What tells requests apart comes first, ids that nobody reads last.
    let rank = |name: &str| match name {
        "method" => 0,
        "path" => 1,
        "status" => 2,
        "duration_ms" => 3,
        "request_id" | "trace_id" | "span_id" | "git_sha" | "pid" => 9,
        _ => 5,
    };
    let mut rest: Vec<(&String, &serde_json::Value)> = fields
        .iter()
        .filter(|(name, _)| {
            !matches!(
                name.as_str(),
                "level"
                    | "message"
                    | "msg"
                    | "timestamp"
                    | "time"
                    | "ts"
                    | "target"
                    | "release"
                    | "environment"
            )
        })
        .filter(|(name, value)| name.as_str() != "route" || fields.get("path") != Some(*value))
        .collect();
    rest.sort_by_key(|(name, _)| rank(name));
    for (name, value) in rest {
        match rank(name) {
            0..=2 => out.push_str(&format!(" {}", word(value))),
            3 => out.push_str(&format!(" {} ms", word(value))),
            _ => out.push_str(&format!(" {name}={}", word(value))),
        }
    }
    (level, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_is_told_as_its_message_and_fields() {
        let (level, text) = told(
            r#"{"timestamp":"x","level":"error","message":"request","status":500,"path":"/items"}"#,
        );
        assert_eq!(
            (level.as_str(), text.as_str()),
            ("ERROR", "request /items 500")
        );
    }

    #[test]
    fn a_plain_line_is_told_as_it_is() {
        assert_eq!(
            told("panicked at"),
            (String::new(), "panicked at".to_owned())
        );
    }
}
