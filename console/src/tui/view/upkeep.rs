//! What keeps the number of tasks, drawn: the autoscaler and the disruption budget.

use crate::{
    model::{Autoscaler, DisruptionBudget, Service},
    tui::{
        theme::{Role, Theme},
        widgets::{paint::span, text},
    },
};
use ratatui::text::Line;

/// An explanation takes at most so many rows: the tasks below it matter more.
const ROWS_MAX: usize = 2;

/// A line for each that there is, and why it cannot do its work.
pub fn lines(service: &Service, theme: &Theme, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(autoscaler) = &service.autoscaler {
        lines.extend(scaling(autoscaler, theme, columns));
    }
    if let Some(budget) = &service.budget {
        lines.extend(disruption(budget, theme, columns));
    }
    lines
}

fn scaling(of: &Autoscaler, theme: &Theme, columns: usize) -> Vec<Line<'static>> {
    let mut line = Line::from(vec![
        span(theme, Role::Dim, "scales  "),
        span(
            theme,
            Role::Text,
            format!("between {} and {} tasks", of.min, of.max),
        ),
    ]);
    match (of.current, of.desired) {
        (Some(current), Some(desired)) if current != desired => line.push_span(span(
            theme,
            Role::Live,
            format!(", {current} now and {desired} wanted"),
        )),
        (Some(current), _) => line.push_span(span(theme, Role::Text, format!(", {current} now"))),
        (None, _) => line.push_span(span(theme, Role::Dim, ", not counted yet")),
    }
    if !of.measures.is_empty() {
        let measures = format!("  {}", of.measures.join(", "));
        line.push_span(span(theme, Role::Text, text::clean(&measures)));
    }
    let mut lines = vec![line];
    if let Some(trouble) = &of.trouble {
        let words = format!("▲ cannot scale: {trouble}");
        lines.extend(told(&words, Role::Bad, theme, columns));
    }
    if let Some(limit) = &of.limit {
        let words = format!("▲ scales no further: {limit}");
        lines.extend(told(&words, Role::Warn, theme, columns));
    }
    lines
}

fn disruption(of: &DisruptionBudget, theme: &Theme, columns: usize) -> Vec<Line<'static>> {
    let (role, allowed) = match of.allowed {
        0 => (Role::Warn, "▲ no task may be taken away now".to_owned()),
        1 => (Role::Text, "1 task may be taken away now".to_owned()),
        more => (Role::Text, format!("{more} tasks may be taken away now")),
    };
    let healthy = format!(
        "  {} healthy, {} must stay ({})",
        of.healthy, of.needed, of.rule
    );
    let mut lines = vec![Line::from(vec![
        span(theme, Role::Dim, "budget  "),
        span(theme, role, allowed),
        span(theme, Role::Dim, text::clean(&healthy)),
    ])];
    if let Some(trouble) = &of.trouble {
        let words = format!("▲ the budget cannot be counted: {trouble}");
        lines.extend(told(&words, Role::Bad, theme, columns));
    }
    lines
}

fn told(words: &str, role: Role, theme: &Theme, columns: usize) -> Vec<Line<'static>> {
    text::wrap(&text::clean(words), columns)
        .into_iter()
        .take(ROWS_MAX)
        .map(|part| Line::from(span(theme, role, part)))
        .collect()
}
