//! The Logs screen, drawn.

use crate::tui::{
    state::{World, logs::LogsState},
    theme::{Role, Theme},
    widgets::paint::{self, Hits},
};
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

/// Draws the screen between header and hint bar.
pub fn draw(
    _state: &LogsState,
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
        Line::from("Logs"),
        Line::default(),
    );
    Hits::default()
}
