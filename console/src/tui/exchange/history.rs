//! The audit, asked for by the History screen.

use crate::{
    model::{EnvironmentName, RunId},
    store::{HistoryQuery, RunRecord, Store, StoreError},
    tui::message::Generation,
};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryRequest {
    /// A page of records, newest first.
    List {
        /// Whose.
        generation: Generation,
        /// Of one environment, or of all.
        environment: Option<EnvironmentName>,
        /// Only records older than this one.
        before: Option<RunId>,
    },
}

/// What comes back.
#[derive(Debug)]
pub enum HistoryReply {
    /// For [`HistoryRequest::List`]: at most [`PAGE`] records, fewer when there are no more; or
    /// why the audit cannot be read.
    Page(Result<Vec<RunRecord>, String>),
}

/// Records of one page.
pub const PAGE: usize = 100;

/// Runs a request.
pub async fn answer(request: HistoryRequest, store: &Store) -> (Generation, HistoryReply) {
    let HistoryRequest::List {
        generation,
        environment,
        before,
    } = request;
    let query = HistoryQuery {
        environment,
        before,
        limit: u32::try_from(PAGE).unwrap_or(u32::MAX),
    };
    let page = store.history(&query).await;
    let page = page.map_err(|error: StoreError| error.to_string());
    (generation, HistoryReply::Page(page))
}
