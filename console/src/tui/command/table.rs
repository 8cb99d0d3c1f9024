//! The table itself: every command with its name, keys, screens and help line.

use super::{Command as C, CommandSpec, Kind, Place as P, Places};
use crate::tui::chord::Chord;
use crossterm::event::KeyCode;

const fn ch(character: char) -> Chord {
    Chord::char(character)
}

const fn key(code: KeyCode) -> Chord {
    Chord::key(code)
}

const fn reads(
    id: C,
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
    id: C,
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
}

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
        "An absolute window of time, such as 13:50-14:05 UTC",
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
        "Show only lines with the value of the field under the cursor",
    ),
    reads(
        C::ExcludeField,
        "exclude-field",
        &[ch('-')],
        LOGS,
        "Hide lines with the value of the field under the cursor",
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
        "Copy a summary for the incident channel, or the row's raw form",
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
        "Open the page of the alarm, service or runbook, or copy it",
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
        "Show only rows that match a regular expression, or !expression",
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
