//! Drawing: every function here takes a state and an area, and does no I/O.

pub mod common;
pub mod cost;
pub mod environments;
pub mod frame;
pub mod history;
pub mod logs;
pub mod overlay;
pub mod releases;
pub mod rollout;
pub mod service;
mod upkeep;

use super::{
    state::{AppState, Screen, World},
    theme::{Role, Theme},
    widgets::paint::{self, Hits},
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

/// Less than this is too small to be of use.
pub const LEAST: (u16, u16) = (50, 12);

/// Draws everything, and tells where things to click are.
pub fn app(state: &AppState, theme: &Theme, area: Rect, buf: &mut Buffer) -> Hits {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(theme, area, buf);
        return Hits::default();
    }
    let world = &state.world;
    if state.screen().state().is_full_screen() && state.overlay().is_none() {
        return screen(state.screen(), world, theme, area, buf);
    }
    let runs = u16::from(world.runs.iter().any(|run| !run.dismissed));
    let notice = frame::notice_height(state, area.width);
    let [header, running, body, said, hints] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(runs),
        Constraint::Min(1),
        Constraint::Length(notice),
        Constraint::Length(1),
    ])
    .areas(area);
    let mut hits = Hits::default();
    frame::header(state, theme, header, buf);
    hits.extend(frame::runs(world, theme, running, buf));
    hits.extend(screen(state.screen(), world, theme, body, buf));
    frame::notice(state, theme, said, buf);
    match state.overlay() {
        None => hits.extend(frame::hints(state, theme, hints, buf)),
        Some(over) => {
            // A dialog takes all clicks; what lies below is only looked at.
            hits.clear();
            hits.extend(overlay::draw(over, world, theme, body, hints, buf));
        }
    }
    hits
}

/// Draws a screen between header and hint bar, and tells where things to click are.
pub fn screen(screen: &Screen, world: &World, theme: &Theme, area: Rect, buf: &mut Buffer) -> Hits {
    match screen {
        Screen::Environments(state) => environments::draw(state, world, theme, area, buf),
        Screen::Service(state) => service::draw(state, world, theme, area, buf),
        Screen::Logs(state) => logs::draw(state, world, theme, area, buf),
        Screen::Releases(state) => releases::draw(state, world, theme, area, buf),
        Screen::Rollout(state) => rollout::draw(state, world, theme, area, buf),
        Screen::Cost(state) => cost::draw(state, world, theme, area, buf),
        Screen::History(state) => history::draw(state, world, theme, area, buf),
    }
}

fn too_small(theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (columns, rows) = LEAST;
    let lines = [
        Line::from(paint::span(theme, Role::Strong, "too small")),
        Line::from(format!(
            "{}×{}, needs {columns}×{rows}",
            area.width, area.height
        )),
    ];
    let top = area.height.saturating_sub(lines.len() as u16) / 2;
    let middle = Rect {
        y: area.y + top,
        height: area.height - top,
        ..area
    };
    paint::lines(buf, middle, &lines.map(Line::centered));
}
