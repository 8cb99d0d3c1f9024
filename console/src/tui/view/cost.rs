//! The Cost screen, drawn.

use crate::tui::{
    state::{World, cost::CostState},
    theme::{Role, Theme},
    widgets::paint::{self, Hits},
};
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

/// Draws the screen between header and hint bar.
pub fn draw(
    _state: &CostState,
    _world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    paint::frame(
        buf,
        theme,
        area,
        Role::FocusedFrame,
        Line::from("Cost"),
        Line::default(),
    );
    Hits::default()
}
