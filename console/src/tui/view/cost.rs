//! The Cost screen, drawn: environments side by side, and the lines of one as bars.

use crate::{
    cost::{Estimate, EstimateLine, LineCost, Price, UnitPrice},
    tui::{
        state::{
            Target, World,
            cost::{Bill, CostState, ENVIRONMENTS, confidence_word, signed, today},
        },
        theme::{Role, Theme},
        widgets::{
            paint::{self, Hits, span},
            spark,
            table::{self, Column, Row},
            text,
        },
    },
};
use jiff::civil::Date;
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};

/// Below so many free rows the comparison with the environment before is left out.
const ROWS_FOR_COMPARISON: u16 = 5;
/// Columns of a bar.
const BAR_COLUMNS: usize = 14;

/// Draws the screen between header and hint bar.
pub fn draw(state: &CostState, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) -> Hits {
    let rows = u16::try_from(state.bills.len())
        .unwrap_or(1)
        .saturating_add(3);
    // The lines keep at least half of a low screen.
    let [top, bottom] = Layout::vertical([
        Constraint::Length(rows.min(area.height / 2)),
        Constraint::Min(0),
    ])
    .areas(area);
    let mut hits = environments(state, world, theme, top, buf);
    hits.extend(lines(state, world, theme, bottom, buf));
    hits
}

fn environments(
    state: &CostState,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let title = Line::from(span(theme, Role::Strong, "Cost a month, estimated"));
    let help = Line::from(span(theme, Role::Dim, "tab next environment"));
    let inner = paint::frame(buf, theme, area, Role::Frame, title, help);
    let most = state
        .bills
        .iter()
        .filter_map(|bill| bill.estimate.as_ref())
        .map(|estimate| estimate.max.0)
        .fold(0.0, f64::max);
    const COLUMNS: [Column; 6] = [
        table::left("ENV", 9),
        table::right("TOTAL", 9),
        table::right("MIN – MAX", 3),
        table::right("VS PREVIOUS", 6),
        table::left("", 2),
        table::left("", 5),
    ];
    let rows: Vec<Row> = state
        .bills
        .iter()
        .enumerate()
        .map(|(index, bill)| environment(state, world, theme, index, bill, most))
        .collect();
    table::draw(buf, theme, inner, &COLUMNS, &rows, state.selected())
}

fn environment(
    state: &CostState,
    world: &World,
    theme: &Theme,
    index: usize,
    bill: &Bill,
    most: f64,
) -> Row {
    let production = world
        .environment(&bill.environment)
        .is_some_and(|env| env.is_production());
    let name = span(
        theme,
        if production { Role::Bad } else { Role::Text },
        bill.environment.as_str(),
    );
    let cell = |role, text: String| Line::from(span(theme, role, text));
    let mut cells = vec![Line::from(name)];
    match &bill.estimate {
        Some(estimate) => {
            cells.push(cell(Role::Strong, estimate.total.to_string()));
            cells.push(cell(
                Role::Dim,
                if estimate.is_range() {
                    format!("{} – {}", estimate.min, estimate.max)
                } else {
                    String::new()
                },
            ));
            cells.push(match state.delta_to_previous(index) {
                Some(delta) => {
                    let sure = if delta.uncertain { " ?" } else { "" };
                    cell(Role::Text, format!("{}{sure}", signed(delta.change.0)))
                }
                None => Line::default(),
            });
            cells.push(bar(theme, share(estimate.total.usd.0, most)));
        }
        None => {
            cells.push(cell(Role::Dim, "–".to_owned()));
            cells.extend([Line::default(), Line::default(), Line::default()]);
        }
    }
    cells.push(remark(theme, bill, today(world)));
    Row::new(cells, Target::Pane(ENVIRONMENTS, index))
}

