//! Where items live: one trait, one module for each backend.

mod database_file;
mod migrations;
pub(crate) mod sqlite;

use std::time::Duration;

use async_trait::async_trait;

use crate::items::{Cursor, Item, ItemId};

/// What the API asks of a database. Calls may come at the same time from many requests and
/// from other processes.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Brings the schema up to this release, safely beside other processes doing the same.
    /// `create` makes an empty database where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] is worth another try; [`StoreError::Incompatible`] is not.
    async fn migrate(&self, create: bool) -> Result<(), StoreError>;

    /// Compares the schema in the database with what this release needs.
    async fn schema(&self) -> Result<Schema, StoreError>;

    /// Stores a new item.
    async fn insert_item(&self, item: &Item) -> Result<(), StoreError>;

    /// The item with this id, if there is one.
    async fn item(&self, id: ItemId) -> Result<Option<Item>, StoreError>;

    /// At most `limit` items in the order they were stored, after the place a cursor names,
    /// each with the cursor of its own place.
    async fn items_after(
        &self,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<(Cursor, Item)>, StoreError>;

    /// How the connections are used now.
    fn pools(&self) -> Vec<PoolUsage>;

    /// Closes every connection.
    async fn close(&self);
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
    /// `read` or `write`.
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
