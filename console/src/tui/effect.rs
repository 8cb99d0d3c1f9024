//! What `update` asks tasks to do. Nothing here does anything; `run_effects` does.

use super::{
    exchange::{
        cost::CostRequest, history::HistoryRequest, logs::LogsRequest, releases::ReleasesRequest,
    },
    message::Generation,
    state::Screen,
};
use crate::{
    model::{Action, EnvironmentName, Plan, RunId, StoppedInstance},
    operate::Confirmation,
    platform::LinkTarget,
};
use std::sync::Arc;

/// One thing to be done outside `update`: by the app itself (screens) or by a task (the rest).
#[derive(Debug)]
pub enum Effect {
    /// Put a screen on top.
    Show(Box<Screen>),
    /// Leave the screen on top.
    Back,
    /// Say something at the foot of the screen.
    Notify(Level, String),
    /// Ask for a change: opens the confirm dialog, which makes the plan and shows it. The one way
    /// from a screen to a mutation.
    Propose(EnvironmentName, Action),
    /// Show a text over the screen: a description, a raw form.
    ShowText {
        /// What it is.
        title: String,
        /// Its lines; escape sequences are stripped when it is drawn.
        text: String,
    },
    /// Show the last log lines of a task that stopped, over the screen.
    ShowLastLogs(EnvironmentName, StoppedInstance),
    /// Leave the program.
    Quit,
    /// Give the terminal back to the shell until `fg`.
    Suspend,

    /// Look at one environment, or at all, now.
    Refresh(Option<EnvironmentName>),
    /// For the confirm dialog: make a plan; answered by [`super::message::Message::Planned`].
    Plan {
        /// Whose answer.
        generation: Generation,
        /// Where.
        environment: EnvironmentName,
        /// What.
        action: Action,
    },
    /// For the confirm dialog: execute a confirmed plan; answered by [`super::message::Message::Started`].
    Execute {
        /// Whose answer.
        generation: Generation,
        /// What was confirmed.
        plan: Arc<Plan>,
        /// What was given for it.
        confirmation: Confirmation,
    },
    /// Put text on the clipboard (OSC 52).
    Copy {
        /// The text.
        text: String,
        /// What it is, for the notice: `summary`.
        what: String,
    },
    /// Open the page of something, or copy its address where nothing can open it.
    OpenLink(EnvironmentName, LinkTarget),
    /// Open an address, or copy it.
    OpenUrl(String),
    /// Write text to a file in the working directory; the notice says where.
    Save {
        /// The file's name, without directories.
        name: String,
        /// What to write.
        text: String,
    },
    /// The last lines of one task for the Service and Rollout screens; answered by
    /// [`super::message::Message::Tail`].
    Tail {
        /// Whose answer.
        generation: Generation,
        /// Where.
        environment: EnvironmentName,
        /// Only these log streams; all when empty.
        streams: Vec<String>,
        /// Look back so far, in milliseconds.
        back_ms: i64,
    },
    /// Forget a run that is over: it leaves the header.
    Dismiss(RunId),

    /// For the Logs screen.
    Logs(LogsRequest),
    /// For the Releases screen and the deploy picker.
    Releases(ReleasesRequest),
    /// For the Cost screen.
    Cost(CostRequest),
    /// For the History screen.
    History(HistoryRequest),
}

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Good to know.
    Info,
    /// It worked.
    Good,
    /// Look at it.
    Warn,
    /// It failed; stays until it is dismissed.
    Bad,
}
