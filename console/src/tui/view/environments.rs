//! The home screen, drawn: all environments, and the last hour of the selected one.

use super::common;
use crate::{
    model::{AlarmState, Metrics, Series, Symptom},
    tui::{
        state::{EnvironmentState, Target, World, environments::EnvironmentsState},
        theme::{self, Role, Theme},
        widgets::{
            chart, input,
            paint::{self, Hits, span},
            spark,
            table::{self, Column, Row, left, right},
            text,
        },
    },
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

/// The last value counts as now when it is no older than so many steps: the newest minute is
/// often not complete yet.
const FRESH_STEPS: usize = 3;

/// The panel below needs at least so many rows to say something.
const PANEL_LEAST: u16 = 6;

/// Draws the table, and the selected environment's panel where there is room.
pub fn draw(
    state: &EnvironmentsState,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let rows = rows(state, world, theme, area.width);
    let needed = rows.iter().map(|row| 1 + row.below.len()).sum::<usize>() + 3;
    let most = usize::from(area.height)
        .saturating_sub(usize::from(PANEL_LEAST) + 3)
        .max(usize::from(area.height) / 2);
    let has_panel = area.height >= 14 && state.selected_environment(world).is_some();
    let table_height = if has_panel {
        u16::try_from(needed.min(most)).unwrap_or(u16::MAX)
    } else {
        area.height
    };
    let [top, bottom] =
        Layout::vertical([Constraint::Length(table_height), Constraint::Min(0)]).areas(area);
    let inner = paint::frame(
        buf,
        theme,
        top,
        Role::FocusedFrame,
        common::title(theme, "Environments", true),
        filter_title(state, world, theme),
    );
    let hits = table::draw(
        buf,
        theme,
        inner,
        &columns(area.width),
        &rows,
        state.selected(world),
    );
    if rows.is_empty() && inner.height > 1 {
        let line = Line::from(span(
            theme,
            Role::Dim,
            "no environment matches the filter; esc shows all",
        ));
        paint::line(
            buf,
            Rect {
                y: inner.y + 1,
                x: inner.x + 2,
                width: inner.width.saturating_sub(2),
                height: 1,
            },
            &line,
        );
    }
    if has_panel && let Some(env) = state.selected_environment(world) {
        panel(env, world, theme, bottom, buf);
    }
    hits
}

fn filter_title(state: &EnvironmentsState, world: &World, theme: &Theme) -> Line<'static> {
    filter(
        &state.filter,
        state.shown(world).len(),
        world.environments.len(),
        theme,
    )
}

/// The filter in a box's title: what is typed, how many rows it leaves, what is wrong with it.
pub fn filter(
    filter: &crate::tui::state::filter::TableFilter,
    shown: usize,
    of: usize,
    theme: &Theme,
) -> Line<'static> {
    let Some((typed, cursor)) = filter.shown() else {
        return Line::default();
    };
    let mut line = Line::from(span(theme, Role::Key, "/"));
    line.extend(input::line(theme, typed, cursor, 30));
    line.push_span(span(theme, Role::Dim, format!("  {shown} of {of}")));
    if let Some(error) = filter.error() {
        line.push_span(span(theme, Role::Warn, format!("  {error}")));
    }
    line
}

fn columns(width: u16) -> Vec<Column> {
    let mut columns = vec![
        left("ENV", 9),
        left("PLATFORM", 2),
        left("SERVICE", 1),
        left("RELEASE", 9),
        left("TASKS", 8),
        left("HEALTH", 9),
        right("REQ/S", 6),
        left("", 3),
        right("ERR %", 8),
        right("P95", 5),
        left("LAST DEPLOY", 4),
        right("$/MO", 7),
    ];
    if width >= 150 {
        columns.insert(9, left("", 1));
        columns.push(right("CPU %", 1));
        columns.push(right("MEM %", 1));
    }
    columns
}

