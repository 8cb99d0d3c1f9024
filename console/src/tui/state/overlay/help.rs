//! The help over a screen: its keys first, then everybody's.

use super::{Outcome, OverlayState, text::scrolled};
use crate::tui::{
    command::{COMMANDS, CommandSpec, KeyMap, Kind, Place},
    state::{Pointer, World},
};
use crossterm::event::{KeyCode, KeyEvent};

/// Which screen's help, and how far it is scrolled.
#[derive(Debug)]
pub struct HelpState {
    /// The screen below.
    pub place: Place,
    /// The first line shown.
    pub scroll: usize,
}

impl HelpState {
    /// The commands that apply on the screen: what is special to it, what changes things, the rest.
    pub fn groups(&self) -> [(String, Vec<&'static CommandSpec>); 3] {
        let here = |spec: &&CommandSpec| spec.places.contains(self.place);
        let everywhere = |spec: &CommandSpec| {
            Place::ALL
                .into_iter()
                .filter(|place| spec.places.contains(*place))
                .count()
                >= 5
        };
        let of = |wanted: &dyn Fn(&CommandSpec) -> bool| -> Vec<&'static CommandSpec> {
            COMMANDS
                .iter()
                .filter(here)
                .filter(|spec| wanted(spec))
                .collect()
        };
        [
            (
                self.place.word().to_owned(),
                of(&|spec| spec.kind == Kind::Reads && !everywhere(spec)),
            ),
            (
                "Changes (each asks first)".to_owned(),
                of(&|spec| spec.kind == Kind::Mutates),
            ),
            (
                "Everywhere".to_owned(),
                of(&|spec| spec.kind == Kind::Reads && everywhere(spec)),
            ),
        ]
    }

    /// How many lines it has, titles included.
    pub fn line_count(&self) -> usize {
        self.groups()
            .iter()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(_, rows)| rows.len() + 2)
            .sum()
    }
}

impl OverlayState for HelpState {
    fn key(&mut self, key: KeyEvent, world: &World, keys: &KeyMap) -> Outcome {
        if let Some(to) = scrolled(self.scroll, key, keys, self.line_count(), world.page_rows()) {
            self.scroll = to;
            return Outcome::stay();
        }
        match key.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | '?') => Outcome::close(),
            _ => Outcome::stay(),
        }
    }

    fn mouse(&mut self, pointer: Pointer, _world: &World) -> Outcome {
        if let Pointer::Wheel(lines) = pointer {
            let by = usize::try_from(lines.unsigned_abs()).unwrap_or(0);
            self.scroll = if lines < 0 {
                self.scroll.saturating_sub(by)
            } else {
                (self.scroll + by).min(self.line_count())
            };
        }
        Outcome::stay()
    }
}
