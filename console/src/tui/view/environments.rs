//! The Environments screen, drawn.

use crate::tui::{
    state::{World, environments::EnvironmentsState},
    theme::{Role, Theme},
    widgets::paint::{self, Hits},
};
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

/// Draws the screen between header and hint bar.
pub fn draw(
    _state: &EnvironmentsState,
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
        Line::from("Environments"),
        Line::default(),
    );
    Hits::default()
}