/// Why a bill is not there or not to be believed.
fn remark(theme: &Theme, bill: &Bill, today: Date) -> Line<'static> {
    if let Some(error) = &bill.failure {
        let old = if bill.estimate.is_some() { "old: " } else { "" };
        return Line::from(span(theme, Role::Bad, format!("▲ {old}{error}")));
    }
    let Some(estimate) = &bill.estimate else {
        return Line::from(span(theme, Role::Dim, "reading the bill…"));
    };
    let mut words = Vec::new();
    let unpriced = estimate
        .lines
        .iter()
        .filter(|line| line.cost == LineCost::NoPrice)
        .count();
    if unpriced > 0 {
        words.push(format!("{unpriced} without a price"));
    }
    match estimate.stale_lines(today) {
        0 => {}
        stale => words.push(format!("{stale} with an old price")),
    }
    let role = if words.is_empty() {
        Role::Dim
    } else {
        Role::Warn
    };
    Line::from(span(theme, role, words.join(", ")))
}

fn lines(state: &CostState, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) -> Hits {
    let Some(bill) = state.bill() else {
        return Hits::default();
    };
    let production = world
        .environment(&bill.environment)
        .is_some_and(|env| env.is_production());
    let role = if production {
        Role::Bad
    } else {
        Role::FocusedFrame
    };
    let title = Line::from(span(
        theme,
        Role::Strong,
        format!("{} · line by line", bill.environment),
    ));
    let Some(estimate) = &bill.estimate else {
        let inner = paint::frame(buf, theme, area, role, title, Line::default());
        return missing(theme, bill, inner, buf);
    };
    let total = Line::from(span(theme, Role::Strong, total_word(estimate)));
    let inner = paint::frame(buf, theme, area, role, title, total);
    let note = estimate.note.as_deref().unwrap_or("list prices");
    let note = format!(
        "{note} · {} · 730 hours a month · ⏎ where a price comes from",
        estimate.region
    );
    let [body, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(inner);
    let count = u16::try_from(estimate.lines.len()).unwrap_or(u16::MAX);
    // The head, the lines, and a blank row before the comparison.
    let [body, compared] = Layout::vertical([
        Constraint::Length(count.saturating_add(2)),
        Constraint::Min(0),
    ])
    .areas(body);
    if compared.height >= ROWS_FOR_COMPARISON {
        comparison(state, theme, compared, buf);
    }
    paint::line(buf, foot, &Line::from(span(theme, Role::Dim, note)));
    const COLUMNS: [Column; 7] = [
        table::left("WHAT", 9),
        table::right("$/MO", 9),
        table::left("", 4),
        table::left("QUANTITY × UNIT PRICE", 7),
        table::left("PRICE OF", 6),
        table::left("SURE", 3),
        table::left("SOURCE", 1),
    ];
    let most = estimate
        .lines
        .iter()
        .filter_map(|line| line.cost.typical())
        .map(|usd| usd.0)
        .fold(0.0, f64::max);
    let rows: Vec<Row> = estimate
        .lines
        .iter()
        .enumerate()
        .map(|(index, line)| row(theme, line, index, most, today(world)))
        .collect();
    table::draw(buf, theme, body, &COLUMNS, &rows, state.line())
}

/// What makes the environment dearer or cheaper than the one before it, kind by kind.
fn comparison(state: &CostState, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some((index, delta)) = state
        .selected()
        .and_then(|index| Some((index, state.delta_to_previous(index)?)))
    else {
        return;
    };
    let before = &state.bills[index - 1].environment;
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let title = format!(
        "{} costs {} a month against {before}{}",
        state.bills[index].environment,
        signed(delta.change.0),
        if delta.uncertain {
            ", and what has no price besides"
        } else {
            ""
        },
    );
    paint::line(buf, head, &Line::from(span(theme, Role::Strong, title)));
    const COLUMNS: [Column; 4] = [
        table::left("KIND", 9),
        table::right("BEFORE", 6),
        table::right("HERE", 6),
        table::right("CHANGE", 9),
    ];
    let amount = |usd: Option<crate::model::Usd>| {
        Line::from(span(
            theme,
            Role::Dim,
            usd.map_or_else(|| "–".to_owned(), |usd| usd.to_string()),
        ))
    };
    let rows: Vec<Row> = delta
        .lines
        .iter()
        .enumerate()
        .map(|(row, line)| {
            let change = match (line.before, line.after) {
                (None, None) => "no price".to_owned(),
                (before, after) => {
                    signed(after.unwrap_or_default().0 - before.unwrap_or_default().0)
                }
            };
            let cells = vec![
                Line::from(span(theme, Role::Text, &line.what)),
                amount(line.before),
                amount(line.after),
                Line::from(span(theme, Role::Text, change)),
            ];
            Row::new(cells, Target::Pane(ENVIRONMENTS, row))
        })
        .collect();
    // Nothing here can be clicked: it only compares.
    let _ = table::draw(buf, theme, body, &COLUMNS, &rows, None);
}

fn missing(theme: &Theme, bill: &Bill, area: Rect, buf: &mut Buffer) -> Hits {
    let (role, message) = match &bill.failure {
        Some(error) => (Role::Bad, format!("{error}. r asks again.")),
        None => (
            Role::Dim,
            "Reading what runs here and costs money…".to_owned(),
        ),
    };
    let wrapped = text::wrap(&message, usize::from(area.width).saturating_sub(2));
    let all: Vec<Line<'_>> = wrapped
        .iter()
        .map(|line| Line::from(span(theme, role, line)))
        .collect();
    paint::lines(buf, area, &all);
    Hits::default()
}

/// `≥$156.60 a month`, with the range where a price floats.
fn total_word(estimate: &Estimate) -> String {
    if estimate.is_range() {
        format!(
            "{} a month typically, {} to {}",
            estimate.total, estimate.min, estimate.max
        )
    } else {
        format!("{} a month", estimate.total)
    }
}

fn row(theme: &Theme, line: &EstimateLine, index: usize, most: f64, today: Date) -> Row {
    let cell = |role, text: String| Line::from(span(theme, role, text));
    let (amount, bar) = match line.cost {
        LineCost::NoPrice => (cell(Role::Warn, "no price".to_owned()), Line::default()),
        LineCost::Monthly { typical, .. } => (
            cell(Role::Text, typical.to_string()),
            bar(theme, share(typical.0, most)),
        ),
    };
    let cells = vec![
        cell(Role::Text, line.what.clone()),
        amount,
        bar,
        cell(Role::Dim, sum(line)),
        dated(theme, line.price.as_ref(), today),
        cell(
            Role::Dim,
            line.price.as_ref().map_or("", confidence_word).to_owned(),
        ),
        cell(
            Role::Dim,
            line.price
                .as_ref()
                .map_or_else(|| line.sku.clone(), |price| source(&price.source)),
        ),
    ];
    Row::new(cells, Target::Row(index))
}

/// The sum without its result, which has a column of its own.
fn sum(line: &EstimateLine) -> String {
    let (LineCost::Monthly { .. }, Some(price)) = (line.cost, &line.price) else {
        return format!("{} {} ({})", line.quantity, line.sku, line.basis);
    };
    match price.price {
        UnitPrice::Fixed(_) => line
            .formula
            .rsplit_once(" = ")
            .map_or(line.formula.clone(), |(sum, _)| sum.to_owned()),
        UnitPrice::Discount { .. } => line.formula.clone(),
    }
}

/// The first of a price's sources, short enough for a column; Enter shows all.
fn source(all: &str) -> String {
    const COLUMNS: usize = 44;
    let first = all.split(';').next().unwrap_or(all).trim();
    text::cut(first, COLUMNS).into_owned()
}

/// The date of a price, with the badge of an old one.
fn dated(theme: &Theme, price: Option<&Price>, today: Date) -> Line<'static> {
    let Some(price) = price else {
        return Line::default();
    };
    let role = if price.is_stale(today) {
        Role::Warn
    } else {
        Role::Dim
    };
    Line::from(span(theme, role, price.dated(today)))
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn bar(theme: &Theme, share: f64) -> Line<'static> {
    let (full, rest) = spark::bar(share, BAR_COLUMNS);
    Line::from(vec![
        Span::styled(full, theme.style(Role::Live)),
        Span::styled(rest, theme.style(Role::Frame)),
    ])
}
