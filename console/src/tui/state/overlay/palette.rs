//! The palette: every command and every environment, found by typing.

use super::{Outcome, OverlayState};
use crate::tui::{
    command::{COMMANDS, Command, CommandSpec, KeyMap, Place, nearest},
    effect::{Effect, Level},
    state::{Pointer, Target, World, cursor::Cursor, fuzzy},
};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, backend::crossterm::EventHandler};

/// What is typed and what of it is selected.
#[derive(Debug)]
pub struct PaletteState {
    /// The screen below: says which commands apply.
    pub place: Place,
    /// What is typed.
    pub input: Input,
    /// The selected one of [`entries`](Self::entries).
    pub cursor: Cursor,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What to type.
    pub name: String,
    /// What it does.
    pub doc: String,
    /// The argument it takes, for people.
    pub argument: &'static str,
    /// What runs.
    pub command: Command,
    /// With that argument, when it is fixed: an environment.
    pub fixed: Option<String>,
}

impl PaletteState {
    /// Nothing typed yet.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            input: Input::default(),
            cursor: Cursor::default(),
        }
    }

    fn all(&self, world: &World) -> Vec<Entry> {
        let commands = COMMANDS
            .iter()
            .filter(|spec| spec.places.contains(self.place))
            .map(|spec| Entry {
                name: spec.name.to_owned(),
                doc: spec.doc.to_owned(),
                argument: spec.argument,
                command: spec.id,
                fixed: None,
            });
        let environments = world.environments.iter().map(|env| Entry {
            name: env.name().to_string(),
            doc: format!("The service of {}", env.name()),
            argument: "",
            command: Command::Service,
            fixed: Some(env.name().to_string()),
        });
        environments.chain(commands).collect()
    }

    /// What matches, best first.
    pub fn entries(&self, world: &World) -> Vec<Entry> {
        let all = self.all(world);
        let (word, argument) = self.words();
        // With an argument the first word is meant exactly; fuzzy guesses would run the wrong thing.
        if argument.is_some()
            && let Some(spec) = exact(&word, self.place)
        {
            return all
                .into_iter()
                .filter(|entry| entry.command == spec.id && entry.fixed.is_none())
                .collect();
        }
        let texts: Vec<String> = all
            .iter()
            .map(|entry| {
                let aliases = COMMANDS
                    .iter()
                    .find(|spec| spec.name == entry.name)
                    .map_or(&[][..], |spec| spec.aliases);
                format!("{} {}", entry.name, aliases.join(" "))
            })
            .collect();
        let mut ranked = fuzzy::ranked(&word, &texts);
        // A name typed in full wins over everything that merely contains it.
        ranked.sort_by_key(|index| {
            all[*index].name != word
                && exact(&word, self.place).is_none_or(|spec| spec.name != all[*index].name)
        });
        ranked.into_iter().map(|index| all[index].clone()).collect()
    }

    fn words(&self) -> (String, Option<String>) {
        let text = self.input.value().trim_start().trim_start_matches(':');
        match text.split_once(char::is_whitespace) {
            Some((word, rest)) if !rest.trim().is_empty() => {
                (word.to_owned(), Some(rest.trim().to_owned()))
            }
            _ => (text.trim().to_owned(), None),
        }
    }

    fn run(&self, world: &World) -> Outcome {
        let (word, argument) = self.words();
        if word.is_empty() && self.cursor == Cursor::default() {
            return Outcome::close();
        }
        let entries = self.entries(world);
        let Some(entry) = self.cursor.of(entries.len()).map(|index| &entries[index]) else {
            let near = nearest(&word)
                .map(|near| format!(" Did you mean :{near}?"))
                .unwrap_or_default();
            return Outcome::Close(vec![Effect::Notify(
                Level::Warn,
                format!("There is no command {word:?} on this screen.{near}"),
            )]);
        };
        Outcome::Run(entry.command, entry.fixed.clone().or(argument))
    }
}

fn exact(word: &str, place: Place) -> Option<&'static CommandSpec> {
    COMMANDS
        .iter()
        .find(|spec| spec.is_called(word) && spec.places.contains(place))
}

impl OverlayState for PaletteState {
    fn key(&mut self, key: KeyEvent, world: &World, _keys: &KeyMap) -> Outcome {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let count = self.entries(world).len();
        match key.code {
            KeyCode::Esc => return Outcome::close(),
            KeyCode::Enter => return self.run(world),
            KeyCode::Backspace if self.input.value().is_empty() => return Outcome::close(),
            KeyCode::Up => _ = self.cursor.moved(Command::Up, count, 1),
            KeyCode::Down => _ = self.cursor.moved(Command::Down, count, 1),
            KeyCode::Char('p') if ctrl => _ = self.cursor.moved(Command::Up, count, 1),
            KeyCode::Char('n') if ctrl => _ = self.cursor.moved(Command::Down, count, 1),
            KeyCode::Tab => {
                if let Some(entry) = self
                    .cursor
                    .of(count)
                    .and_then(|index| self.entries(world).into_iter().nth(index))
                {
                    self.input = Input::new(if entry.argument.is_empty() {
                        entry.name
                    } else {
                        format!("{} ", entry.name)
                    });
                    self.cursor = Cursor::default();
                }
            }
            _ => {
                self.input.handle_event(&Event::Key(key));
                self.cursor = Cursor::default();
            }
        }
        Outcome::stay()
    }

    fn paste(&mut self, text: &str, _world: &World) {
        for character in text.chars().filter(|c| !c.is_control()) {
            self.input
                .handle(tui_input::InputRequest::InsertChar(character));
        }
    }

    fn mouse(&mut self, pointer: Pointer, world: &World) -> Outcome {
        match pointer {
            Pointer::Click(Target::Row(row)) | Pointer::DoubleClick(Target::Row(row)) => {
                self.cursor.set(row);
                self.run(world)
            }
            Pointer::Wheel(lines) => {
                self.cursor.wheel(lines, self.entries(world).len());
                Outcome::stay()
            }
            _ => Outcome::stay(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    fn typed(text: &str) -> (Command, Option<String>) {
        let mut palette = PaletteState::new(Place::Environments);
        palette.input = Input::new(text.to_owned());
        match palette.run(&fixtures::world()) {
            Outcome::Run(command, argument) => (command, argument),
            other => panic!("{text} ran nothing: {other:?}"),
        }
    }

    #[test]
    fn q_quits_as_fingers_expect() {
        assert_eq!(typed("q"), (Command::Quit, None));
    }

    #[test]
    fn an_environment_is_reached_by_its_name() {
        assert_eq!(typed("prod"), (Command::Service, Some("prod".into())));
    }

    #[test]
    fn a_command_takes_its_argument() {
        assert_eq!(typed("scale 4"), (Command::Scale, Some("4".into())));
        assert_eq!(
            typed("logs staging"),
            (Command::Logs, Some("staging".into()))
        );
    }

    #[test]
    fn a_few_letters_find_a_command() {
        assert_eq!(typed("rollb").0, Command::Rollback);
        assert_eq!(typed("undo").0, Command::Rollback);
    }

    #[test]
    fn nothing_typed_runs_nothing() {
        let palette = PaletteState::new(Place::Environments);
        assert!(
            matches!(palette.run(&fixtures::world()), Outcome::Close(effects) if effects.is_empty())
        );
    }
}
