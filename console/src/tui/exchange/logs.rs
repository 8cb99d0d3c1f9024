//! Log tails, asked for by the Logs screen.

use crate::tui::message::Generation;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogsRequest {
    /// End the tail of that generation.
    Stop(Generation),
}

/// What comes back.
#[derive(Debug)]
pub enum LogsReply {
    /// The tail is over.
    Stopped,
}
