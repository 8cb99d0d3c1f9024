//! The audit, asked for by the History screen.

use crate::{model::EnvironmentName, tui::message::Generation};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryRequest {
    /// The newest records, of one environment or of all.
    List(Generation, Option<EnvironmentName>),
}

/// What comes back.
#[derive(Debug)]
pub enum HistoryReply {
    /// It could not be read.
    Failed(String),
}
