//! Drawing: every function here takes a state and an area, and does no I/O.

pub mod cost;
pub mod environments;
pub mod history;
pub mod logs;
pub mod releases;
pub mod rollout;
pub mod service;

use super::{
    state::{Screen, World},
    theme::Theme,
    widgets::paint::Hits,
};
use ratatui::{buffer::Buffer, layout::Rect};

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
