//! The audit, asked for by the History screen.

use crate::{
    model::EnvironmentName,
    store::{HistoryQuery, RunRecord, Store},
    tui::message::Generation,
};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryRequest {
    /// The newest records, of one environment or of all.
    List(Generation, Option<EnvironmentName>),
}

/// What comes back.
#[derive(Debug)]
pub enum HistoryReply {
    /// Newest first.
    List(Vec<RunRecord>),
    /// It could not be read.
    Failed(String),
}

/// Runs a request.
pub async fn answer(request: HistoryRequest, store: &Store) -> (Generation, HistoryReply) {
    let HistoryRequest::List(generation, environment) = request;
    let query = HistoryQuery {
        environment,
        ..HistoryQuery::default()
    };
    let reply = match store.history(&query).await {
        Ok(records) => HistoryReply::List(records),
        Err(error) => HistoryReply::Failed(error.to_string()),
    };
    (generation, reply)
}
