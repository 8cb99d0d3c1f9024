//! The one list of commands: it feeds the key map, the palette, the hint bar, the help and the
//! reference page of the manual.

use super::chord::{Chord, NotAChord};
use crossterm::event::KeyCode;
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

/// Where a command applies: a screen.
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

const fn ch(character: char) -> Chord {
    Chord::char(character)
}

const fn key(code: KeyCode) -> Chord {
    Chord::key(code)
}

const fn reads(
    id: Command,
    name: &'static str,
    keys: &'static [Chord],
    places: Places,
    doc: &'static str,
) -> CommandSpec {
    CommandSpec {
        id,
        name,
        aliases: &[],
        doc,
        argument: "",
        keys,
        places,
        kind: Kind::Reads,
        hint: None,
    }
}

const fn mutates(
    id: Command,
    name: &'static str,
    keys: &'static [Chord],
    places: Places,
    doc: &'static str,
) -> CommandSpec {
    let mut spec = reads(id, name, keys, places, doc);
    spec.kind = Kind::Mutates;
    spec
}

impl CommandSpec {
    const fn hint(mut self, word: &'static str) -> Self {
        self.hint = Some(word);
        self
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn takes(mut self, argument: &'static str) -> Self {
        self.argument = argument;
        self
    }

    /// True when the palette's `word` is its name or an alias.
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }
}

use Command as C;
use Place as P;
const LOGS: Places = Places::of(&[P::Logs]);
const TABLES: Places = Places::but(&[P::Logs, P::Rollout]);
const CHANGEABLE: Places = Places::but(&[P::History]);