fn rows(state: &EnvironmentsState, world: &World, theme: &Theme, width: u16) -> Vec<Row> {
    state
        .shown(world)
        .into_iter()
        .enumerate()
        .map(|(index, env)| {
            let mut row = Row::new(cells(env, world, theme, width), Target::Row(index));
            let columns = usize::from(width).saturating_sub(10);
            let mut below = common::sentence(theme, env, world, columns);
            if let Some((role, words)) = common::trouble(env, world) {
                below.extend(
                    text::wrap(&text::clean(&words), columns)
                        .into_iter()
                        .take(2)
                        .map(|part| Line::from(span(theme, role, part))),
                );
            }
            row.below = below
                .into_iter()
                .enumerate()
                .map(|(index, mut line)| {
                    line.spans.insert(
                        0,
                        span(
                            theme,
                            Role::Dim,
                            if index == 0 { "     └ " } else { "       " },
                        ),
                    );
                    line
                })
                .collect();
            row
        })
        .collect()
}

fn cells(env: &EnvironmentState, world: &World, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    let dash = || Line::from(span(theme, Role::Dim, "–"));
    let service = env.service();
    let stale = !matches!(env.face(world.now), crate::tui::state::Face::Live);
    let plain = if stale { Role::Dim } else { Role::Text };
    let metrics = env.metrics.as_ref();
    let now = |series: fn(&Metrics) -> &Series| {
        metrics.and_then(|metrics| series(metrics).latest_within(FRESH_STEPS))
    };
    let errors = now(|metrics| &metrics.error_percent);
    let is_bad = errors.is_some_and(|percent| percent >= 1.0);
    let name_role = if env.is_production() {
        Role::Bad
    } else {
        Role::Strong
    };
    let spark_columns = if width >= 150 { 24 } else { 6 };
    let spark_of = |series: fn(&Metrics) -> &Series, floor: f64| {
        metrics.map_or_else(String::new, |metrics| {
            spark::line(
                spark::since_first(&series(metrics).values, spark_columns),
                spark_columns,
                floor,
            )
        })
    };
    let mut cells = vec![
        Line::from(span(theme, name_role, env.name().as_str())),
        Line::from(span(
            theme,
            Role::Dim,
            env.capabilities
                .as_ref()
                .map_or("", |can| can.label.as_str()),
        )),
        Line::from(span(
            theme,
            plain,
            service.map_or("", |service| service.name.as_str()),
        )),
        common::drift(theme, env, world),
        service.map_or_else(dash, |service| {
            let role = if service.running < service.desired {
                Role::Warn
            } else {
                plain
            };
            Line::from(span(
                theme,
                role,
                format!("{}/{}", service.running, service.desired),
            ))
        }),
        common::health(theme, env, world),
        now(|metrics| &metrics.requests_per_second).map_or_else(dash, |value| {
            Line::from(span(theme, plain, text::number(value)))
        }),
        Line::from(span(
            theme,
            Role::Live,
            spark_of(|metrics| &metrics.requests_per_second, 1.0),
        )),
        errors.map_or_else(dash, |percent| {
            let role = if is_bad { Role::Bad } else { plain };
            Line::from(span(
                theme,
                role,
                format!("{percent:.1}{}", if is_bad { " ▲" } else { "" }),
            ))
        }),
        now(|metrics| &metrics.p95_ms).map_or_else(dash, |value| {
            Line::from(span(theme, plain, text::millis(value)))
        }),
        service
            .and_then(|service| service.deployed.as_ref())
            .and_then(|deployed| deployed.deployed_at.map(|at| (deployed, at)))
            .map_or_else(dash, |(deployed, at)| {
                let who = deployed
                    .author
                    .as_ref()
                    .map_or("", |author| author.name.as_str());
                Line::from(vec![
                    span(theme, plain, format!("{:>4} ", text::short(world.ago(at)))),
                    span(theme, Role::Dim, text::cut(&text::clean(who), 16)),
                ])
            }),
        env.monthly.map_or_else(dash, |amount| {
            let at_least = if amount.at_least { "≥" } else { "" };
            Line::from(span(theme, plain, format!("{at_least}{:.0}", amount.usd.0)))
        }),
    ];
    if width >= 150 {
        let role = if is_bad { Role::Bad } else { Role::Dim };
        cells.insert(
            9,
            Line::from(span(
                theme,
                role,
                spark_of(|metrics| &metrics.error_percent, 5.0),
            )),
        );
        for value in [
            now(|metrics| &metrics.cpu_percent),
            now(|metrics| &metrics.memory_percent),
        ] {
            cells.push(value.map_or_else(dash, |value| {
                Line::from(span(theme, plain, format!("{value:.0}")))
            }));
        }
    }
    cells
}

