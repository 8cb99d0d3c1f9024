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
    environment: Option<EnvironmentName>,
}

impl HistoryState {
    /// The audit of one environment, or of all.
    pub fn new(environment: Option<EnvironmentName>) -> Self {
        Self { environment }
    }
}

impl ScreenState for HistoryState {
    fn place(&self) -> Place {
        Place::History
    }

    fn environment<'a>(&'a self, _world: &'a World) -> Option<&'a EnvironmentName> {
        self.environment.as_ref()
    }

    fn open(&mut self, _world: &World) -> Vec<Effect> {
        Vec::new()
    }

    fn command(&mut self, _command: Command, _argument: Option<&str>, _world: &World) -> Handled {
        Handled::Ignored
    }
}
