//! Pictures of the screens, drawn by the program itself from a made-up world.

pub mod scenes;

use super::{
    state::{Screen, World},
    theme::Theme,
    view,
};
use ratatui::{buffer::Buffer, layout::Rect};

/// A screen in a buffer of that size.
pub fn draw(screen: &Screen, world: &World, theme: &Theme, columns: u16, rows: u16) -> Buffer {
    let area = Rect::new(0, 0, columns, rows);
    let mut buffer = Buffer::empty(area);
    view::screen(screen, world, theme, area, &mut buffer);
    buffer
}

/// A buffer as lines of text, without what is blank at their ends.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol))
                .unwrap_or(1)
                .max(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
