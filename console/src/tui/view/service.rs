//! The Service screen, drawn.

use crate::tui::{
    state::{World, service::ServiceState},
    theme::{Role, Theme},
    widgets::paint::{self, Hits},
};
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

/// Draws the screen between header and hint bar.
pub fn draw(
    _state: &ServiceState,
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
        Line::from("Service"),
        Line::default(),
    );
    Hits::default()
}
