//! The Service screen, drawn: tasks, targets, alarms, events, and the deployment in progress.

use super::{common, environments, rollout, upkeep};
use crate::{
    model::{InstanceState, Service},
    tui::{
        command::Command,
        state::{
            EnvironmentState, Target, World,
            cursor::first_visible,
            service::{Pane, ServiceState, Task},
        },
        theme::{Role, Theme},
        widgets::{
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

/// More tasks than any screen shows at once.
const MANY: usize = 200;

/// From here on there is room for two columns of boxes.
const WIDE: u16 = 150;

/// Draws the service of one environment.
pub fn draw(
    state: &ServiceState,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let Some(env) = state.env(world) else {
        return Hits::default();
    };
    let Some(service) = env.service() else {
        let inner = common::part(
            buf,
            theme,
            world,
            env.name(),
            area,
            env.name().as_str(),
            true,
        );
        let mut lines = vec![common::health(theme, env, world)];
        if let Some((role, words)) = common::trouble(env, world) {
            let columns = usize::from(inner.width).saturating_sub(2);
            lines.extend(
                text::wrap(&text::clean(&words), columns)
                    .into_iter()
                    .map(|part| Line::from(span(theme, role, part))),
            );
        }
        paint::lines(buf, inner, &lines);
        return Hits::default();
    };
    let summary = summary(env, service, world, theme, area.width);
    let summary_height = u16::try_from(summary.len()).unwrap_or(4) + 2;
    let [top, rest] = Layout::vertical([
        Constraint::Length(summary_height.min(area.height / 2)),
        Constraint::Min(0),
    ])
    .areas(area);
    let heading = format!("{}/{}", env.name(), service.name);
    let inner = common::part(buf, theme, world, env.name(), top, &heading, false);
    paint::lines(buf, inner, &summary);
    let mut hits = Hits::default();
    let rows = |pane| {
        u16::try_from(state.count(pane, service))
            .unwrap_or(u16::MAX)
            .saturating_add(2)
    };
    if area.width >= WIDE {
        let [left, right] =
            Layout::horizontal([Constraint::Percentage(60), Constraint::Min(0)]).areas(rest);
        let [tasks, charts, events] = Layout::vertical([
            Constraint::Length((rows(Pane::Tasks) + 1).min(left.height / 2)),
            Constraint::Length(if left.height >= 34 { 14 } else { 0 }),
            Constraint::Min(5),
        ])
        .areas(left);
        let [deployment, alarms, targets] = Layout::vertical([
            Constraint::Length(if service.rollout.is_some() { 12 } else { 0 }),
            Constraint::Length(rows(Pane::Alarms).max(3).min(right.height / 3)),
            Constraint::Min(3),
        ])
        .areas(right);
        hits.extend(tasks_box(state, env, service, world, theme, tasks, buf));
        if charts.height > 2 {
            let inner = common::part(buf, theme, world, env.name(), charts, "Last hour", false);
            environments::series(env, world, theme, inner, buf);
        }
        hits.extend(events_box(state, env, service, world, theme, events, buf));
        deployment_box(env, service, world, theme, deployment, buf);
        hits.extend(alarms_box(state, env, service, world, theme, alarms, buf));
        hits.extend(targets_box(state, env, service, world, theme, targets, buf));
    } else {
        let rolling = if service.rollout.is_some() && rest.height >= 24 {
            9
        } else {
            0
        };
        let middle = rows(Pane::Targets)
            .max(rows(Pane::Alarms))
            .max(3)
            .min(rest.height.saturating_sub(rolling) / 4 + 1);
        let [tasks, deployment, pair, events] = Layout::vertical([
            Constraint::Length(
                (rows(Pane::Tasks) + 1).min((rest.height.saturating_sub(rolling)) / 2),
            ),
            Constraint::Length(rolling),
            Constraint::Length(middle),
            Constraint::Min(3),
        ])
        .areas(rest);
        let [targets, alarms] =
            Layout::horizontal([Constraint::Percentage(40), Constraint::Min(0)]).areas(pair);
        hits.extend(tasks_box(state, env, service, world, theme, tasks, buf));
        deployment_box(env, service, world, theme, deployment, buf);
        hits.extend(targets_box(state, env, service, world, theme, targets, buf));
        hits.extend(alarms_box(state, env, service, world, theme, alarms, buf));
        hits.extend(events_box(state, env, service, world, theme, events, buf));
    }
    hits
}

fn summary(
    env: &EnvironmentState,
    service: &Service,
    world: &World,
    theme: &Theme,
    width: u16,
) -> Vec<Line<'static>> {
    let label = |text: &str| span(theme, Role::Dim, text);
    let mut first = Line::default();
    if let Some(live) = &service.deployed {
        first.push_span(span(theme, Role::Strong, live.name()));
        if let Some(digest) = &live.digest {
            first.push_span(label(&format!("  {}", digest.short())));
        }
        first.push_span(label(&format!("  {}", live.revision.short())));
        if let Some(at) = live.deployed_at {
            let who = live
                .author
                .as_ref()
                .map(|author| format!(" by {}", author.name))
                .unwrap_or_default();
            first.push_span(span(
                theme,
                Role::Text,
                format!("  deployed {} ago{who}", text::short(world.ago(at))),
            ));
        }
    } else {
        first.push_span(label("nothing is deployed"));
    }
    let short = service.running < service.desired;
    let mut second = common::health(theme, env, world);
    second.push_span(span(
        theme,
        if short { Role::Warn } else { Role::Text },
        format!("  {} of {} tasks running", service.running, service.desired),
    ));
    if service.pending > 0 {
        second.push_span(span(
            theme,
            Role::Live,
            format!(", {} starting", service.pending),
        ));
    }
    if let Some(amount) = env.monthly {
        second.push_span(label(&format!("  {amount}/month")));
    }
    if let Some(url) = &service.url {
        second.push_span(label("  "));
        second.push_span(span(theme, Role::Live, url));
    }
    let mut lines = vec![first, second];
    let columns = usize::from(width).saturating_sub(4);
    lines.extend(upkeep::lines(service, theme, columns));
    lines.extend(common::sentence(theme, env, world, columns));
    if let Some((role, words)) = common::trouble(env, world) {
        lines.extend(
            text::wrap(&text::clean(&words), columns)
                .into_iter()
                .take(2)
                .map(|part| Line::from(span(theme, role, part))),
        );
    }
    if let Some(rollout) = &service.rollout {
        let name = rollout
            .record
            .release
            .clone()
            .unwrap_or_else(|| rollout.record.to.short().to_owned());
        lines.push(Line::from(vec![
            span(theme, Role::Live, format!("◐ {name} is rolling out")),
            span(
                theme,
                Role::Text,
                format!(
                    ": {} of {} in service{}",
                    rollout.ours.in_service,
                    rollout.ours.desired,
                    rollout
                        .breaker
                        .filter(|breaker| breaker.enabled)
                        .map(|breaker| format!(
                            ", breaker {} of {}",
                            breaker.failures, breaker.threshold
                        ))
                        .unwrap_or_default(),
                ),
            ),
            label(&format!(
                "  {} shows it, {} stops it",
                world.key(Command::Rollout),
                world.key(Command::StopRollout)
            )),
        ]));
    }
    lines
}

fn tasks_box(
    state: &ServiceState,
    env: &EnvironmentState,
    service: &Service,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let focused = state.pane == Pane::Tasks;
    let tasks = state.tasks(service);
    let role = common::frame_role(world, Some(env.name()), focused);
    let all = service.instances.len() + service.stopped.len();
    let inner = paint::frame(
        buf,
        theme,
        area,
        role,
        common::title(theme, "Tasks", focused),
        environments::filter(&state.filter, tasks.len(), all, theme),
    );
    let bar = if area.width >= 110 { 10 } else { 5 };
    let columns = [
        left("TASK", 9),
        left("STATE", 9),
        left("RELEASE", 8),
        left("CPU", 6),
        left("MEMORY", 6),
        right("FOR", 7),
        left("ADDRESS", 2),
        left("ZONE", 1),
        table::words("WHY", 8, 16),
    ];
    let selected = focused
        .then(|| state.selected(Pane::Tasks, service))
        .flatten();
    // Of very many only those in sight are made ready.
    let height = usize::from(inner.height).saturating_sub(1).max(1);
    let first = match selected {
        Some(row) if tasks.len() > MANY => first_visible(row, tasks.len(), height),
        _ => 0,
    };
    let in_sight = if tasks.len() > MANY {
        height
    } else {
        tasks.len()
    };
    let rows: Vec<Row> = tasks
        .iter()
        .enumerate()
        .skip(first)
        .take(in_sight)
        .map(|(index, task)| {
            Row::new(
                task_cells(*task, bar, world, theme),
                Target::Pane(Pane::Tasks as usize, index),
            )
        })
        .collect();
    if rows.is_empty() && inner.height > 0 {
        let words = if all == 0 {
            "no task runs, and none stopped lately"
        } else {
            "no task matches the filter"
        };
        paint::line(
            buf,
            inner,
            &Line::from(span(theme, Role::Dim, format!("  {words}"))),
        );
        return Hits::default();
    }
    let selected = selected.map(|row| row - first);
    table::draw(buf, theme, inner, &columns, &rows, selected)
}

fn task_cells(task: Task<'_>, bar: usize, world: &World, theme: &Theme) -> Vec<Line<'static>> {
    let plain = |text: &str| Line::from(span(theme, Role::Text, text));
    let dim = |text: &str| Line::from(span(theme, Role::Dim, text));
    match task {
        Task::Running(task) => {
            let (glyph, word, role) = match (task.state, task.healthy) {
                (InstanceState::Starting, _) => ("◌", "starting", Role::Live),
                (InstanceState::Stopping, _) => ("◌", "stopping", Role::Live),
                (InstanceState::Stopped, _) => ("○", "stopped", Role::Dim),
                (InstanceState::Running, Some(true)) => ("●", "healthy", Role::Good),
                (InstanceState::Running, Some(false)) => ("▲", "unhealthy", Role::Bad),
                (InstanceState::Running, None) => ("●", "running", Role::Text),
            };
            vec![
                plain(task.id.short()),
                Line::from(span(theme, role, format!("{glyph} {word}"))),
                plain(
                    task.release
                        .as_deref()
                        .unwrap_or_else(|| task.revision.short()),
                ),
                common::percent_bar(theme, task.cpu_percent, bar),
                common::percent_bar(theme, task.memory_percent, bar),
                plain(
                    &task
                        .started_at
                        .map(|at| text::short(world.ago(at)))
                        .unwrap_or_default(),
                ),
                dim(task.address.as_deref().unwrap_or("")),
                dim(task.zone.as_deref().unwrap_or("")),
                dim(""),
            ]
        }
        Task::Stopped(task) => {
            let role = if task.exit_code.is_some_and(|code| code != 0) {
                Role::Bad
            } else {
                Role::Dim
            };
            vec![
                dim(task.id.short()),
                Line::from(span(theme, Role::Dim, "○ stopped")),
                dim(task
                    .release
                    .as_deref()
                    .unwrap_or_else(|| task.revision.short())),
                Line::default(),
                Line::default(),
                dim(&task
                    .stopped_at
                    .map(|at| format!("{} ago", text::short(world.ago(at))))
                    .unwrap_or_default()),
                Line::default(),
                Line::default(),
                Line::from(span(theme, role, text::clean(&task.why()))),
            ]
        }
    }
}

/// A list of lines with a selected one; answers where each is.
fn list(
    state: &ServiceState,
    pane: Pane,
    service: &Service,
    theme: &Theme,
    lines: &[Line<'static>],
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let mut hits = Hits::default();
    let selected = state.selected(pane, service).filter(|_| state.pane == pane);
    let first = selected.map_or(0, |row| {
        first_visible(row, lines.len(), usize::from(area.height))
    });
    for (row, (index, line)) in area.rows().zip(lines.iter().enumerate().skip(first)) {
        if selected == Some(index) {
            buf.set_style(row, theme.style(Role::Selected));
            buf.set_string(row.x, row.y, "▸", theme.style(Role::Selected));
        }
        let text_area = Rect {
            x: row.x + 2.min(row.width),
            width: row.width.saturating_sub(2),
            ..row
        };
        paint::line(buf, text_area, line);
        hits.add(row, Target::Pane(pane as usize, index));
    }
    hits
}

fn targets_box(
    state: &ServiceState,
    env: &EnvironmentState,
    service: &Service,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let healthy = service
        .targets
        .iter()
        .filter(|target| target.state == "healthy")
        .count();
    let heading = format!("Targets {healthy}/{} healthy", service.targets.len());
    let inner = common::part(
        buf,
        theme,
        world,
        env.name(),
        area,
        &heading,
        state.pane == Pane::Targets,
    );
    if service.targets.is_empty() {
        paint::line(
            buf,
            inner,
            &Line::from(span(theme, Role::Dim, "  no load balancer tells of any")),
        );
        return Hits::default();
    }
    let lines: Vec<Line<'static>> = service
        .targets
        .iter()
        .map(|target| {
            let (glyph, role) = match target.state.as_str() {
                "healthy" => ("●", Role::Good),
                "unhealthy" => ("▲", Role::Bad),
                "initial" | "draining" => ("◌", Role::Live),
                _ => ("○", Role::Dim),
            };
            Line::from(vec![
                span(theme, role, format!("{glyph} {:<9}", target.state)),
                span(theme, Role::Text, format!(" {}", target.address)),
                span(
                    theme,
                    Role::Dim,
                    target
                        .reason
                        .as_deref()
                        .map(|reason| format!("  {reason}"))
                        .unwrap_or_default(),
                ),
            ])
        })
        .collect();
    list(state, Pane::Targets, service, theme, &lines, inner, buf)
}

fn alarms_box(
    state: &ServiceState,
    env: &EnvironmentState,
    service: &Service,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let inner = common::part(
        buf,
        theme,
        world,
        env.name(),
        area,
        "Alarms",
        state.pane == Pane::Alarms,
    );
    if service.alarms.is_empty() {
        paint::line(
            buf,
            inner,
            &Line::from(span(theme, Role::Dim, "  no alarms watch it")),
        );
        return Hits::default();
    }
    let lines: Vec<Line<'static>> = service
        .alarms
        .iter()
        .map(|alarm| environments::alarm_line(alarm, world, theme, ""))
        .collect();
    list(state, Pane::Alarms, service, theme, &lines, inner, buf)
}

fn events_box(
    state: &ServiceState,
    env: &EnvironmentState,
    service: &Service,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let inner = common::part(
        buf,
        theme,
        world,
        env.name(),
        area,
        "Events",
        state.pane == Pane::Events,
    );
    let lines: Vec<Line<'static>> = state
        .events(service)
        .into_iter()
        .map(|event| {
            let lower = event.message.to_lowercase();
            let role = if ["unable", "failed", "unhealthy", "stopped"]
                .iter()
                .any(|word| lower.contains(word))
            {
                Role::Warn
            } else {
                Role::Text
            };
            Line::from(vec![
                span(
                    theme,
                    Role::Dim,
                    format!("{}  ", text::clock(event.at, &world.zone)),
                ),
                span(theme, role, text::event(&event.message)),
            ])
        })
        .collect();
    if lines.is_empty() {
        paint::line(
            buf,
            inner,
            &Line::from(span(theme, Role::Dim, "  no events yet")),
        );
        return Hits::default();
    }
    list(state, Pane::Events, service, theme, &lines, inner, buf)
}

fn deployment_box(
    env: &EnvironmentState,
    service: &Service,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let Some(progress) = &service.rollout else {
        return;
    };
    if area.height < 3 {
        return;
    }
    let inner = common::part(
        buf,
        theme,
        world,
        env.name(),
        area,
        "Deployment in progress",
        false,
    );
    let run = world
        .run_of(env.name())
        .filter(|run| run.state.outcome.is_none());
    let columns = usize::from(inner.width);
    let mut lines = Vec::new();
    match run {
        Some(run) => lines.extend(rollout::stages(run, world, theme, columns)),
        // Somebody else's: the platform's own words are all there is.
        None => lines.push(Line::from(vec![
            span(theme, Role::Live, "◐ "),
            span(
                theme,
                Role::Text,
                progress
                    .platform_stage
                    .clone()
                    .unwrap_or_else(|| "in progress".into()),
            ),
            span(
                theme,
                Role::Dim,
                format!(
                    "  for {}{}",
                    text::long(world.ago(progress.record.started_at)),
                    progress
                        .record
                        .author
                        .as_ref()
                        .map(|author| format!(", by {}", author.name))
                        .unwrap_or_default()
                ),
            ),
        ])),
    }
    lines.extend(rollout::sides(progress, theme, columns));
    lines.extend(rollout::watchers(progress, world, theme));
    paint::lines(buf, inner, &lines);
}
