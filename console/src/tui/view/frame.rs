//! What surrounds every screen: header, running rollouts, notice, hint bar.

use crate::{
    model::{Health, StageState},
    tui::{
        command::{COMMANDS, Command, CommandSpec, Place},
        effect::Level,
        state::{
            AppState, EnvironmentState, RunView, Target, World, notices::Notice, rollout::doing,
        },
        theme::{Role, Theme},
        widgets::{
            paint::{self, Hits, span},
            text,
        },
    },
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

/// Where one is, what is wrong in all, whose credentials, which clock.
pub fn header(state: &AppState, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let world = &state.world;
    let place = state.screen().state().place();
    let name = state.environment();
    let mut left = Line::from(span(theme, Role::Strong, " opsconsole"));
    if let Some(env) = name.and_then(|name| world.environment(name)) {
        left.push_span(span(theme, Role::Dim, " › "));
        let role = if env.is_production() {
            Role::Production
        } else {
            Role::Strong
        };
        left.push_span(span(theme, role, format!(" {} ", env.name())));
    }
    if place == Place::Environments {
        left.push_span(Span::raw("  "));
        left.extend(tally(world, theme));
    } else {
        left.push_span(span(theme, Role::Dim, " › "));
        left.push_span(span(theme, Role::Text, place.word()));
    }
    let clock = format!(
        "{} {} ",
        text::clock(world.now, &world.zone),
        world.zone_label
    );
    let room = usize::from(area.width).saturating_sub(left.width() + text::width(&clock) + 4);
    let right = Line::from(vec![
        span(theme, Role::Dim, whereabouts(state, room)),
        span(theme, Role::Text, clock),
    ]);
    paint::ends(buf, area, &left, &right);
}

/// Region, local or account, and who: as many of them as there is room for.
fn whereabouts(state: &AppState, room: usize) -> String {
    let world = &state.world;
    let env = state.environment().and_then(|name| world.environment(name));
    let mut parts = Vec::new();
    if let Some(can) = env.and_then(|env| env.capabilities.as_ref()) {
        parts.push(can.region.clone());
        if can.local {
            parts.push("local cloud".to_owned());
        }
    }
    if let Some(account) = env
        .and_then(|env| env.caller.as_ref())
        .and_then(|caller| caller.account.as_ref())
        && env
            .and_then(|env| env.capabilities.as_ref())
            .is_some_and(|can| !can.local)
    {
        parts.push(format!("account {account}"));
    }
    parts.push(world.user.clone());
    while !parts.is_empty() {
        let text = format!("{}   ", parts.join(" · "));
        if text::width(&text) <= room {
            return text;
        }
        parts.remove(0);
    }
    String::new()
}

fn tally(world: &World, theme: &Theme) -> Vec<Span<'static>> {
    let count = |wanted: fn(&EnvironmentState) -> bool| {
        world.environments.iter().filter(|env| wanted(env)).count()
    };
    let total = world.environments.len();
    let degraded = count(|env| env.health() == Health::Degraded);
    let down = count(|env| env.health() == Health::Down);
    let failing = count(|env| env.failure.is_some());
    let mut spans = vec![span(
        theme,
        Role::Text,
        format!("{total} environment{}", if total == 1 { "" } else { "s" }),
    )];
    for (number, word, role) in [
        (down, "down", Role::Bad),
        (degraded, "degraded", Role::Warn),
        (failing, "out of sight", Role::Warn),
    ] {
        if number > 0 {
            spans.push(span(theme, Role::Dim, " · "));
            spans.push(span(theme, role, format!("{number} {word}")));
        }
    }
    spans
}

/// Runs that were not dismissed: what, where, how far, for how long.
pub fn runs(world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) -> Hits {
    let mut hits = Hits::default();
    if area.height == 0 {
        return hits;
    }
    let mut line = Line::from(" ");
    for run in world.runs.iter().filter(|run| !run.dismissed) {
        if line.spans.len() > 1 {
            line.push_span(span(theme, Role::Dim, "   "));
        }
        line.extend(run_words(run, world, theme));
    }
    let key = world.key(Command::Rollout);
    let right = Line::from(vec![
        span(theme, Role::Key, key),
        span(theme, Role::Dim, " shows it "),
    ]);
    paint::ends(buf, area, &line, &right);
    hits.add(area, Target::Command(Command::Rollout));
    hits
}

fn run_words(run: &RunView, world: &World, theme: &Theme) -> Vec<Span<'static>> {
    let plan = &run.plan;
    let end = run.state.finished_at.unwrap_or(world.now);
    let time = text::stopwatch(end.duration_since(run.state.started_at));
    let (glyph, role, word) = match &run.state.outcome {
        None => {
            let stage = run
                .state
                .stages
                .iter()
                .find(|stage| stage.state == StageState::Running);
            let word = stage.map_or_else(String::new, |stage| match &stage.detail {
                Some(detail) => format!("{} {detail}", stage.name),
                None => stage.name.clone(),
            });
            ("◐", Role::Live, word)
        }
        Some(outcome) => {
            let (glyph, role) = super::rollout::outcome_face(outcome);
            (glyph, role, outcome.word().to_owned())
        }
    };
    let what = doing(plan);
    vec![
        span(theme, role, format!("{glyph} ")),
        span(theme, Role::Strong, plan.environment.as_str()),
        span(theme, Role::Text, format!(" {what} ")),
        span(theme, role, word),
        span(theme, Role::Dim, format!(" {time}")),
    ]
}

