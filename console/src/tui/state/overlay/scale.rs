//! How many tasks are wanted, asked for as a number.

use super::{Outcome, OverlayState};
use crate::{
    model::{Action, EnvironmentName},
    tui::{command::KeyMap, effect::Effect, state::World},
};
use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::{Input, backend::crossterm::EventHandler};

/// ECS takes no more tasks for one service unless the quota is raised (AWS Fargate and ECS
/// service quotas: 5,000 tasks per service).
const MOST: u32 = 5_000;

/// The number as typed.
#[derive(Debug)]
pub struct ScaleState {
    /// Where.
    pub environment: EnvironmentName,
    /// Wanted now.
    pub now: Option<u32>,
    /// What is typed.
    pub input: Input,
    /// Why it is no number that can be.
    pub error: Option<String>,
}

impl ScaleState {
    /// Starts from what is wanted now.
    pub fn new(environment: EnvironmentName, now: Option<u32>) -> Self {
        let input = Input::new(now.map(|now| now.to_string()).unwrap_or_default());
        Self {
            environment,
            now,
            input,
            error: None,
        }
    }
}

/// A number of tasks from what was typed.
///
/// # Errors
/// The text to show when it is none.
pub fn tasks(text: &str) -> Result<u32, String> {
    match text.trim().parse::<u32>() {
        Ok(count) if count <= MOST => Ok(count),
        _ => Err(format!(
            "{:?} is not a number of tasks; write one from 0 to {MOST}",
            text.trim()
        )),
    }
}

impl OverlayState for ScaleState {
    fn key(&mut self, key: KeyEvent, _world: &World, _keys: &KeyMap) -> Outcome {
        let step = |by: i64| {
            let from = i64::from(tasks(self.input.value()).ok().or(self.now).unwrap_or(0));
            Input::new((from + by).clamp(0, i64::from(MOST)).to_string())
        };
        match key.code {
            KeyCode::Esc => return Outcome::close(),
            KeyCode::Up | KeyCode::Char('+' | 'k') => self.input = step(1),
            KeyCode::Down | KeyCode::Char('-' | 'j') => self.input = step(-1),
            KeyCode::Enter => match tasks(self.input.value()) {
                Ok(desired) => {
                    return Outcome::Close(vec![Effect::Propose(
                        self.environment.clone(),
                        Action::Scale { desired },
                    )]);
                }
                Err(error) => self.error = Some(error),
            },
            _ => {
                self.input.handle_event(&Event::Key(key));
                self.error = None;
            }
        }
        Outcome::stay()
    }
}