/// Young services fill the width with fewer minutes, but never with fewer than this.
const VALUES_LEAST: usize = 10;

/// The table has a column for the last deploy from about this width on.
const NARROW: u16 = 100;

/// When the live release was deployed and by whom: `deployed 9 m ago by ana`.
fn last_deploy(env: &EnvironmentState, world: &World) -> Option<String> {
    let deployed = env.observation.as_ref()?.service.deployed.as_ref()?;
    let ago = text::short(world.ago(deployed.deployed_at?));
    Some(match &deployed.author {
        Some(author) => format!("deployed {ago} ago by {}", text::clean(&author.name)),
        None => format!("deployed {ago} ago"),
    })
}

/// How much time the charts show: `last hour`, `last 12 min`; `None` where there are none.
fn span_words(env: &EnvironmentState) -> Option<String> {
    let Some(metrics) = &env.metrics else {
        return Some("last hour".to_owned());
    };
    if !has_series(metrics) {
        return None;
    }
    let series = &metrics.requests_per_second;
    let count = spark::since_first(&series.values, VALUES_LEAST).len();
    let minutes = i64::try_from(count).unwrap_or(0) * series.step_s / 60;
    Some(if minutes >= 59 {
        "last hour".to_owned()
    } else {
        format!("last {minutes} min")
    })
}

/// Whether the platform keeps any series of this environment.
fn has_series(metrics: &Metrics) -> bool {
    let Metrics {
        requests_per_second,
        error_percent,
        p95_ms,
        cpu_percent,
        memory_percent,
    } = metrics;
    [
        requests_per_second,
        error_percent,
        p95_ms,
        cpu_percent,
        memory_percent,
    ]
    .iter()
    .any(|series| !series.values.is_empty())
}

/// A series from its first value on.
fn shown_part(series: &Series, start: usize) -> Series {
    let start = start.min(series.values.len());
    Series {
        start_s: series.start_s + series.step_s * i64::try_from(start).unwrap_or(0),
        step_s: series.step_s,
        values: series.values[start..].to_vec(),
    }
}

/// The selected environment: an hour of series with its deploys on the same axis, alarms, events.
fn panel(env: &EnvironmentState, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let mut heading = env.name().to_string();
    // A narrow table has no room for the last deploy: it is told here.
    if let Some(deploy) = last_deploy(env, world).filter(|_| area.width < NARROW) {
        heading.push_str(" · ");
        heading.push_str(&deploy);
    }
    if let Some(span) = span_words(env) {
        heading.push_str(" · ");
        heading.push_str(&span);
    }
    let inner = common::part(buf, theme, world, env.name(), area, &heading, false);
    let (charts, side) = if inner.width >= 150 {
        let [charts, _, side] = Layout::horizontal([
            Constraint::Percentage(58),
            Constraint::Length(2),
            Constraint::Min(0),
        ])
        .areas(inner);
        (charts, side)
    } else {
        let wanted = if env
            .metrics
            .as_ref()
            .is_some_and(|metrics| !has_series(metrics))
        {
            1
        } else if inner.height >= 16 {
            inner.height * 3 / 5
        } else {
            5.min(inner.height.saturating_sub(2))
        };
        let [charts, side] =
            Layout::vertical([Constraint::Length(wanted), Constraint::Min(0)]).areas(inner);
        (charts, side)
    };
    series(env, world, theme, charts, buf);
    news(env, world, theme, side, buf);
}

const LABEL: usize = 10;
const VALUE: usize = 11;

