//! The confirm dialog, drawn: everything that decides, then Cancel and the button.

use super::Keys;
use crate::{
    model::{Action, Blocker, Change, Plan, PlanSide},
    operate::Gate,
    tui::{
        state::{
            Target, World,
            overlay::confirm::{ConfirmState, Focus, Phase},
        },
        theme::{Role, Theme},
        view::common,
        widgets::{
            input,
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

const WIDTH: u16 = 104;

/// Draws the dialog.
pub fn draw(
    state: &ConfirmState,
    world: &World,
    theme: &Theme,
    body: Rect,
    buf: &mut Buffer,
) -> (Hits, Keys) {
    let width = WIDTH
        .min(body.width.saturating_sub(2))
        .max(body.width.min(60));
    let columns = usize::from(width).saturating_sub(4);
    let (details, questions) = match &state.phase {
        Phase::Planning => (
            vec![Line::from(span(
                theme,
                Role::Live,
                "◐ making the plan: nothing is changed by looking",
            ))],
            Vec::new(),
        ),
        Phase::Sending(plan) => (
            vec![Line::from(span(
                theme,
                Role::Live,
                format!("◐ {} is on its way: lock, audit, send", plan.action.verb()),
            ))],
            Vec::new(),
        ),
        Phase::Refused(refusal) => (refused(&refusal.text, theme, columns), Vec::new()),
        Phase::Ready(plan, gate) => (
            details(plan, gate, world, theme, columns),
            questions(state, gate, theme, columns),
        ),
    };
    let fixed = 3 + questions.len();
    let height = u16::try_from(details.len() + fixed + 1)
        .unwrap_or(u16::MAX)
        .min(body.height);
    let area = paint::centred(body, width, height);
    paint::wipe(buf, area);
    let role = common::frame_role(world, Some(&state.environment), true);
    let inner = paint::frame(
        buf,
        theme,
        area,
        role,
        Line::from(span(theme, Role::Strong, question(state))),
        Line::default(),
    );
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };

    let room = usize::from(inner.height)
        .saturating_sub(fixed - 2 + 1)
        .max(1);
    let most = details.len().saturating_sub(room);
    let scroll = state.scroll.min(most);
    for (row, line) in inner.rows().zip(details.iter().skip(scroll).take(room)) {
        paint::line(buf, row, line);
    }
    if most > 0 {
        let words = format!(
            "{} of {} lines, ↑↓ scroll",
            (scroll + room).min(details.len()),
            details.len()
        );
        let row = Rect {
            y: area.bottom().saturating_sub(1),
            x: area.x + 3,
            width: area.width.saturating_sub(6),
            height: 1,
        };
        paint::line(
            buf,
            row,
            &Line::from(span(theme, Role::Dim, format!(" {words} "))),
        );
    }
    let bottom = inner.bottom().saturating_sub(1);
    for (index, line) in questions.iter().enumerate() {
        let y = bottom.saturating_sub(u16::try_from(questions.len() - index).unwrap_or(0));
        paint::line(
            buf,
            Rect {
                y,
                height: 1,
                ..inner
            },
            line,
        );
    }
    let hits = buttons(
        state,
        theme,
        Rect {
            y: bottom,
            height: 1,
            ..inner
        },
        buf,
    );
    let keys: Keys = match &state.phase {
        Phase::Ready(..) if !state.is_refused() => &[
            ("tab", "next"),
            ("⏎", "press what is marked"),
            ("↑↓", "scroll"),
            ("esc", "cancel"),
        ],
        Phase::Ready(..) | Phase::Refused(_) => {
            &[("r", "plan again"), ("↑↓", "scroll"), ("esc", "close")]
        }
        Phase::Planning | Phase::Sending(_) => {
            &[("⏎", "close"), ("↑↓", "scroll"), ("esc", "close")]
        }
    };
    (hits, keys)
}

fn question(state: &ConfirmState) -> String {
    let name = &state.environment;
    match &state.action {
        Action::Deploy { .. } => format!("Deploy to {name}?"),
        Action::Rollback { .. } => match &state.phase {
            Phase::Ready(plan, _) if matches!(plan.prepared.change, Change::StopRollout { .. }) => {
                format!("Stop the rollout in {name} and go back?")
            }
            _ => format!("Roll back {name}?"),
        },
        Action::Promote { from } => format!("Promote {from} to {name}?"),
        Action::Restart => format!("Restart every task of {name}?"),
        Action::Scale { desired } => format!(
            "Scale {name} to {desired} task{}?",
            if *desired == 1 { "" } else { "s" }
        ),
        Action::StopInstance { instance } => format!("Stop task {} in {name}?", instance.short()),
    }
}

fn verb(action: &Action) -> &'static str {
    match action {
        Action::Deploy { .. } => "Deploy",
        Action::Rollback { .. } => "Roll back",
        Action::Promote { .. } => "Promote",
        Action::Restart => "Restart",
        Action::Scale { .. } => "Scale",
        Action::StopInstance { .. } => "Stop task",
    }
}

fn refused(why: &str, theme: &Theme, columns: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::from(span(
        theme,
        Role::Bad,
        "✖ not possible; nothing was changed",
    ))];
    lines.extend(
        text::wrap(&text::clean(why), columns)
            .into_iter()
            .map(|part| Line::from(span(theme, Role::Text, part))),
    );
    lines
}

