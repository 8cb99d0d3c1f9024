//! Where everything lives that outlasts the process: a trait for each resource, one folder
//! for each backend.

mod database_file;
mod migrations;
pub(crate) mod postgres;
pub(crate) mod sqlite;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod defective;

use std::time::Duration;

use async_trait::async_trait;

use jiff::Timestamp;

use crate::auth::ApiKey;
use crate::items::{Cursor, Item, ItemId, Listing};
use crate::settings::{Backend, Settings};

/// What the API asks of a database. Calls may come at the same time from many requests and
/// from other processes.
#[async_trait]
pub(crate) trait Store: ItemStore + KeyStore + Send + Sync + 'static {
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

/// Something that a caller asks to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum New<'a> {
    Item(&'a Item),
}

impl New<'_> {
    fn created_at(self) -> Timestamp {
        match self {
            Self::Item(item) => item.created_at,
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
