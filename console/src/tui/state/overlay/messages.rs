//! The list of what the program said.

use super::{Outcome, OverlayState, text::scrolled};
use crate::tui::{
    command::KeyMap,
    state::{World, notices::Notices},
};
use crossterm::event::{KeyCode, KeyEvent};

/// A copy of the notices, to be read in peace.
#[derive(Debug)]
pub struct MessagesState {
    /// All, newest first.
    pub notices: Notices,
    /// The first one shown.
    pub scroll: usize,
}

impl OverlayState for MessagesState {
    fn key(&mut self, key: KeyEvent, world: &World, keys: &KeyMap) -> Outcome {
        if let Some(to) = scrolled(
            self.scroll,
            key,
            keys,
            self.notices.iter().len(),
            world.page_rows(),
        ) {
            self.scroll = to;
            return Outcome::stay();
        }
        match key.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'm') => Outcome::close(),
            _ => Outcome::stay(),
        }
    }
}