const LABEL: usize = 6;

/// `label` and `words`, wrapped under each other.
fn labelled(
    theme: &Theme,
    label: &str,
    label_role: Role,
    role: Role,
    words: &str,
    columns: usize,
) -> Vec<Line<'static>> {
    text::wrap(&text::clean(words), columns.saturating_sub(LABEL))
        .into_iter()
        .enumerate()
        .map(|(index, part)| {
            let label = if index == 0 { label } else { "" };
            Line::from(vec![
                span(theme, label_role, format!("{label:<LABEL$}")),
                span(theme, role, part),
            ])
        })
        .collect()
}

fn details(
    plan: &Plan,
    gate: &Gate,
    world: &World,
    theme: &Theme,
    columns: usize,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut add = |label: &str, label_role, role, words: &str| {
        lines.extend(labelled(theme, label, label_role, role, words, columns))
    };
    match gate {
        Gate::Refused { why, remedy } => add(
            "✖",
            Role::Bad,
            Role::Bad,
            &format!("refused: {why}. {remedy}"),
        ),
        Gate::BreakGlass { why, .. } => add(
            "!",
            Role::Bad,
            Role::Warn,
            &format!("{why}. Only a reason, written down for everyone, passes"),
        ),
        Gate::Confirm | Gate::TypeName => {}
    }
    // The gate has said one of them already.
    let said =
        |blocker: &Blocker| matches!(gate, Gate::Refused { why, .. } if *why == blocker.what);
    for blocker in plan.prepared.blockers.iter().filter(|each| !said(each)) {
        add(
            "✖",
            Role::Bad,
            Role::Bad,
            &format!("{}. {}", blocker.what, blocker.remedy),
        );
    }
    let same = matches!(
        plan.prepared.change,
        Change::Restart | Change::Scale { .. } | Change::StopInstance { .. }
    );
    if let Some(from) = &plan.from {
        lines.push(side_line(
            if same { "now" } else { "from" },
            from,
            world,
            theme,
        ));
        lines.extend(labelled(
            theme,
            "",
            Role::Dim,
            Role::Dim,
            &from.fared,
            columns,
        ));
    }
    if let Some(to) = plan.to.as_ref().filter(|_| !same) {
        lines.push(side_line("to", to, world, theme));
        lines.extend(labelled(
            theme,
            "",
            Role::Dim,
            Role::Good,
            &to.fared,
            columns,
        ));
    }
    let mut add = |label: &str, label_role, role, words: &str| {
        lines.extend(labelled(theme, label, label_role, role, words, columns))
    };
    if !plan.because.is_empty() {
        add("why", Role::Dim, Role::Text, &plan.because);
    }
    for (release, why) in &plan.passed_over {
        add("not", Role::Dim, Role::Warn, &format!("{release}: {why}"));
    }
    if let Some(cost) = &plan.cost {
        let delta = cost.after.usd - cost.before.usd;
        let sign = if delta.0 >= 0.0 { "+" } else { "" };
        let at_least = if cost.after.at_least || cost.before.at_least {
            ", not everything has a price"
        } else {
            ""
        };
        let overlap = cost
            .overlap
            .map(|amount| format!("; about {amount} while both run"))
            .unwrap_or_default();
        add(
            "cost",
            Role::Dim,
            Role::Text,
            &format!(
                "{sign}{delta}/month, {} → {}{overlap}{at_least}",
                cost.before, cost.after
            ),
        );
    }
    for warning in &plan.prepared.warnings {
        add("note", Role::Warn, Role::Warn, warning);
    }
    let diff = &plan.prepared.diff.lines;
    if diff.is_empty() {
        if !same && !plan.is_noop() {
            add("diff", Role::Dim, Role::Dim, "none");
        }
    } else {
        add(
            "diff",
            Role::Dim,
            Role::Text,
            &format!(
                "{} field{} of the definition",
                diff.len(),
                if diff.len() == 1 { "" } else { "s" }
            ),
        );
        for line in diff {
            lines.extend(labelled(
                theme,
                "",
                Role::Dim,
                Role::Text,
                &line.path,
                columns,
            ));
            if let Some(from) = &line.from {
                lines.extend(labelled(
                    theme,
                    "    -",
                    Role::Bad,
                    Role::Dim,
                    from,
                    columns,
                ));
            }
            if let Some(to) = &line.to {
                lines.extend(labelled(
                    theme,
                    "    +",
                    Role::Good,
                    Role::Text,
                    to,
                    columns,
                ));
            }
        }
    }
    lines
}

