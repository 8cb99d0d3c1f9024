//! The last log lines of a task that stopped, with why it stopped.

use super::{Outcome, OverlayState, text::scrolled};
use crate::{
    model::{EnvironmentName, RawLogEvent, StoppedInstance},
    platform::PlatformError,
    tui::{
        command::{Command, KeyMap},
        effect::Effect,
        message::{Generation, Message},
        state::{Pointer, World},
    },
};
use crossterm::event::{KeyCode, KeyEvent};

/// Lines older than so many milliseconds before now are not asked for: ECS forgets a stopped
/// task after about an hour.
const BACK_MS: i64 = 70 * 60 * 1_000;

/// The task, and its lines once they are there.
#[derive(Debug)]
pub struct LastLogsState {
    /// Where.
    pub environment: EnvironmentName,
    /// Which task.
    pub task: StoppedInstance,
    /// Its lines, oldest first; `None` while they are on their way.
    pub lines: Option<Result<Vec<RawLogEvent>, PlatformError>>,
    /// Lines scrolled up from the newest.
    pub up: usize,
    generation: Generation,
}

impl LastLogsState {
    /// The overlay, and the question it asks.
    pub fn open(environment: EnvironmentName, task: StoppedInstance) -> (Self, Vec<Effect>) {
        let generation = Generation::next();
        let mut state = Self {
            environment: environment.clone(),
            task,
            lines: None,
            up: 0,
            generation,
        };
        let effects = match &state.task.log_stream {
            Some(stream) => vec![Effect::Tail {
                generation,
                environment,
                streams: vec![stream.clone()],
                back_ms: BACK_MS,
            }],
            None => {
                state.lines = Some(Ok(Vec::new()));
                Vec::new()
            }
        };
        (state, effects)
    }
}

impl OverlayState for LastLogsState {
    fn key(&mut self, key: KeyEvent, world: &World, keys: &KeyMap) -> Outcome {
        let lines = match &self.lines {
            Some(Ok(lines)) => lines.as_slice(),
            _ => &[],
        };
        let from_top = lines.len().saturating_sub(1).saturating_sub(self.up);
        if let Some(to) = scrolled(from_top, key, keys, lines.len(), world.page_rows()) {
            self.up = lines.len().saturating_sub(1).saturating_sub(to);
            return Outcome::stay();
        }
        match key.code {
            KeyCode::Char('l') => Outcome::Run(Command::Logs, Some(self.environment.to_string())),
            KeyCode::Char('c' | 'y') => Outcome::Stay(vec![Effect::Copy {
                text: lines
                    .iter()
                    .map(|line| line.message.as_str())
                    .collect::<Vec<_>>()
                    .join("\n"),
                what: format!("last logs of {}", self.task.id.short()),
            }]),
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'p') => Outcome::close(),
            _ => Outcome::stay(),
        }
    }

    fn mouse(&mut self, pointer: Pointer, _world: &World) -> Outcome {
        if let (Pointer::Wheel(lines), Some(Ok(all))) = (pointer, &self.lines) {
            let by = usize::try_from(lines.unsigned_abs()).unwrap_or(0);
            self.up = if lines < 0 {
                (self.up + by).min(all.len().saturating_sub(1))
            } else {
                self.up.saturating_sub(by)
            };
        }
        Outcome::stay()
    }

    fn message(&mut self, message: &Message, _world: &World) -> Outcome {
        if let Message::Tail(generation, result) = message
            && *generation == self.generation
        {
            self.lines = Some(result.clone());
        }
        Outcome::stay()
    }
}
