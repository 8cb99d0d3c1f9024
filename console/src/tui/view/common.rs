//! What several screens show in the same words.

use crate::{
    model::{Deployed, EnvironmentName},
    operate::PROVING,
    tui::{
        state::{EnvironmentState, Face, World},
        theme::{self, Role, Theme},
        widgets::{
            paint::{self, span},
            spark, text,
        },
    },
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

/// The frame's role of an environment's boxes: production's is red, always.
pub fn frame_role(world: &World, name: Option<&EnvironmentName>, focused: bool) -> Role {
    let production = name
        .and_then(|name| world.environment(name))
        .is_some_and(EnvironmentState::is_production);
    match (production, focused) {
        (true, _) => Role::Bad,
        (false, true) => Role::FocusedFrame,
        (false, false) => Role::Frame,
    }
}

/// The title of a box: strong when it has the focus.
pub fn title(theme: &Theme, text: &str, focused: bool) -> Line<'static> {
    Line::from(span(
        theme,
        if focused { Role::Strong } else { Role::Text },
        text,
    ))
}

/// The health cell: glyph and word, or the face when the health cannot be believed.
pub fn health(theme: &Theme, env: &EnvironmentState, world: &World) -> Line<'static> {
    let (glyph, word, role) = theme::health(env.health());
    match env.face(world.now) {
        Face::Live => Line::from(span(theme, role, format!("{glyph} {word}"))),
        Face::Loading => Line::from(span(theme, Role::Dim, "◌ loading…")),
        Face::Stale(at) => Line::from(vec![
            span(theme, Role::Dim, format!("{glyph} {word} ")),
            span(
                theme,
                Role::Warn,
                format!("{} old", text::short(world.ago(at))),
            ),
        ]),
        Face::Unreachable { .. } => Line::from(span(theme, Role::Bad, "✖ unreachable")),
        Face::Expired { .. } => Line::from(span(theme, Role::Warn, "! credentials")),
        Face::Denied { .. } => Line::from(span(theme, Role::Warn, "! not allowed")),
        Face::Throttled => Line::from(span(theme, Role::Warn, format!("{glyph} {word} throttled"))),
        Face::Empty { .. } => Line::from(span(theme, Role::Dim, "∅ no service")),
        Face::Failing { .. } => Line::from(span(theme, Role::Bad, "✖ failing")),
    }
}

/// What a clock that is off does to what is shown.
pub fn clock_words(ahead_s: i64) -> String {
    let by = text::long(jiff::SignedDuration::from_secs(ahead_s.abs()));
    let way = if ahead_s > 0 { "ahead of" } else { "behind" };
    format!(
        "this machine's clock is {by} {way} the platform's: ages are off by that, locks are not. Set it by NTP"
    )
}

/// What to know and do about an environment that cannot be looked at; `None` when it can.
pub fn trouble(env: &EnvironmentState, world: &World) -> Option<(Role, String)> {
    let seen = env.observation.as_ref().map_or_else(
        || "never seen".to_owned(),
        |seen| {
            format!(
                "shown as of {}",
                text::moment(seen.at, world.now, &world.zone)
            )
        },
    );
    Some(match env.face(world.now) {
        Face::Live => {
            let ahead_s = env.observation.as_ref()?.clock_ahead_s?;
            (Role::Warn, clock_words(ahead_s))
        }
        Face::Loading => return None,
        Face::Stale(at) if env.live => (
            Role::Warn,
            format!("no answer for {}, {seen}", text::short(world.ago(at))),
        ),
        Face::Stale(at) => (
            Role::Dim,
            format!(
                "from the cache, seen {} ({} ago); connecting…",
                text::moment(at, world.now, &world.zone),
                text::short(world.ago(at)),
            ),
        ),
        Face::Unreachable { since, why } => (
            Role::Bad,
            format!(
                "since {} ({seen}): {why}",
                text::moment(since, world.now, &world.zone)
            ),
        ),
        Face::Expired { remedy } => (
            Role::Warn,
            format!("credentials are not accepted ({seen}). {remedy}"),
        ),
        Face::Denied { why } | Face::Empty { why } => (Role::Warn, why),
        Face::Throttled => (
            Role::Warn,
            format!("the platform throttles; looking less often, {seen}"),
        ),
        Face::Failing { why } => (Role::Bad, format!("{why} ({seen})")),
    })
}