/// Requests, errors and p95 as charts with one time axis, and the deploys on it.
pub fn series(env: &EnvironmentState, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(metrics) = &env.metrics else {
        paint::line(
            buf,
            area,
            &Line::from(span(theme, Role::Dim, "no measured series yet")),
        );
        return;
    };
    if !has_series(metrics) {
        let words = "no series: the platform measures no requests here";
        paint::line(buf, area, &Line::from(span(theme, Role::Dim, words)));
        return;
    }
    let is_slow = env.assessment.as_ref().is_some_and(|assessment| {
        let slow = |symptom: &Symptom| matches!(symptom, Symptom::Slow { .. });
        assessment.symptoms.iter().any(slow)
    });
    let columns = usize::from(area.width).saturating_sub(LABEL + VALUE + 1);
    if columns == 0 || area.height == 0 {
        return;
    }
    let requests = &metrics.requests_per_second;
    let start = requests.values.len() - spark::since_first(&requests.values, VALUES_LEAST).len();
    let metrics = &Metrics {
        requests_per_second: shown_part(requests, start),
        error_percent: shown_part(&metrics.error_percent, start),
        p95_ms: shown_part(&metrics.p95_ms, start),
        cpu_percent: shown_part(&metrics.cpu_percent, start),
        memory_percent: shown_part(&metrics.memory_percent, start),
    };
    let is_bad = metrics
        .error_percent
        .latest_within(FRESH_STEPS)
        .is_some_and(|percent| percent >= 1.0);
    type Shown<'a> = (&'static str, &'a Series, Role, f64, fn(f64) -> String);
    let mut shown: Vec<Shown<'_>> = vec![
        (
            "requests",
            &metrics.requests_per_second,
            Role::Live,
            1.0,
            |value| format!("{}/s", text::number(value)),
        ),
        (
            "errors",
            &metrics.error_percent,
            if is_bad { Role::Bad } else { Role::Dim },
            5.0,
            |value| format!("{value:.1} %"),
        ),
        (
            "p95",
            &metrics.p95_ms,
            if is_slow { Role::Warn } else { Role::Text },
            1.0,
            text::millis,
        ),
    ];
    if area.height >= 12 {
        shown.push(("cpu", &metrics.cpu_percent, Role::Text, 100.0, |value| {
            format!("{value:.0} %")
        }));
        shown.push((
            "memory",
            &metrics.memory_percent,
            Role::Text,
            100.0,
            |value| format!("{value:.0} %"),
        ));
    }
    let axis_rows = 2.min(area.height.saturating_sub(3));
    let high = usize::from(area.height - axis_rows) / shown.len();
    let high = high.clamp(1, 10);
    let mut rows = area.rows();
    for (label, values, role, floor, unit) in shown {
        let top = values
            .values
            .iter()
            .flatten()
            .copied()
            .fold(f64::NAN, f64::max);
        let latest = values.latest_within(FRESH_STEPS);
        for (index, bars) in chart::bars(&values.values, columns, high, floor)
            .into_iter()
            .enumerate()
        {
            let Some(row) = rows.next() else { return };
            let is_last = index + 1 == high;
            let label = if is_last { label } else { "" };
            let value = match (is_last, index) {
                (true, _) => latest.map_or_else(|| "–".to_owned(), unit),
                (false, 0) if top.is_finite() => format!("max {}", unit(top)),
                _ => String::new(),
            };
            let value_role = if is_last { Role::Text } else { Role::Dim };
            paint::line(
                buf,
                row,
                &Line::from(vec![
                    span(theme, Role::Dim, format!("{label:<LABEL$}")),
                    span(theme, role, bars),
                    span(theme, value_role, format!(" {value}")),
                ]),
            );
        }
    }
    if let Some(row) = rows.next().filter(|_| axis_rows > 0) {
        let marks = deploy_marks(env, &metrics.requests_per_second, columns);
        let line = Line::from(vec![
            span(theme, Role::Dim, format!("{:<LABEL$}", "deploys")),
            span(theme, Role::Strong, marks),
        ]);
        paint::line(buf, row, &line);
    }
    if let Some(row) = rows.next().filter(|_| axis_rows > 1) {
        let axis = axis(&metrics.requests_per_second, world, columns);
        paint::line(
            buf,
            row,
            &Line::from(span(theme, Role::Dim, format!("{:LABEL$}{axis}", ""))),
        );
    }
}

