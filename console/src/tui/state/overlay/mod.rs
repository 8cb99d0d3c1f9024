//! What lies over a screen: dialogs, pickers, the palette, the help. One at a time; it gets every
//! key first.

pub mod confirm;
pub mod help;
pub mod last_logs;
pub mod messages;
pub mod palette;
pub mod picker;
pub mod scale;
pub mod text;

use super::{Pointer, World};
use crate::tui::{
    command::{Command, KeyMap},
    effect::Effect,
    message::Message,
};
use crossterm::event::KeyEvent;

/// What an overlay did with an event.
#[derive(Debug)]
pub enum Outcome {
    /// It stays; these are the effects.
    Stay(Vec<Effect>),
    /// It leaves; these are the effects.
    Close(Vec<Effect>),
    /// It leaves, and a command is to be run on the screen below, with its argument.
    Run(Command, Option<String>),
}

impl Outcome {
    /// It stays, and nothing is to be done.
    pub fn stay() -> Self {
        Self::Stay(Vec::new())
    }

    /// It leaves, and nothing is to be done.
    pub fn close() -> Self {
        Self::Close(Vec::new())
    }
}

/// What every overlay is to the app.
pub trait OverlayState {
    /// Every key but Ctrl-C.
    fn key(&mut self, key: KeyEvent, world: &World, keys: &KeyMap) -> Outcome;

    /// Pasted text.
    fn paste(&mut self, _text: &str, _world: &World) {}

    /// The pointer; a click beside the overlay does not come here.
    fn mouse(&mut self, _pointer: Pointer, _world: &World) -> Outcome {
        Outcome::stay()
    }

    /// News.
    fn message(&mut self, _message: &Message, _world: &World) -> Outcome {
        Outcome::stay()
    }
}

/// Every overlay.
#[derive(Debug)]
pub enum Overlay {
    /// A change, to be confirmed.
    Confirm(Box<confirm::ConfirmState>),
    /// A release or a source environment, to be chosen.
    Picker(picker::PickerState),
    /// A number of tasks.
    Scale(scale::ScaleState),
    /// A command being typed.
    Palette(palette::PaletteState),
    /// Keys and commands.
    Help(help::HelpState),
    /// What the program said.
    Messages(messages::MessagesState),
    /// A text.
    Text(text::TextState),
    /// The last log lines of a task that stopped.
    LastLogs(last_logs::LastLogsState),
}

impl Overlay {
    /// Its state, whichever it is.
    pub fn state_mut(&mut self) -> &mut dyn OverlayState {
        match self {
            Self::Confirm(state) => state.as_mut(),
            Self::Picker(state) => state,
            Self::Scale(state) => state,
            Self::Palette(state) => state,
            Self::Help(state) => state,
            Self::Messages(state) => state,
            Self::Text(state) => state,
            Self::LastLogs(state) => state,
        }
    }
}
