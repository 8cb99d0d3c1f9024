//! What lies over a screen, drawn.

mod confirm;
mod lists;

use crate::tui::{
    state::{World, overlay::Overlay},
    theme::{Role, Theme},
    widgets::paint::{self, Hits, span},
};
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

/// Draws an overlay over `body`, and its keys in the hint bar.
pub fn draw(
    over: &Overlay,
    world: &World,
    theme: &Theme,
    body: Rect,
    hint_bar: Rect,
    buf: &mut Buffer,
) -> Hits {
    let (hits, keys) = match over {
        Overlay::Confirm(state) => confirm::draw(state, world, theme, body, buf),
        Overlay::Picker(state) => lists::picker(state, world, theme, body, buf),
        Overlay::Scale(state) => lists::scale(state, world, theme, body, buf),
        Overlay::Palette(state) => lists::palette(state, world, theme, body, buf),
        Overlay::Help(state) => lists::help(state, world, theme, body, buf),
        Overlay::Messages(state) => lists::messages(state, world, theme, body, buf),
        Overlay::Text(state) => lists::text(state, theme, body, buf),
        Overlay::LastLogs(state) => lists::last_logs(state, world, theme, body, buf),
    };
    let mut line = Line::from(" ");
    for (key, word) in keys {
        line.push_span(span(theme, Role::Key, *key));
        line.push_span(span(theme, Role::Dim, format!(" {word}  ")));
    }
    paint::wipe(buf, hint_bar);
    paint::line(buf, hint_bar, &line);
    hits
}

/// Keys and what they do, for the hint bar.
type Keys = &'static [(&'static str, &'static str)];