fn axis(series: &Series, world: &World, columns: usize) -> String {
    let last = series.values.len().saturating_sub(1);
    let at = |index: usize| {
        series
            .time_of(index)
            .map_or_else(String::new, |at| text::moment(at, world.now, &world.zone))
    };
    let (start, end) = (at(0), at(last));
    let middle = at(last / 2);
    let marks = [(0, start), (columns / 2, middle), (columns, end)];
    chart::marks(columns, &marks)
}

fn deploy_marks(env: &EnvironmentState, series: &Series, columns: usize) -> String {
    let count = series.values.len();
    // Newest first: where two would cover each other, the newer one stays.
    let marks: Vec<(usize, String)> =
        env.rollouts
            .iter()
            .filter_map(|rollout| {
                let offset = rollout.started_at.as_second() - series.start_s;
                let index = usize::try_from(offset.checked_div(series.step_s)?)
                    .ok()
                    .filter(|index| *index < count)?;
                let glyph = match rollout.outcome {
                    crate::model::RolloutOutcome::RolledBack
                    | crate::model::RolloutOutcome::Failed => "✖",
                    _ => "▼",
                };
                let release = rollout
                    .release
                    .as_deref()
                    .unwrap_or_else(|| rollout.to.short());
                Some((
                    spark::cell_of(index, count, columns),
                    format!("{glyph}{}", text::clean(release)),
                ))
            })
            .collect();
    chart::marks(columns, &marks)
}

/// Alarms first, then the newest events, as many as fit.
fn news(env: &EnvironmentState, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(service) = env.service() else {
        return;
    };
    let mut lines = Vec::new();
    let ringing: Vec<_> = service
        .alarms
        .iter()
        .filter(|alarm| alarm.state == AlarmState::Alarm)
        .collect();
    if ringing.is_empty() {
        let words = match service.alarms.len() {
            0 => "no alarms watch it".to_owned(),
            1 => "1 alarm, quiet".to_owned(),
            count => format!("{count} alarms, all quiet"),
        };
        lines.push(Line::from(vec![
            span(theme, Role::Dim, "alarms    "),
            span(theme, Role::Text, words),
        ]));
    }
    for alarm in ringing {
        lines.push(alarm_line(alarm, world, theme, "alarm     "));
    }
    for (index, event) in service.events.iter().enumerate() {
        let label = if index == 0 {
            "events    "
        } else {
            "          "
        };
        lines.push(Line::from(vec![
            span(theme, Role::Dim, label),
            span(
                theme,
                Role::Dim,
                format!("{}  ", text::clock(event.at, &world.zone)),
            ),
            span(theme, Role::Text, text::event(&event.message)),
        ]));
    }
    paint::lines(buf, area, &lines);
}

/// One alarm: name, state, since when, its condition.
pub fn alarm_line(
    alarm: &crate::model::Alarm,
    world: &World,
    theme: &Theme,
    label: &str,
) -> Line<'static> {
    let (glyph, word, role) = theme::alarm(alarm.state);
    let since = alarm
        .since
        .map(|at| format!(" {}", text::moment(at, world.now, &world.zone)))
        .unwrap_or_default();
    Line::from(vec![
        span(theme, Role::Dim, label),
        span(theme, role, format!("{glyph} ")),
        span(theme, Role::Text, &alarm.name),
        span(theme, role, format!(" {word}{since}")),
        span(
            theme,
            Role::Dim,
            alarm
                .condition
                .as_deref()
                .map(|condition| format!("  {condition}"))
                .unwrap_or_default(),
        ),
        span(
            theme,
            Role::Dim,
            if alarm.guards_rollouts {
                "  rolls back"
            } else {
                ""
            },
        ),
    ])
}