/// Every command. The order is the order of the hint bar and of the help.
pub const COMMANDS: &[CommandSpec] = &[
    // What the screen is for comes first in the hint bar.
    reads(
        C::Open,
        "open",
        &[key(KeyCode::Enter)],
        Places::ALL,
        "Open what is selected",
    )
    .hint("open"),
    mutates(
        C::StopRollout,
        "stop-rollout",
        &[ch('X')],
        Places::of(&[P::Environments, P::Service, P::Rollout]),
        "Stop the rollout in flight and go back to the revision before",
    )
    .hint("stop and go back")
    .aliases(&["abort"]),
    reads(
        C::Logs,
        "logs",
        &[ch('l')],
        Places::but(&[P::Logs]),
        "Logs of the selected environment or task, following",
    )
    .hint("logs")
    .takes("[environment]")
    .aliases(&["log", "tail"]),
    reads(
        C::PreviousLogs,
        "previous-logs",
        &[ch('p')],
        Places::of(&[P::Service, P::Rollout, P::Logs]),
        "Last logs of the task that stopped",
    )
    .hint("previous logs"),
    reads(
        C::Pause,
        "pause",
        &[ch(' ')],
        LOGS,
        "Hold the view still; lines are still taken in",
    )
    .hint("pause"),
    reads(
        C::Search,
        "search",
        &[ch('/')],
        LOGS,
        "Search; matches are marked where they stand",
    )
    .hint("search")
    .takes("text"),
    reads(
        C::LogFilter,
        "filter-logs",
        &[ch('f')],
        LOGS,
        "Show only lines that match; !text shows the others",
    )
    .hint("filter")
    .takes("text"),
    reads(C::NextMatch, "next-match", &[ch('n')], LOGS, "Next match").hint("next"),
    reads(
        C::PreviousMatch,
        "previous-match",
        &[ch('N')],
        LOGS,
        "Match before",
    ),
    reads(C::NextError, "next-error", &[ch('}')], LOGS, "Next error").hint("error"),
    reads(
        C::PreviousError,
        "previous-error",
        &[ch('{')],
        LOGS,
        "Error before",
    ),
    reads(
        C::Anchor(0),
        "since-now",
        &[ch('0')],
        LOGS,
        "Jump to the newest line and follow",
    ),
    reads(
        C::Anchor(1),
        "since-start",
        &[ch('1')],
        LOGS,
        "Jump to the oldest line that is held",
    ),
    reads(
        C::Anchor(2),
        "since-1m",
        &[ch('2')],
        LOGS,
        "From one minute ago",
    ),
    reads(
        C::Anchor(3),
        "since-5m",
        &[ch('3')],
        LOGS,
        "From 5 minutes ago",
    ),
    reads(
        C::Anchor(4),
        "since-15m",
        &[ch('4')],
        LOGS,
        "From 15 minutes ago",
    ),
    reads(
        C::Anchor(5),
        "since-30m",
        &[ch('5')],
        LOGS,
        "From 30 minutes ago",
    ),
    reads(
        C::Anchor(6),
        "since-1h",
        &[ch('6')],
        LOGS,
        "From one hour ago",
    ),
    reads(
        C::Window,
        "window",
        &[ch('a')],
        LOGS,
        "An absolute window of time, such as 13:50-14:05 or 13:50-14:05 UTC",
    )
    .takes("from-to"),
    reads(
        C::Level,
        "level",
        &[ch('v')],
        LOGS,
        "Least level shown: all, debug, info, warn, error",
    )
    .hint("level")
    .takes("[level]"),
    reads(
        C::IncludeField,
        "include-field",
        &[ch('=')],
        LOGS,
        "Show only lines with the same value of the field under the cursor",
    ),
    reads(
        C::ExcludeField,
        "exclude-field",
        &[ch('-')],
        LOGS,
        "Hide lines with the same value of the field under the cursor",
    ),
    reads(
        C::Wrap,
        "wrap",
        &[ch('w')],
        LOGS,
        "Wrap long lines, or cut them",
    )
    .hint("wrap"),
    reads(
        C::Times,
        "times",
        &[ch('t')],
        LOGS,
        "Times: short, full, local, none",
    )
    .hint("times"),
    reads(
        C::Autoscroll,
        "autoscroll",
        &[ch('s')],
        LOGS,
        "Follow new lines, or stay",
    ),
    reads(
        C::FullScreen,
        "full-screen",
        &[ch('F')],
        LOGS,
        "Only the logs, or the frame as well",
    ),
    mutates(
        C::Deploy,
        "deploy",
        &[ch('D')],
        CHANGEABLE,
        "Choose a release and bring it live",
    )
    .hint("deploy")
    .takes("[release]"),
    mutates(
        C::Rollback,
        "rollback",
        &[ch('R')],
        CHANGEABLE,
        "Go back to the last known-good release",
    )
    .hint("rollback")
    .aliases(&["undo"]),
    mutates(
        C::Promote,
        "promote",
        &[ch('P')],
        CHANGEABLE,
        "Bring live here what another environment runs",
    )
    .hint("promote")
    .takes("[from]"),
    mutates(
        C::Scale,
        "scale",
        &[ch('S')],
        Places::of(&[P::Environments, P::Service]),
        "Change how many tasks are wanted",
    )
    .takes("[count]")
    .hint("scale"),
    mutates(
        C::Restart,
        "restart",
        &[ch('B')],
        Places::of(&[P::Environments, P::Service]),
        "Bounce: replace every task, same revision",
    )
    .aliases(&["bounce"])
    .hint("restart"),
    mutates(
        C::StopTask,
        "stop-task",
        &[ch('x')],
        Places::of(&[P::Service]),
        "Stop the selected task; the platform starts another",
    )
    .hint("stop task"),
    reads(
        C::Cost,
        "cost",
        &[ch('$')],
        Places::but(&[P::Cost]),
        "What it costs, line by line",
    )
    .hint("cost")
    .takes("[environment]"),
    reads(
        C::History,
        "history",
        &[ch('H')],
        Places::but(&[P::History]),
        "The audit: who did what, when, and how it ended",
    )
    .hint("history")
    .aliases(&["audit"]),
    reads(
        C::Releases,
        "releases",
        &[ch('v')],
        Places::but(&[P::Logs, P::Releases]),
        "Images and deployments with their outcome",
    )
    .hint("releases")
    .takes("[environment]")
    .aliases(&["images", "deployments"]),
    reads(
        C::Rollout,
        "rollout",
        &[ch('z')],
        Places::but(&[P::Rollout]),
        "The rollout that goes on, or the last one",
    )
    .aliases(&["run"]),
    reads(
        C::Environments,
        "environments",
        &[],
        Places::ALL,
        "All environments",
    )
    .aliases(&["envs", "home"]),
    reads(
        C::Service,
        "service",
        &[],
        Places::ALL,
        "The service of an environment",
    )
    .takes("[environment]")
    .aliases(&["env", "svc"]),
    reads(
        C::Describe,
        "describe",
        &[ch('d')],
        TABLES,
        "All that is known of the selected row",
    )
    .hint("describe"),
    reads(
        C::Yank,
        "yank",
        &[ch('y')],
        Places::ALL,
        "Copy a summary for the incident channel; on a table the raw form",
    )
    .hint("copy summary"),
    reads(
        C::Copy,
        "copy",
        &[ch('c')],
        Places::ALL,
        "Copy the selected row or line",
    ),
    reads(
        C::OpenLink,
        "open-link",
        &[ch('o')],
        Places::ALL,
        "Open the page of the alarm, service or runbook, or copy its address",
    )
    .aliases(&["url"]),
    reads(C::Mark, "mark", &[ch(' ')], TABLES, "Mark the row"),
    reads(
        C::Save,
        "save",
        &[Chord::ctrl('s')],
        Places::ALL,
        "Save what is shown to a file",
    ),
    reads(
        C::Refresh,
        "refresh",
        &[ch('r')],
        Places::ALL,
        "Look again now",
    ),
    reads(C::Up, "up", &[ch('k'), key(KeyCode::Up)], Places::ALL, "Up"),
    reads(
        C::Down,
        "down",
        &[ch('j'), key(KeyCode::Down)],
        Places::ALL,
        "Down",
    ),
    reads(
        C::Top,
        "top",
        &[ch('g'), key(KeyCode::Home)],
        Places::ALL,
        "First row",
    ),
    reads(
        C::Bottom,
        "bottom",
        &[ch('G'), key(KeyCode::End)],
        Places::ALL,
        "Last row",
    ),
    reads(
        C::PageUp,
        "page-up",
        &[Chord::ctrl('b'), key(KeyCode::PageUp)],
        Places::ALL,
        "One page up",
    ),
    reads(
        C::PageDown,
        "page-down",
        &[Chord::ctrl('f'), key(KeyCode::PageDown)],
        Places::ALL,
        "One page down",
    ),
    reads(
        C::Left,
        "left",
        &[ch('h'), key(KeyCode::Left)],
        Places::ALL,
        "Left",
    ),
    reads(
        C::Right,
        "right",
        &[key(KeyCode::Right)],
        Places::ALL,
        "Right",
    ),
    reads(
        C::NextPane,
        "next-pane",
        &[key(KeyCode::Tab)],
        Places::ALL,
        "Next part of the screen",
    )
    .hint("pane"),
    reads(
        C::PreviousPane,
        "previous-pane",
        &[key(KeyCode::BackTab)],
        Places::ALL,
        "Part before",
    ),
    reads(
        C::HistoryBack,
        "view-back",
        &[ch('[')],
        Places::ALL,
        "The view before",
    ),
    reads(
        C::HistoryForward,
        "view-forward",
        &[ch(']')],
        Places::ALL,
        "The view after",
    ),
    reads(
        C::Filter,
        "filter",
        &[ch('/')],
        TABLES,
        "Show only rows that match: a regular expression, or !expression",
    )
    .hint("filter")
    .takes("expression"),
    reads(
        C::Back,
        "back",
        &[key(KeyCode::Esc)],
        Places::ALL,
        "Clear, close or go back",
    )
    .hint("back"),
    reads(
        C::Palette,
        "palette",
        &[ch(':')],
        Places::ALL,
        "Type a command",
    )
    .hint("command"),
    reads(
        C::Messages,
        "messages",
        &[ch('m')],
        Places::ALL,
        "What the program said",
    )
    .aliases(&["notices"]),
    reads(
        C::Help,
        "help",
        &[ch('?')],
        Places::ALL,
        "Keys and commands",
    )
    .hint("help"),
    reads(
        C::Suspend,
        "suspend",
        &[Chord::ctrl('z')],
        Places::ALL,
        "Back to the shell; fg returns",
    ),
    reads(
        C::Quit,
        "quit",
        &[Chord::ctrl('c')],
        Places::ALL,
        "Leave; rollouts go on and are found again at the next start",
    )
    .aliases(&["q", "q!", "exit"]),
];

