//! A store that notes for each request and each attempt at a job what it asks of the database.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use opentelemetry::KeyValue;
use uuid::Uuid;

use super::{
    IdempotentRequest, ItemStore, JobStore, KeyStore, LocationStore, New, Once, PoolUsage,
    PromptStore, Schema, Store, StoreError,
};
use crate::auth::ApiKey;
use crate::calls::{self, DatabaseWait};
use crate::items::{Cursor, Item, ItemId, Listing};
use crate::jobs::{Claimed, Ending, Hold, Job, JobEvent, JobFilter, JobId, JobStep, Queue};
use crate::locations::{Location, LocationId};
use crate::paging::Place;
use crate::prompts::{Prompt, PromptId};
use crate::settings::Backend;

/// Waits for an answer of the database, on the account of whoever asks.
async fn counted<T>(
    system: &'static str,
    operation: &'static str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let _wait = DatabaseWait::begin();
    let span = calls::begin(operation, || {
        vec![
            KeyValue::new("db.system.name", system),
            KeyValue::new("db.operation.name", operation),
        ]
    });
    let outcome = call.await;
    if let Some(span) = span {
        span.end(outcome.as_ref().err().map(StoreError::kind));
    }
    outcome
}

/// See the top of this file.
pub(crate) struct Timed {
    store: Box<dyn Store>,
    /// As the semantic conventions name it.
    system: &'static str,
}

impl Timed {
    /// Every call goes through to `store`, which lies in `backend`.
    pub(crate) fn new(store: Box<dyn Store>, backend: Backend) -> Self {
        let system = match backend {
            Backend::Sqlite => "sqlite",
            Backend::Postgres => "postgresql",
        };
        Self { store, system }
    }
}

/// Passes each call on and counts it.
macro_rules! passed_on {
    ($trait:ident { $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* } $($rest:tt)*) => {
        #[async_trait]
        impl $trait for Timed {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                let call = self.store.$name($($argument),*);
                counted(self.system, stringify!($name), call).await
            })*
            $($rest)*
        }
    };
}

passed_on! {
    Store {
        fn migrate(create: bool) -> ();
        fn schema() -> Schema;
        fn insert(new: New<'_>) -> ();
        fn insert_once(new: New<'_>, request: &IdempotentRequest, answer: &str) -> Once;
        fn answered(request: &IdempotentRequest) -> Option<Once>;
    }

    fn connection_errors(&self) -> u64 {
        self.store.connection_errors()
    }

    fn pools(&self) -> Vec<PoolUsage> {
        self.store.pools()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

passed_on! {
    ItemStore {
        fn update_item(item: &Item) -> bool;
        fn delete_item(id: ItemId, version: i64) -> bool;
        fn item(id: ItemId) -> Option<Item>;
        fn items(listing: &Listing, limit: u32) -> Vec<(Cursor, Item)>;
    }
}

passed_on! {
    KeyStore {
        fn insert_api_key(key: &ApiKey) -> ();
        fn api_key(prefix: &str) -> Option<ApiKey>;
        fn api_keys() -> Vec<ApiKey>;
        fn touch_api_key(prefix: &str, at: Timestamp) -> ();
        fn revoke_api_key(prefix: &str, at: Timestamp) -> bool;
    }
}

passed_on! {
    PromptStore {
        fn update_prompt(prompt: &Prompt) -> bool;
        fn prompt(id: PromptId) -> Option<Prompt>;
        fn prompt_version(id: PromptId, version: i64) -> Option<Prompt>;
        fn prompt_versions(id: PromptId, before: i64, limit: u32) -> Vec<Prompt>;
        fn prompts(place: Place, limit: u32) -> Vec<(Cursor, Prompt)>;
    }
}

passed_on! {
    LocationStore {
        fn update_location(location: &Location) -> bool;
        fn delete_location(id: LocationId, version: i64) -> bool;
        fn location(id: LocationId) -> Option<Location>;
        fn locations(place: Place, name: Option<&str>, limit: u32) -> Vec<(Cursor, Location)>;
    }
}

passed_on! {
    JobStore {
        fn job(id: JobId) -> Option<Job>;
        fn jobs(place: Place, filter: JobFilter, limit: u32) -> Vec<(Cursor, Job)>;
        fn claim_job(claim: Uuid, lease: Duration) -> Claimed;
        fn hold_job(id: JobId, claim: Uuid, lease: Duration, step: Option<JobStep>) -> Hold;
        fn end_attempt(id: JobId, claim: Uuid, ending: &Ending) -> Option<Job>;
        fn cancel_job(id: JobId) -> Option<Job>;
        fn retry_job(id: JobId) -> Option<Job>;
        fn keep_draft(id: JobId, claim: Uuid, draft: &str) -> bool;
        fn draft(id: JobId) -> Option<String>;
        fn remove_old_jobs(kept: Duration, limit: u32) -> u64;
        fn job_events(id: JobId, after: i64, limit: u32) -> Vec<JobEvent>;
        fn queue() -> Queue;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::Calls;
    use crate::storage::defective::Defective;

    #[tokio::test]
    async fn a_wait_counts_for_its_request_also_when_it_is_given_up() {
        const PATIENCE: Duration = Duration::from_millis(20);
        let store = Timed::new(Box::new(Defective), Backend::Sqlite);
        let (time, other) = (Calls::default(), Calls::default());
        let listing = Listing::default();
        let waiting = tokio::time::timeout(PATIENCE, store.items(&listing, 1));
        let outcome = time.clone().scope(waiting).await;
        assert!(outcome.is_err(), "it never answers");
        assert!(time.database_time() >= PATIENCE);
        assert_eq!(other.database_time(), Duration::ZERO);
    }
}
