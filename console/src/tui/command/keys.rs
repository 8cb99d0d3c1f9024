//! Which key does what: the table's keys with the user's own bindings.

use super::{COMMANDS, Command, Kind, Place, nearest};
use crate::tui::chord::{Chord, NotAChord};
use std::collections::{BTreeMap, HashMap};

/// A binding in the configuration that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// No such command.
    #[error("[keys] {name}: there is no such command{}", nearest.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    NoCommand {
        /// As written.
        name: String,
        /// The nearest name.
        nearest: Option<&'static str>,
    },
    /// No such key.
    #[error("[keys] {name}: {source}")]
    NoKey {
        /// The command.
        name: String,
        /// Which key, and how keys are written.
        source: NotAChord,
    },
    /// Two commands of one screen on one key.
    #[error(
        "[keys] {key} would be both {first} and {second} on the {place} screen. Bind one of them to another key"
    )]
    Twice {
        /// The key.
        key: String,
        /// One command.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Where.
        place: &'static str,
    },
    /// Keys that must stay harmless.
    #[error(
        "[keys] {name}: {key} must not change anything (fingers send it by habit). Choose another key"
    )]
    Unsafe {
        /// The command.
        name: &'static str,
        /// The key.
        key: String,
    },
}

/// Which key does what on which screen, with the user's own bindings.
#[derive(Clone, Debug)]
pub struct KeyMap {
    by_key: HashMap<(Place, Chord), Command>,
    by_command: HashMap<Command, Vec<Chord>>,
}

impl KeyMap {
    /// The table's keys, with `overrides` (command name → keys) in place of a command's own.
    ///
    /// # Errors
    /// A command or key that does not exist, a key used twice on one screen, and a changing
    /// command on Ctrl-D or Ctrl-K.
    pub fn new(overrides: &BTreeMap<String, Vec<String>>) -> Result<Self, KeysError> {
        let mut own: HashMap<Command, Vec<Chord>> = HashMap::new();
        for (name, keys) in overrides {
            let spec = COMMANDS
                .iter()
                .find(|spec| spec.is_called(name))
                .ok_or_else(|| KeysError::NoCommand {
                    name: name.clone(),
                    nearest: nearest(name),
                })?;
            let chords = keys
                .iter()
                .map(|key| key.parse())
                .collect::<Result<Vec<Chord>, _>>()
                .map_err(|source| KeysError::NoKey {
                    name: name.clone(),
                    source,
                })?;
            own.insert(spec.id, chords);
        }
        let mut map = Self {
            by_key: HashMap::new(),
            by_command: HashMap::new(),
        };
        for spec in COMMANDS {
            let chords = own.remove(&spec.id).unwrap_or_else(|| spec.keys.to_vec());
            for chord in &chords {
                let habit = [Chord::ctrl('d'), Chord::ctrl('k')];
                if spec.kind == Kind::Mutates && habit.contains(chord) {
                    return Err(KeysError::Unsafe {
                        name: spec.name,
                        key: chord.to_string(),
                    });
                }
                for place in Place::ALL {
                    if !spec.places.contains(place) {
                        continue;
                    }
                    if let Some(first) = map.by_key.insert((place, *chord), spec.id) {
                        return Err(KeysError::Twice {
                            key: chord.to_string(),
                            first: super::spec(first).map_or("", |spec| spec.name),
                            second: spec.name,
                            place: place.word(),
                        });
                    }
                }
            }
            map.by_command.insert(spec.id, chords);
        }
        Ok(map)
    }

    /// What `chord` does on the screen `place`.
    pub fn command(&self, place: Place, chord: Chord) -> Option<Command> {
        self.by_key.get(&(place, chord)).copied()
    }

    /// The keys of a command, the one to show first.
    pub fn keys(&self, command: Command) -> &[Chord] {
        self.by_command.get(&command).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(command: &str, key: &str) -> BTreeMap<String, Vec<String>> {
        BTreeMap::from([(command.to_owned(), vec![key.to_owned()])])
    }

    #[test]
    fn no_key_means_two_things_on_one_screen() {
        KeyMap::new(&BTreeMap::new()).unwrap();
    }

    #[test]
    fn nothing_that_changes_things_is_on_ctrl_d_or_ctrl_k() {
        let error = KeyMap::new(&bind("stop-task", "ctrl-k")).unwrap_err();
        assert!(matches!(error, KeysError::Unsafe { .. }), "{error}");
    }

    #[test]
    fn a_user_binds_a_key_anew_and_the_old_one_is_free() {
        let map = KeyMap::new(&bind("rollback", "ctrl-r")).unwrap();
        assert_eq!(
            map.command(Place::Service, Chord::ctrl('r')),
            Some(Command::Rollback)
        );
        assert_eq!(map.command(Place::Service, Chord::char('R')), None);
    }

    #[test]
    fn a_key_that_is_taken_is_refused_with_both_names() {
        let error = KeyMap::new(&bind("rollback", "D")).unwrap_err().to_string();
        assert!(
            error.contains("deploy") && error.contains("rollback"),
            "{error}"
        );
    }

    #[test]
    fn a_misspelt_command_is_answered_with_the_nearest() {
        let error = KeyMap::new(&bind("rolback", "ctrl-r"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("did you mean rollback?"), "{error}");
    }

    #[test]
    fn space_pauses_in_logs_and_marks_elsewhere() {
        let map = KeyMap::new(&BTreeMap::new()).unwrap();
        assert_eq!(
            map.command(Place::Logs, Chord::char(' ')),
            Some(Command::Pause)
        );
        assert_eq!(
            map.command(Place::Releases, Chord::char(' ')),
            Some(Command::Mark)
        );
    }
}
