//! The one list of commands: it feeds the key map, the palette, the hint bar, the help and the
//! reference page of the manual.

mod keys;
mod reference;
mod table;

use super::chord::Chord;

pub use keys::{KeyMap, KeysError};
pub use reference::{reference_markdown, sections};
pub use table::COMMANDS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Place {
    /// All environments, the first screen.
    Environments,
    /// One environment's service.
    Service,
    /// Logs.
    Logs,
    /// Images and deployments.
    Releases,
    /// One run, live.
    Rollout,
    /// The bill.
    Cost,
    /// The audit.
    History,
}

impl Place {
    /// Every screen, in the order of the help.
    pub const ALL: [Self; 7] = [
        Self::Environments,
        Self::Service,
        Self::Logs,
        Self::Releases,
        Self::Rollout,
        Self::Cost,
        Self::History,
    ];

    /// The screen's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Environments => "Environments",
            Self::Service => "Service",
            Self::Logs => "Logs",
            Self::Releases => "Releases",
            Self::Rollout => "Rollout",
            Self::Cost => "Cost",
            Self::History => "History",
        }
    }
}

/// A set of screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places(u8);

impl Places {
    /// Everywhere.
    pub const ALL: Self = Self(0x7f);

    /// These.
    pub const fn of(places: &[Place]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < places.len() {
            bits |= 1 << places[index] as u8;
            index += 1;
        }
        Self(bits)
    }

    /// All but these.
    pub const fn but(places: &[Place]) -> Self {
        Self(Self::ALL.0 & !Self::of(places).0)
    }

    /// Whether `place` is one of them.
    pub const fn contains(self, place: Place) -> bool {
        self.0 & (1 << place as u8) != 0
    }
}

/// What a command does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It looks, or changes only the screen.
    Reads,
    /// It asks the executor for a change: plan, guard, confirm, lock, audit.
    Mutates,
}

/// What the operator can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    // Moving about.
    Open,
    Back,
    Up,
    Down,
    Top,
    Bottom,
    PageUp,
    PageDown,
    Left,
    Right,
    NextPane,
    PreviousPane,
    HistoryBack,
    HistoryForward,
    // Screens.
    Environments,
    Service,
    Logs,
    PreviousLogs,
    Releases,
    Rollout,
    Cost,
    History,
    // The selected thing.
    Describe,
    Yank,
    Copy,
    OpenLink,
    Mark,
    Refresh,
    Filter,
    Save,
    // Changes.
    Deploy,
    Rollback,
    Promote,
    Restart,
    Scale,
    StopTask,
    StopRollout,
    // Logs.
    Pause,
    Search,
    LogFilter,
    FullScreen,
    NextMatch,
    PreviousMatch,
    NextError,
    PreviousError,
    /// A time anchor, 0–6 as in k9s: newest, oldest, then 1, 5, 15, 30 and 60 minutes ago.
    Anchor(u8),
    Window,
    Wrap,
    Times,
    Autoscroll,
    Level,
    IncludeField,
    ExcludeField,
    // The program.
    Palette,
    Help,
    Messages,
    Suspend,
    Quit,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// Which.
    pub id: Command,
    /// What the palette and the configuration call it.
    pub name: &'static str,
    /// Other names for the palette.
    pub aliases: &'static [&'static str],
    /// The help line.
    pub doc: &'static str,
    /// The argument that the palette takes, for people: `[environment]`.
    pub argument: &'static str,
    /// Its keys unless the user binds it anew.
    pub keys: &'static [Chord],
    /// Where it applies.
    pub places: Places,
    /// Whether it changes the world.
    pub kind: Kind,
    /// The word in the hint bar; none when it is not shown there.
    pub hint: Option<&'static str>,
}

impl CommandSpec {
    /// True when the palette's `word` is its name or an alias.
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }
}

/// The row of a command.
pub fn spec(command: Command) -> Option<&'static CommandSpec> {
    COMMANDS.iter().find(|spec| spec.id == command)
}

/// The command name nearest to `word`, if one is near.
pub fn nearest(word: &str) -> Option<&'static str> {
    COMMANDS
        .iter()
        .flat_map(|spec| std::iter::once(&spec.name).chain(spec.aliases))
        .map(|name| (strsim::jaro_winkler(word, name), *name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_a_name() {
        let mut seen = std::collections::HashSet::new();
        for spec in COMMANDS {
            for name in std::iter::once(&spec.name).chain(spec.aliases) {
                assert!(seen.insert(*name), "{name} names two commands");
            }
        }
    }

    #[test]
    fn every_command_has_one_row_and_a_help_line() {
        for spec in COMMANDS {
            let columns = spec.doc.chars().count();
            assert!(
                (1..=62).contains(&columns),
                "{}: {columns} columns",
                spec.name
            );
            assert_eq!(
                COMMANDS.iter().filter(|other| other.id == spec.id).count(),
                1
            );
        }
    }
}