/// The release and how it compares to the next environment: `1.5.0 ↑2 staging`, `1.4.1 = prod`.
pub fn drift(theme: &Theme, env: &EnvironmentState, world: &World) -> Line<'static> {
    let Some(live) = env.service().and_then(|service| service.deployed.as_ref()) else {
        return Line::from(span(theme, Role::Dim, "–"));
    };
    let mut line = Line::from(span(theme, Role::Text, live.name()));
    if env
        .service()
        .is_some_and(|service| service.rollout.is_some())
    {
        line.push_span(span(theme, Role::Live, " ◐"));
    }
    let place = world
        .environments
        .iter()
        .position(|other| other.name() == env.name());
    let next = place.and_then(|place| world.environments.get(place + 1));
    let Some((next, theirs)) =
        next.and_then(|next| Some((next, next.service()?.deployed.as_ref()?)))
    else {
        return line;
    };
    if is_same(live, theirs) {
        line.push_span(span(theme, Role::Dim, format!(" = {}", next.name())));
        return line;
    }
    let word = match newer(env, live, theirs) {
        Some(true) => "↑",
        Some(false) => "↓",
        None => "≠",
    };
    line.push_span(span(theme, Role::Live, format!(" {word}")));
    line.push_span(span(theme, Role::Dim, format!(" {}", next.name())));
    line
}

fn is_same(ours: &Deployed, theirs: &Deployed) -> bool {
    match (&ours.digest, &theirs.digest) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => ours.name() == theirs.name(),
    }
}

/// Whether our release is newer than theirs: by the release's numbers, where both have some.
fn newer(_env: &EnvironmentState, ours: &Deployed, theirs: &Deployed) -> Option<bool> {
    let numbers = |deployed: &Deployed| -> Option<Vec<u64>> {
        let name = deployed.release.as_deref()?;
        let core = name.trim_start_matches('v').split(['-', '+']).next()?;
        core.split('.').map(|part| part.parse().ok()).collect()
    };
    let (ours, theirs) = (numbers(ours)?, numbers(theirs)?);
    (ours != theirs).then(|| ours > theirs)
}

/// The sentence of a degraded environment and its undo, wrapped to `columns`.
pub fn sentence(
    theme: &Theme,
    env: &EnvironmentState,
    world: &World,
    columns: usize,
) -> Vec<Line<'static>> {
    let Some(assessment) = env
        .assessment
        .as_ref()
        .filter(|assessment| !assessment.sentence.is_empty())
    else {
        return Vec::new();
    };
    let (_, _, role) = theme::health(assessment.health);
    let sentence = format!("{}.", assessment.sentence.trim_end_matches(['.', ' ']));
    let mut words: Vec<(Role, String)> = vec![(role, sentence)];
    if let Some((release, good_s)) = &assessment.undo {
        let key = world.key(crate::tui::command::Command::Rollback);
        let good = good_s
            .map(|seconds| {
                let lived = jiff::SignedDuration::from_secs(seconds);
                if lived < PROVING {
                    format!(" (unproven: live for {})", text::short(lived))
                } else {
                    format!(" (good for {})", text::short(lived))
                }
            })
            .unwrap_or_default();
        words.push((Role::Text, format!("{key} rolls back to {release}{good}")));
    }
    let whole: String = words
        .iter()
        .map(|(_, text)| text.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    if text::width(&whole) <= columns {
        let mut line = Line::default();
        for (index, (role, words)) in words.into_iter().enumerate() {
            if index > 0 {
                line.push_span(Span::raw(" "));
            }
            line.push_span(span(theme, role, words));
        }
        return vec![line];
    }
    words
        .into_iter()
        .flat_map(|(role, words)| {
            text::wrap(&text::clean(&words), columns)
                .into_iter()
                .map(move |part| (role, part))
        })
        .map(|(role, part)| Line::from(span(theme, role, part)))
        .collect()
}

/// A bar with its percentage: `███░░ 61 %`; amber from 80, red from 95.
pub fn percent_bar(theme: &Theme, value: Option<f64>, columns: usize) -> Line<'static> {
    let Some(value) = value else {
        return Line::from(span(theme, Role::Dim, format!("{:columns$}   – ", "")));
    };
    let (full, empty) = spark::bar(value / 100.0, columns);
    let role = match value {
        95.0.. => Role::Bad,
        80.0.. => Role::Warn,
        _ => Role::Live,
    };
    Line::from(vec![
        span(theme, role, full),
        span(theme, Role::Dim, empty),
        span(theme, Role::Text, format!(" {value:>3.0} %")),
    ])
}

/// A box for an environment's part; answers the area inside.
pub fn part(
    buf: &mut Buffer,
    theme: &Theme,
    world: &World,
    name: &EnvironmentName,
    area: Rect,
    heading: &str,
    focused: bool,
) -> Rect {
    // Production is red everywhere; the focus shows by the strong title.
    let role = frame_role(world, Some(name), focused);
    paint::frame(
        buf,
        theme,
        area,
        role,
        title(theme, heading, focused),
        Line::default(),
    )
}