/// More of a notice is in the messages.
const NOTICE_LINES_MAX: usize = 3;

/// What leads out of a notice stands at its right end, so long as its words leave room.
const NOTICE_KEYS: usize = 22;

/// A notice's words in lines, none cut at the right.
fn notice_lines(notice: &Notice, width: u16) -> Vec<String> {
    let times = if notice.times > 1 {
        format!(" (×{})", notice.times)
    } else {
        String::new()
    };
    let keys = if notice.level == Level::Bad {
        NOTICE_KEYS
    } else {
        0
    };
    let columns = usize::from(width).saturating_sub(4 + keys).max(20);
    let mut lines = text::wrap(&text::clean(&format!("{}{times}", notice.text)), columns);
    lines.truncate(NOTICE_LINES_MAX);
    lines
}

/// How many lines the newest notice takes.
pub fn notice_height(state: &AppState, width: u16) -> u16 {
    let notice = state.notices.current(state.world.now);
    let lines = notice.map_or(0, |notice| notice_lines(notice, width).len());
    u16::try_from(lines).unwrap_or(0)
}

/// The newest notice.
pub fn notice(state: &AppState, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(notice) = state.notices.current(state.world.now) else {
        return;
    };
    let (glyph, role) = level(notice.level);
    let close = if notice.level == Level::Bad {
        let keys = [
            state.world.key(Command::Back),
            state.world.key(Command::Messages),
        ];
        Line::from(vec![
            span(theme, Role::Key, &keys[0]),
            span(theme, Role::Dim, " dismiss  "),
            span(theme, Role::Key, &keys[1]),
            span(theme, Role::Dim, " all "),
        ])
    } else {
        Line::default()
    };
    for (index, (row, words)) in area
        .rows()
        .zip(notice_lines(notice, area.width))
        .enumerate()
    {
        let (mark, end) = match index {
            0 => (glyph, &close),
            _ => (" ", &Line::default()),
        };
        let left = Line::from(span(theme, role, format!(" {mark} {words}")));
        paint::ends(buf, row, &left, end);
    }
}

/// The glyph and the role of a notice.
pub fn level(level: Level) -> (&'static str, Role) {
    match level {
        Level::Info => ("·", Role::Text),
        Level::Good => ("✓", Role::Good),
        Level::Warn => ("!", Role::Warn),
        Level::Bad => ("✖", Role::Bad),
    }
}

/// The keys that are worth knowing here, from the command table; each can be clicked.
pub fn hints(state: &AppState, theme: &Theme, area: Rect, buf: &mut Buffer) -> Hits {
    let world = &state.world;
    let screen = state.screen().state();
    let offered = |spec: &&CommandSpec| {
        spec.hint.is_some()
            && spec.places.contains(screen.place())
            && !world.key(spec.id).is_empty()
            && screen.offers(spec.id, world)
    };
    // Help and palette are always there: they lead to all the others.
    let always = [Command::Palette, Command::Help];
    let width = |spec: &CommandSpec| {
        text::width(&shown(&world.key(spec.id))) + 1 + text::width(spec.hint.unwrap_or("")) + 2
    };
    let all: Vec<&CommandSpec> = COMMANDS.iter().filter(offered).collect();
    let reserved: usize = all
        .iter()
        .filter(|spec| always.contains(&spec.id))
        .map(|spec| width(spec))
        .sum();
    let mut room = usize::from(area.width).saturating_sub(reserved + 1);
    let mut hits = Hits::default();
    let mut x = area.x + 1;
    for spec in all {
        let needed = width(spec);
        if !always.contains(&spec.id) {
            if needed > room {
                continue;
            }
            room -= needed;
        }
        let line = Line::from(vec![
            span(theme, Role::Key, shown(&world.key(spec.id))),
            span(theme, Role::Dim, format!(" {}", spec.hint.unwrap_or(""))),
        ]);
        let cell = Rect {
            x,
            width: u16::try_from(needed)
                .unwrap_or(0)
                .min(area.right().saturating_sub(x)),
            ..area
        };
        paint::line(buf, cell, &line);
        hits.add(cell, Target::Command(spec.id));
        x = (x + cell.width).min(area.right());
    }
    hits
}

/// A key as the hint bar writes it.
pub fn shown(key: &str) -> String {
    match key {
        "enter" => "⏎".to_owned(),
        other => other.to_owned(),
    }
}
