//! Where everything lives that outlasts the process: a trait for each resource, one folder
//! for each backend.

mod database_file;
mod migrations;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod timed;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod defective;

pub(crate) use timed::Timed;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::auth::ApiKey;
use crate::items::{Cursor, Item, ItemId, Listing};
use crate::jobs::{
    Claimed, Ending, Hold, Job, JobEvent, JobFilter, JobId, JobState, JobStep, Queue, StoredContent,
};
use crate::locations::{Location, LocationId};
use crate::paging::Place;
use crate::prompts::{Prompt, PromptId};
use crate::settings::{Backend, Settings};

/// What the API asks of a database. Calls may come at the same time from many requests and
/// from other processes.
#[async_trait]
pub(crate) trait Store:
    ItemStore + KeyStore + PromptStore + LocationStore + JobStore + Send + Sync + 'static
{
    /// Brings the schema up to this release, safely beside other processes doing the same.
    /// `create` makes an empty database where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] is worth another try; [`StoreError::Incompatible`] is not.
    async fn migrate(&self, create: bool) -> Result<(), StoreError>;

    /// Compares the schema in the database with what this release needs.
    async fn schema(&self) -> Result<Schema, StoreError>;

    /// Stores something new.
    async fn insert(&self, new: New<'_>) -> Result<(), StoreError>;

    /// Stores something new together with the key of its request and the answer, in one
    /// transaction, unless the key was used before.
    async fn insert_once(
        &self,
        new: New<'_>,
        request: &IdempotentRequest,
        answer: &str,
    ) -> Result<Once, StoreError>;

    /// What a request with this key was answered, where it came before: [`Once::Before`] or
    /// [`Once::Conflict`].
    async fn answered(&self, request: &IdempotentRequest) -> Result<Option<Once>, StoreError>;

    /// Failures to reach the database or to get a connection, since the start.
    fn connection_errors(&self) -> u64;

    /// How the connections are used now.
    fn pools(&self) -> Vec<PoolUsage>;

    /// Closes every connection.
    async fn close(&self);
}

/// What the API asks of a database about items.
#[async_trait]
pub(crate) trait ItemStore {
    /// Writes `item` where the stored one has the version before it. Tells whether it did.
    async fn update_item(&self, item: &Item) -> Result<bool, StoreError>;

    /// Removes the item where it has this version. Tells whether it did.
    async fn delete_item(&self, id: ItemId, version: i64) -> Result<bool, StoreError>;

    /// The item with this id, if there is one.
    async fn item(&self, id: ItemId) -> Result<Option<Item>, StoreError>;

    /// At most `limit` items that a listing wants, after the place its cursor names, each with
    /// the cursor of its own place.
    async fn items(&self, listing: &Listing, limit: u32)
    -> Result<Vec<(Cursor, Item)>, StoreError>;
}

/// What the API asks of a database about API keys.
#[async_trait]
pub(crate) trait KeyStore {
    /// Stores a new API key.
    async fn insert_api_key(&self, key: &ApiKey) -> Result<(), StoreError>;

    /// The API key with this prefix, revoked and expired ones included.
    async fn api_key(&self, prefix: &str) -> Result<Option<ApiKey>, StoreError>;

    /// Every API key, oldest first.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError>;

    /// Notes that a key was used.
    async fn touch_api_key(&self, prefix: &str, at: Timestamp) -> Result<(), StoreError>;

    /// Ends a key for good. Tells whether there was one that had not ended.
    async fn revoke_api_key(&self, prefix: &str, at: Timestamp) -> Result<bool, StoreError>;
}

/// What the API asks of a database about prompts.
#[async_trait]
pub(crate) trait PromptStore {
    /// Adds `prompt` as the present version where the stored one is the version before it.
    /// Tells whether it did.
    async fn update_prompt(&self, prompt: &Prompt) -> Result<bool, StoreError>;

    /// The present version of the prompt with this id, if there is one.
    async fn prompt(&self, id: PromptId) -> Result<Option<Prompt>, StoreError>;

    /// One version of a prompt, if there was one.
    async fn prompt_version(
        &self,
        id: PromptId,
        version: i64,
    ) -> Result<Option<Prompt>, StoreError>;

    /// At most `limit` versions below `before`, the newest first.
    async fn prompt_versions(
        &self,
        id: PromptId,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Prompt>, StoreError>;

    /// At most `limit` prompts from a place on.
    async fn prompts(&self, place: Place, limit: u32) -> Result<Vec<(Cursor, Prompt)>, StoreError>;
}

/// What the API asks of a database about locations.
#[async_trait]
pub(crate) trait LocationStore {
    /// Writes `location` where the stored one has the version before it. Tells whether it did.
    async fn update_location(&self, location: &Location) -> Result<bool, StoreError>;

    /// Removes the location where it has this version. Tells whether it did.
    async fn delete_location(&self, id: LocationId, version: i64) -> Result<bool, StoreError>;

    /// The location with this id, if there is one.
    async fn location(&self, id: LocationId) -> Result<Option<Location>, StoreError>;

    /// At most `limit` locations from a place on, those with `name` in their name if given.
    async fn locations(
        &self,
        place: Place,
        name: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Cursor, Location)>, StoreError>;
}

/// What the API and its workers ask of a database about jobs. Times are taken by the clock
/// of the database, so that workers on several machines agree on when a lease ends. Each
/// change of a job's state leaves an event, in the same transaction.
#[async_trait]
pub(crate) trait JobStore {
    /// The job with this id, if there is one.
    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// At most `limit` jobs from a place on that the filter lets through.
    async fn jobs(
        &self,
        place: Place,
        filter: JobFilter,
        limit: u32,
    ) -> Result<Vec<(Cursor, Job)>, StoreError>;

    /// Gives the job that has been due for longest to the caller alone, for the time of the
    /// lease: a queued one, or a running one whose lease has ended. `claim` is the caller's
    /// new name for that.
    async fn claim_job(&self, claim: Uuid, lease: Duration) -> Result<Claimed, StoreError>;

    /// Begins the lease anew, unless the claim was lost or the job called off, and notes
    /// the step if there is a new one.
    async fn hold_job(
        &self,
        id: JobId,
        claim: Uuid,
        lease: Duration,
        step: Option<JobStep>,
    ) -> Result<Hold, StoreError>;

    /// Ends an attempt. The job as it is then, or nothing if the claim was lost: then another
    /// worker has the job, and nothing was changed.
    async fn end_attempt(
        &self,
        id: JobId,
        claim: Uuid,
        ending: &Ending,
    ) -> Result<Option<Job>, StoreError>;

    /// Calls a job off: a queued one ends, of a running one its worker hears. The job as it
    /// is then, if there is one; one that has ended stays as it is.
    async fn cancel_job(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// Queues a dead job anew, with all its attempts. The job as it is then, if there is one;
    /// one that is not dead stays as it is.
    async fn retry_job(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// Keeps what was written until it is stored. Tells whether the claim held.
    async fn keep_draft(&self, id: JobId, claim: Uuid, draft: &str) -> Result<bool, StoreError>;

    /// What an attempt has written that was not stored yet.
    async fn draft(&self, id: JobId) -> Result<Option<String>, StoreError>;

    /// Removes at most `limit` of the jobs that have been over for longer than `kept`, the
    /// oldest first, with their events. How many.
    async fn remove_old_jobs(&self, kept: Duration, limit: u32) -> Result<u64, StoreError>;

    /// At most `limit` of the job's events after this position.
    async fn job_events(
        &self,
        id: JobId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<JobEvent>, StoreError>;

    /// What waits and runs.
    async fn queue(&self) -> Result<Queue, StoreError>;
}

/// What the messages of events say, the same on each backend.
pub(crate) mod messages {
    /// Of a job just made.
    pub(crate) const QUEUED: &str = "waits for a worker";
    /// Of a job that was called off while nobody worked on it.
    pub(crate) const CANCELLED: &str = "called off";
    /// Of a job whose worker is to stop.
    pub(crate) const CANCEL_REQUESTED: &str = "called off; its worker is told";
    /// Of a dead job that is to be tried again.
    pub(crate) const RETRIED: &str = "to be tried again";
    /// Of a job whose last attempt ended with its worker.
    pub(crate) const WORKER_LOST: &str = "the worker of the last attempt was lost";

    /// Of a job that a worker has claimed.
    pub(crate) fn claimed(attempt: i64, was_running: bool) -> String {
        if was_running {
            format!("attempt {attempt} begins: the worker before was lost")
        } else {
            format!("attempt {attempt} begins")
        }
    }
}

/// What the end of an attempt changes in a job, the same on each backend.
struct Finish<'a> {
    /// The state after it; a queued job that was called off meanwhile is cancelled instead.
    state: JobState,
    /// The pause before the next attempt of a queued one.
    after: Duration,
    /// 1 where the attempt does not count.
    attempts_back: i64,
    error: Option<&'a str>,
    content: Option<&'a StoredContent>,
    message: std::borrow::Cow<'a, str>,
}

impl<'a> Finish<'a> {
    fn of(ending: &'a Ending) -> Self {
        let plain = |state, message: &'static str| Self {
            state,
            after: Duration::ZERO,
            attempts_back: 0,
            error: None,
            content: None,
            message: message.into(),
        };
        match ending {
            Ending::Succeeded(content) => Self {
                content: Some(content),
                ..plain(JobState::Succeeded, "the content is stored")
            },
            Ending::Retry { after, error } => Self {
                after: *after,
                error: Some(error),
                message: error.into(),
                ..plain(JobState::Queued, "")
            },
            Ending::Dead { error } => Self {
                error: Some(error),
                message: error.into(),
                ..plain(JobState::Dead, "")
            },
            Ending::Cancelled => plain(JobState::Cancelled, "its worker has stopped"),
            Ending::HandedBack => Self {
                attempts_back: 1,
                ..plain(JobState::Queued, "its worker has to stop and hands it back")
            },
        }
    }
}

/// A time span as databases take it.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

/// Something that a caller asks to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum New<'a> {
    Item(&'a Item),
    Prompt(&'a Prompt),
    Location(&'a Location),
    Job(&'a Job),
}

impl New<'_> {
    fn created_at(self) -> Timestamp {
        match self {
            Self::Item(item) => item.created_at,
            Self::Prompt(prompt) => prompt.created_at,
            Self::Location(location) => location.created_at,
            Self::Job(job) => job.created_at,
        }
    }
}

/// A request that its caller may send twice and that must have one effect.
#[derive(Clone, Debug)]
pub(crate) struct IdempotentRequest {
    /// Who sent it; keys of different callers have nothing to do with each other.
    pub(crate) principal: String,
    /// The caller's own name for it.
    pub(crate) key: String,
    /// SHA-256 of the method, path and body.
    pub(crate) fingerprint: [u8; 32],
}

impl IdempotentRequest {
    /// What a request that came before with the same key means for this one.
    fn compared(&self, fingerprint: &[u8], answer: String) -> Once {
        if fingerprint == self.fingerprint {
            Once::Before(answer)
        } else {
            Once::Conflict
        }
    }
}

/// What became of a request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Once {
    /// It was the first: stored.
    Done,
    /// It came before, with this answer.
    Before(String),
    /// The key came before with another request.
    Conflict,
}

/// How long a key is remembered.
pub(crate) const IDEMPOTENCY_HOURS: i64 = 24;

/// The store that the settings name, without touching it yet.
///
/// # Errors
/// The URL cannot be used.
pub(crate) fn open(settings: &Settings) -> Result<Box<dyn Store>, StoreError> {
    Ok(match settings.database_url.backend() {
        Backend::Sqlite => Box::new(sqlite::SqliteStore::new(&settings.database_url)?),
        Backend::Postgres => Box::new(postgres::PostgresStore::new(
            &settings.database_url,
            settings.database_connections,
        )?),
    })
}

/// The schema found in the database, seen from this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Exactly the migrations of this release.
    Current,
    /// All of ours and more. Migrations only expand, so this release serves on it; if it did
    /// not call itself ready, no rollback could ever become healthy.
    Newer,
    /// Some of our migrations are not applied.
    Behind,
}

/// The connections of one pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolUsage {
    /// `read`, `write`, or `main` where one pool does both.
    pub(crate) name: &'static str,
    /// Working on a request.
    pub(crate) used: usize,
    /// Open and free.
    pub(crate) idle: usize,
    /// Never more than this are open.
    pub(crate) max: u32,
}

/// Why the database did not do what was asked. The texts are for operators, not for callers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Gone, locked by others, or too busy; it may come back by itself.
    #[error("database unavailable: {reason}")]
    Unavailable {
        reason: String,
        retry_after: Duration,
    },
    /// No room left on its disk.
    #[error("database disk full: {reason}")]
    Full { reason: String },
    /// The schema was changed by something other than this project's releases.
    #[error("database schema does not fit this release: {reason}")]
    Incompatible { reason: String },
    /// A defect of ours, in a statement or in what we make of its rows.
    #[error("database statement failed: {reason}")]
    Unexpected { reason: String },
}

impl StoreError {
    /// A word for its kind, for traces.
    fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Full { .. } => "full",
            Self::Incompatible { .. } => "incompatible",
            Self::Unexpected { .. } => "unexpected",
        }
    }
}
