//! A store that notes how long each request waits for the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    IdempotentRequest, ItemStore, JobStore, KeyStore, LocationStore, New, Once, PoolUsage,
    PromptStore, Schema, Store, StoreError,
};
use crate::auth::ApiKey;
use crate::items::{Cursor, Item, ItemId, Listing};
use crate::jobs::{Claimed, Ending, Hold, Job, JobEvent, JobFilter, JobId, JobStep, Queue};
use crate::locations::{Location, LocationId};
use crate::paging::Place;
use crate::prompts::{Prompt, PromptId};

tokio::task_local! {
    static SPENT: DatabaseTime;
}

/// How long one request has waited for the database so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct DatabaseTime(Arc<AtomicU64>);

impl DatabaseTime {
    /// Runs a future whose waits for the database are counted here.
    pub(crate) async fn scope<F: Future>(self, future: F) -> F::Output {
        SPENT.scope(self, future).await
    }

    /// The sum so far, waits for a connection included; to the microsecond.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A wait that counts also when it is given up.
struct Wait(Instant);

impl Drop for Wait {
    fn drop(&mut self) {
        let micros = u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX);
        // Workers have no request to count for.
        let _ = SPENT.try_with(|spent| spent.0.fetch_add(micros, Ordering::Relaxed));
    }
}

async fn counted<F: Future>(call: F) -> F::Output {
    let _wait = Wait(Instant::now());
    call.await
}

/// See the top of this file.
pub(crate) struct Timed(Box<dyn Store>);

impl Timed {
    /// Every call goes through to `store`.
    pub(crate) fn new(store: Box<dyn Store>) -> Self {
        Self(store)
    }
}

/// Passes each call on and counts it.
macro_rules! passed_on {
    ($trait:ident { $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* } $($rest:tt)*) => {
        #[async_trait]
        impl $trait for Timed {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                counted(self.0.$name($($argument),*)).await
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
    }

    fn connection_errors(&self) -> u64 {
        self.0.connection_errors()
    }

    fn pools(&self) -> Vec<PoolUsage> {
        self.0.pools()
    }

    async fn close(&self) {
        self.0.close().await;
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
        fn job_events(id: JobId, after: i64, limit: u32) -> Vec<JobEvent>;
        fn queue() -> Queue;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::defective::Defective;

    #[tokio::test]
    async fn a_wait_counts_for_its_request_also_when_it_is_given_up() {
        const PATIENCE: Duration = Duration::from_millis(20);
        let store = Timed::new(Box::new(Defective));
        let (time, other) = (DatabaseTime::default(), DatabaseTime::default());
        let listing = Listing::default();
        let waiting = tokio::time::timeout(PATIENCE, store.items(&listing, 1));
        let outcome = time.clone().scope(waiting).await;
        assert!(outcome.is_err(), "it never answers");
        assert!(time.total() >= PATIENCE);
        assert_eq!(other.total(), Duration::ZERO);
    }
}
