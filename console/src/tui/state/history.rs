//! The History screen's state.

use super::{Handled, ScreenState, World};
use crate::{
    model::EnvironmentName,
    tui::{
        command::{Command, Place},
        effect::Effect,
    },
};

/// See the file's first line.
#[derive(Debug)]
pub struct HistoryState {
    environment: EnvironmentName,
}

impl HistoryState {
    /// The screen of one environment.
    pub fn new(environment: EnvironmentName) -> Self {
        Self { environment }
    }
}

impl ScreenState for HistoryState {
    fn place(&self) -> Place {
        Place::History
    }

    fn environment<'a>(&'a self, _world: &'a World) -> Option<&'a EnvironmentName> {
        Some(&self.environment)
    }

    fn open(&mut self, _world: &World) -> Vec<Effect> {
        Vec::new()
    }

    fn command(&mut self, _command: Command, _argument: Option<&str>, _world: &World) -> Handled {
        Handled::Ignored
    }
}