fn side_line(label: &str, side: &PlanSide, world: &World, theme: &Theme) -> Line<'static> {
    let deployed = &side.deployed;
    let mut line = Line::from(vec![
        span(theme, Role::Dim, format!("{label:<LABEL$}")),
        span(theme, Role::Strong, deployed.name()),
    ]);
    if let Some(digest) = &deployed.digest {
        line.push_span(span(theme, Role::Dim, format!("  {}…", digest.short())));
    }
    if !deployed.revision.short().is_empty() {
        line.push_span(span(
            theme,
            Role::Dim,
            format!("  {}", deployed.revision.short()),
        ));
    }
    if let Some(at) = deployed.deployed_at {
        let who = deployed
            .author
            .as_ref()
            .map(|author| format!(" by {}", author.name))
            .unwrap_or_default();
        line.push_span(span(
            theme,
            Role::Text,
            format!(
                "  deployed {}{who}",
                text::moment(at, world.now, &world.zone)
            ),
        ));
    }
    line
}

fn questions(
    state: &ConfirmState,
    gate: &Gate,
    theme: &Theme,
    columns: usize,
) -> Vec<Line<'static>> {
    let ask = |label: String, input: &tui_input::Input, focus: Focus| {
        let marked = state.focus == focus;
        let mut line = Line::from(span(
            theme,
            if marked { Role::Strong } else { Role::Text },
            &label,
        ));
        let cursor = marked.then(|| input.visual_cursor());
        line.extend(input::line(
            theme,
            input.value(),
            cursor,
            columns.saturating_sub(text::width(&label)),
        ));
        if !marked && input.value().is_empty() {
            line.push_span(span(theme, Role::Dim, "▏"));
        }
        line
    };
    let mut lines = Vec::new();
    let (reason, name) = match gate {
        Gate::BreakGlass { type_name, .. } => (true, *type_name),
        Gate::TypeName => (false, true),
        Gate::Confirm | Gate::Refused { .. } => (false, false),
    };
    if reason {
        lines.push(ask(
            "Why the glass must be broken: ".into(),
            &state.reason,
            Focus::Reason,
        ));
    }
    if name {
        lines.push(ask(
            format!("Type {} to confirm: ", state.environment),
            &state.name,
            Focus::Name,
        ));
    }
    lines
}

fn buttons(state: &ConfirmState, theme: &Theme, row: Rect, buf: &mut Buffer) -> Hits {
    let parts = state.parts();
    let close = if parts.contains(&Focus::Go) || matches!(state.phase, Phase::Planning) {
        " Cancel "
    } else {
        " Close "
    };
    let mut labels = vec![(Focus::Cancel, close.to_owned())];
    if parts.contains(&Focus::Go) {
        labels.push((Focus::Go, format!(" {} ", verb(&state.action))));
    }
    let total: usize = labels.iter().map(|(_, label)| text::width(label) + 4).sum();
    let mut x = row
        .right()
        .saturating_sub(u16::try_from(total).unwrap_or(0))
        .max(row.x);
    let mut hits = Hits::default();
    for (index, (focus, label)) in labels.into_iter().enumerate() {
        let is_ready = focus == Focus::Cancel || state.missing().is_none();
        let role = match (state.focus == focus, is_ready) {
            (true, _) => Role::FocusedButton,
            (false, true) => Role::Text,
            (false, false) => Role::Dim,
        };
        // The brackets mark the focus without colour.
        let shown = if state.focus == focus {
            format!("[{label}]")
        } else {
            format!(" {label} ")
        };
        let width = u16::try_from(text::width(&shown))
            .unwrap_or(0)
            .min(row.right().saturating_sub(x));
        let cell = Rect { x, width, ..row };
        paint::line(
            buf,
            cell,
            &Line::from(vec![Span::styled(shown, theme.style(role))]),
        );
        hits.add(cell, Target::Button(index));
        x = (x + width + 2).min(row.right());
    }
    if let Some(missing) = state.missing() {
        let left = Rect {
            width: row.width.saturating_sub(u16::try_from(total).unwrap_or(0)),
            ..row
        };
        paint::line(buf, left, &Line::from(span(theme, Role::Dim, missing)));
    }
    hits
}
