//! The line at the foot of the Logs screen in which a search, a filter or a window is typed.

use super::{LogsState, Span};
use crate::{
    logs::{Filter, Pattern, PatternKind, SeekDirection, parse_window},
    tui::{effect::Effect, state::World},
};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, backend::crossterm::EventHandler};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// `/`
    Search,
    /// `f`
    Filter,
    /// `a`
    Window,
}

/// What is being typed.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What for.
    pub asking: Asking,
    /// The text so far.
    pub input: Input,
    /// The text is a regular expression (Ctrl-R).
    pub regex: bool,
    /// The text is what was asked before: the first letter typed takes its place.
    pub recalled: bool,
    /// Why it cannot be taken.
    pub error: Option<String>,
    /// The search when the prompt was opened: Esc goes back to it.
    before: Option<Pattern>,
}

impl LogsState {
    /// Opens the prompt with what was asked before, or takes the palette's argument at once.
    pub(super) fn ask(
        &mut self,
        asking: Asking,
        argument: Option<&str>,
        world: &World,
    ) -> Vec<Effect> {
        let before = self.view.search().cloned();
        let text = match asking {
            Asking::Search => before
                .as_ref()
                .map_or_else(String::new, |pattern| pattern.text().to_owned()),
            Asking::Filter => self.view.filter().to_string(),
            Asking::Window => String::new(),
        };
        let prompt = Prompt {
            asking,
            regex: match (asking, &before) {
                (Asking::Search, Some(pattern)) => pattern.kind() == PatternKind::Regex,
                (Asking::Search, None) => false,
                _ => true,
            },
            recalled: !text.is_empty(),
            input: Input::new(argument.map_or(text, str::to_owned)),
            error: None,
            before,
        };
        match argument {
            Some(_) => self.submit(prompt, world),
            None => {
                self.prompt = Some(Box::new(prompt));
                Vec::new()
            }
        }
    }

    pub(super) fn type_key(
        &mut self,
        mut prompt: Prompt,
        key: KeyEvent,
        world: &World,
    ) -> Vec<Effect> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return self.submit(prompt, world),
            KeyCode::Esc => return self.cancel(prompt),
            KeyCode::Char('c') if control => return self.cancel(prompt),
            KeyCode::Char('r') if control && prompt.asking != Asking::Window => {
                prompt.regex = !prompt.regex;
            }
            KeyCode::Char(_) if prompt.recalled && !control => {
                prompt.input.reset();
                prompt.input.handle_event(&Event::Key(key));
            }
            _ => {
                prompt.input.handle_event(&Event::Key(key));
            }
        }
        prompt.recalled = false;
        self.typed(prompt)
    }

    pub(super) fn type_text(&mut self, mut prompt: Prompt, text: &str) -> Vec<Effect> {
        if std::mem::take(&mut prompt.recalled) {
            prompt.input.reset();
        }
        for character in text.chars().filter(|c| !c.is_control()) {
            prompt
                .input
                .handle(tui_input::InputRequest::InsertChar(character));
        }
        self.typed(prompt)
    }

    /// Searches while the text is typed, and says at once what is wrong with it.
    fn typed(&mut self, mut prompt: Prompt) -> Vec<Effect> {
        let text = prompt.input.value();
        prompt.error = None;
        let mut effects = Vec::new();
        match prompt.asking {
            Asking::Search => match pattern(text, prompt.regex) {
                Ok(search) => {
                    self.view.set_search(search);
                    effects = self.work();
                }
                Err(error) => prompt.error = Some(error),
            },
            Asking::Filter => {
                prompt.error = filter(text, prompt.regex).err();
            }
            Asking::Window => {}
        }
        self.prompt = Some(Box::new(prompt));
        effects
    }

    fn cancel(&mut self, prompt: Prompt) -> Vec<Effect> {
        if prompt.asking == Asking::Search {
            self.view.set_search(prompt.before);
            return self.work();
        }
        Vec::new()
    }

    fn submit(&mut self, mut prompt: Prompt, world: &World) -> Vec<Effect> {
        let text = prompt.input.value().trim().to_owned();
        let taken = match prompt.asking {
            Asking::Search => pattern(&text, prompt.regex).map(|search| self.search_for(search)),
            Asking::Filter => {
                filter(&text, prompt.regex).map(|filter| {
                    // The level has a key of its own; it stays unless the text names another.
                    let level = filter.level.or(self.view.filter().level);
                    let level = if text.is_empty() { None } else { level };
                    self.set_filter(Filter { level, ..filter })
                })
            }
            Asking::Window => parse_window(&text, world.now, &world.zone)
                .map(|window| self.read(Span::Window(window), world))
                .map_err(|error| error.to_string()),
        };
        match taken {
            Ok(effects) => effects,
            Err(error) => {
                prompt.error = Some(error);
                self.prompt = Some(Box::new(prompt));
                Vec::new()
            }
        }
    }

    /// Searches, and stands on the match that is nearest above the cursor.
    fn search_for(&mut self, search: Option<Pattern>) -> Vec<Effect> {
        let is_none = search.is_none();
        self.find.nowhere = None;
        self.view.set_search(search);
        let mut effects = self.work();
        if is_none {
            return effects;
        }
        let is_on_match = self.current_line().is_some_and(|held| {
            self.view
                .search()
                .is_some_and(|pattern| pattern.is_match(held.text))
        });
        match self.current_line().map(|held| held.id) {
            Some(id) if is_on_match => self.stand_on(super::Spot::line(id)),
            _ => effects.extend(self.seek_match(SeekDirection::Backward)),
        }
        effects
    }
}

fn pattern(text: &str, regex: bool) -> Result<Option<Pattern>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let kind = if regex {
        PatternKind::Regex
    } else {
        PatternKind::Literal
    };
    Pattern::new(text, kind)
        .map(Some)
        .map_err(|error| error.to_string())
}

fn filter(text: &str, regex: bool) -> Result<Filter, String> {
    if regex {
        text.parse::<Filter>().map_err(|error| error.to_string())
    } else {
        Filter::literal(text).map_err(|error| error.to_string())
    }
}