/// The row of a command.
pub fn spec(command: Command) -> Option<&'static CommandSpec> {
    COMMANDS.iter().find(|spec| spec.id == command)
}

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
                            first: self::spec(first).map_or("", |spec| spec.name),
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

/// The manual's reference page of keys and commands, in Markdown.
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Keys and commands\n\n\
         Generated from the command table of the console. Every command can be typed after `:` \
         and bound anew in the configuration's `[keys]` table, by its name.\n",
    );
    for (title, rows) in sections() {
        let _ = write!(
            page,
            "\n## {title}\n\n| Key | Command | What it does | Changes things |\n|---|---|---|---|\n"
        );
        for spec in rows {
            let keys: Vec<String> = spec.keys.iter().map(|key| format!("`{key}`")).collect();
            let names: Vec<String> = std::iter::once(&spec.name)
                .chain(spec.aliases)
                .map(|name| format!("`:{name}`"))
                .collect();
            let _ = writeln!(
                page,
                "| {} | {}{} | {} | {} |",
                keys.join(" "),
                names.join(" "),
                if spec.argument.is_empty() {
                    String::new()
                } else {
                    format!(" *{}*", spec.argument)
                },
                spec.doc,
                if spec.kind == Kind::Mutates {
                    "yes"
                } else {
                    ""
                },
            );
        }
    }
    page
}

/// The table by where commands apply: everywhere first, then what is special to some screens.
pub fn sections() -> Vec<(String, Vec<&'static CommandSpec>)> {
    let mut sections: Vec<(String, Vec<&'static CommandSpec>)> = Vec::new();
    for spec in COMMANDS {
        let places: Vec<&str> = Place::ALL
            .into_iter()
            .filter(|place| spec.places.contains(*place))
            .map(Place::word)
            .collect();
        let title = if spec.kind == Kind::Mutates {
            "Changes".to_owned()
        } else if places.len() >= 5 {
            "Everywhere".to_owned()
        } else {
            places.join(", ")
        };
        match sections.iter_mut().find(|(known, _)| *known == title) {
            Some((_, rows)) => rows.push(spec),
            None => sections.push((title, vec![spec])),
        }
    }
    sections
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
            assert!(!spec.doc.is_empty(), "{} has no help", spec.name);
            assert_eq!(
                COMMANDS.iter().filter(|other| other.id == spec.id).count(),
                1
            );
        }
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

    #[test]
    fn the_reference_page_names_every_command() {
        let page = reference_markdown();
        for spec in COMMANDS {
            assert!(
                page.contains(&format!("`:{}`", spec.name)),
                "{} is missing",
                spec.name
            );
        }
    }
}
