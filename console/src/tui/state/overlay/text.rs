//! A text over the screen, to be scrolled and copied.

use super::{Outcome, OverlayState};
use crate::tui::{
    chord::Chord,
    command::{Command, KeyMap, Place},
    effect::Effect,
    state::{Pointer, World},
};
use crossterm::event::{KeyCode, KeyEvent};

/// The text and how far it is scrolled.
#[derive(Clone, Debug)]
pub struct TextState {
    /// What it is.
    pub title: String,
    /// Its lines.
    pub lines: Vec<String>,
    /// The first line shown.
    pub scroll: usize,
}

impl TextState {
    /// Shown from its first line.
    pub fn new(title: String, text: &str) -> Self {
        Self {
            title,
            lines: text.lines().map(str::to_owned).collect(),
            scroll: 0,
        }
    }
}

/// Moves `scroll` by a key as lists do; `None` when the key does not scroll.
pub fn scrolled(
    scroll: usize,
    key: KeyEvent,
    keys: &KeyMap,
    count: usize,
    page: usize,
) -> Option<usize> {
    let last = count.saturating_sub(1);
    Some(match keys.command(Place::Environments, Chord::from(key))? {
        Command::Up => scroll.saturating_sub(1),
        Command::Down => (scroll + 1).min(last),
        Command::PageUp => scroll.saturating_sub(page),
        Command::PageDown => (scroll + page).min(last),
        Command::Top => 0,
        Command::Bottom => last,
        _ => return None,
    })
}

impl OverlayState for TextState {
    fn key(&mut self, key: KeyEvent, world: &World, keys: &KeyMap) -> Outcome {
        if let Some(to) = scrolled(self.scroll, key, keys, self.lines.len(), world.page_rows()) {
            self.scroll = to;
            return Outcome::stay();
        }
        match key.code {
            KeyCode::Char('c' | 'y') => Outcome::Stay(vec![Effect::Copy {
                text: self.lines.join("\n"),
                what: self.title.clone(),
            }]),
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'd') => Outcome::close(),
            _ => Outcome::stay(),
        }
    }

    fn mouse(&mut self, pointer: Pointer, _world: &World) -> Outcome {
        if let Pointer::Wheel(lines) = pointer {
            let last = self.lines.len().saturating_sub(1);
            let by = usize::try_from(lines.unsigned_abs()).unwrap_or(0);
            self.scroll = if lines < 0 {
                self.scroll.saturating_sub(by)
            } else {
                (self.scroll + by).min(last)
            };
        }
        Outcome::stay()
    }
}
