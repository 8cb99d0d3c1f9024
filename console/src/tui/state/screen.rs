//! What every screen is to the app: the contract, and the list of screens.

use super::{
    cost::CostState, environments::EnvironmentsState, history::HistoryState, logs::LogsState,
    releases::ReleasesState, rollout::RolloutState, service::ServiceState, world::World,
};
use crate::{
    model::EnvironmentName,
    tui::{
        command::{Command, Place},
        effect::Effect,
        message::Message,
    },
};
use crossterm::event::KeyEvent;

/// Whether a screen took an event.
#[derive(Debug)]
pub enum Handled {
    /// It did; these are the effects.
    Consumed(Vec<Effect>),
    /// It did not: the next layer may.
    Ignored,
}

impl Handled {
    /// Taken, and nothing to do outside.
    pub fn done() -> Self {
        Self::Consumed(Vec::new())
    }

    /// Taken, with one effect.
    pub fn effect(effect: Effect) -> Self {
        Self::Consumed(vec![effect])
    }
}

/// What the pointer did, in the words of what is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// A click on something that the last frame named.
    Click(Target),
    /// The second click on the same thing within half a second.
    DoubleClick(Target),
    /// The wheel, in lines; negative is up.
    Wheel(i32),
}

/// A thing on the screen that a click can mean. A view returns where each one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A row of the table or list, counted as the state counts them.
    Row(usize),
    /// A part of the screen, and a row in it.
    Pane(usize, usize),
    /// A command, as if its key were pressed.
    Command(Command),
    /// A button, counted from the left.
    Button(usize),
    /// A moment, in seconds since the epoch: a click into a time line.
    Time(i64),
}

/// The state of one screen. Nothing in it waits, reads a clock, or knows ratatui: time and the
/// terminal's size are in the [`World`].
pub trait ScreenState {
    /// Which screen it is: says which commands apply.
    fn place(&self) -> Place;

    /// The environment it shows, for crumbs, for the frame, and for commands that need one.
    fn environment<'a>(&'a self, world: &'a World) -> Option<&'a EnvironmentName>;

    /// Effects wanted when it is put on top for the first time.
    fn open(&mut self, world: &World) -> Vec<Effect>;

    /// A key before it is looked up as a command: only for text that is being typed.
    fn key(&mut self, _key: KeyEvent, _world: &World) -> Handled {
        Handled::Ignored
    }

    /// Pasted text, while text is being typed.
    fn paste(&mut self, _text: &str, _world: &World) -> Handled {
        Handled::Ignored
    }

    /// A command that applies here, with the palette's argument. An ignored one goes to the app,
    /// which knows those that mean the same everywhere (other screens, changes, help).
    fn command(&mut self, command: Command, argument: Option<&str>, world: &World) -> Handled;

    /// The pointer.
    fn mouse(&mut self, _pointer: Pointer, _world: &World) -> Handled {
        Handled::Ignored
    }

    /// News; the world has taken its part already.
    fn message(&mut self, _message: &Message, _world: &World) -> Vec<Effect> {
        Vec::new()
    }

    /// Once a second, while it is on top.
    fn tick(&mut self, _world: &World) -> Vec<Effect> {
        Vec::new()
    }

    /// True when it wants the whole terminal: no header, no hint bar.
    fn is_full_screen(&self) -> bool {
        false
    }

    /// Effects wanted when it is dropped: ends its tails.
    fn close(&mut self) -> Vec<Effect> {
        Vec::new()
    }

    /// Whether the hint bar should offer a command now.
    fn offers(&self, _command: Command, _world: &World) -> bool {
        true
    }
}

/// Every screen.
#[derive(Debug)]
pub enum Screen {
    /// All environments.
    Environments(EnvironmentsState),
    /// One service.
    Service(ServiceState),
    /// Logs.
    Logs(LogsState),
    /// Images and deployments.
    Releases(ReleasesState),
    /// One run.
    Rollout(RolloutState),
    /// The bill.
    Cost(CostState),
    /// The audit.
    History(HistoryState),
}

impl Screen {
    /// Its state, whichever it is.
    pub fn state(&self) -> &dyn ScreenState {
        match self {
            Self::Environments(state) => state,
            Self::Service(state) => state,
            Self::Logs(state) => state,
            Self::Releases(state) => state,
            Self::Rollout(state) => state,
            Self::Cost(state) => state,
            Self::History(state) => state,
        }
    }

    /// Its state, to be changed.
    pub fn state_mut(&mut self) -> &mut dyn ScreenState {
        match self {
            Self::Environments(state) => state,
            Self::Service(state) => state,
            Self::Logs(state) => state,
            Self::Releases(state) => state,
            Self::Rollout(state) => state,
            Self::Cost(state) => state,
            Self::History(state) => state,
        }
    }
}
