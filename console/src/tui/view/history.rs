//! The History screen, drawn.

use crate::tui::{
    state::{World, history::HistoryState},
    theme::{Role, Theme},
    widgets::paint::{self, Hits},
};
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

/// Draws the screen between header and hint bar.
pub fn draw(
    _state: &HistoryState,
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
        Line::from("History"),
        Line::default(),
    );
    Hits::default()
}
