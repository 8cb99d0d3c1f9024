//! What is stored, in one SQLite file that several processes of one machine share.
//!
//! WAL lets readers go on beside the one writer. It needs shared memory, so the file must lie
//! on a local disk (sqlite.org/wal.html): not on NFS or EFS with tasks on several hosts.

mod items;
mod jobs;
mod keys;
mod locations;
mod prompts;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, Execute, Executor, Sqlite, SqliteConnection};

use super::database_file::DatabaseFile;
use super::{
    IDEMPOTENCY_HOURS, IdempotentRequest, New, Once, PoolUsage, Schema, Store, StoreError,
    migrations,
};
use crate::fields::now;
use crate::settings::DatabaseUrl;

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for one of our own connections.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite has one writer at a time; more connections would only contend for it.
const WRITERS: u32 = 1;
/// Each has a thread and a page cache.
const READERS: u32 = 3;
/// `PRAGMA cache_size`: negative means KiB. The default, 2 MiB for each connection, would be
/// half of what this process may hold.
const PAGE_CACHE: &str = "-512";

/// A SQLite file, with one connection for writes and a few for reads.
pub(crate) struct SqliteStore {
    options: SqliteConnectOptions,
    file: Arc<DatabaseFile>,
    writer: SqlitePool,
    readers: SqlitePool,
    connection_errors: AtomicU64,
}

impl SqliteStore {
    /// Prepares the store without touching the file: a process whose database is away for
    /// the moment starts nevertheless, not ready.
    pub(crate) fn new(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url.expose()).map_err(|error| {
            StoreError::Incompatible {
                reason: error.to_string(),
            }
        })?;
        Ok(Self::with_options(options))
    }

    fn with_options(options: SqliteConnectOptions) -> Self {
        let options = options
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", PAGE_CACHE)
            .disable_statement_logging();
        let file = Arc::new(DatabaseFile::new(options.get_filename()));
        Self {
            writer: pool(WRITERS, &file).connect_lazy_with(options.clone()),
            readers: pool(READERS, &file)
                .connect_lazy_with(options.clone().pragma("query_only", "on")),
            options,
            file,
            connection_errors: AtomicU64::new(0),
        }
    }

    /// Makes a change; false when there was no such row.
    async fn changes_one<'q>(
        &self,
        change: impl Execute<'q, Sqlite> + 'q,
    ) -> Result<bool, StoreError> {
        let done = self.writer.execute(change).await;
        done.map(|done| done.rows_affected() == 1)
            .map_err(|e| self.error(&e))
    }

    /// Says what an error means, and gives up connections to which it may stick.
    fn error(&self, error: &sqlx::Error) -> StoreError {
        let meaning = meaning(error);
        if matches!(meaning, StoreError::Unavailable { .. }) && !is_contention(error) {
            self.file.distrust_connections();
            self.connection_errors.fetch_add(1, Ordering::Relaxed);
        }
        meaning
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn migrate(&self, create: bool) -> Result<(), StoreError> {
        let mut connection = self
            .options
            .clone()
            .create_if_missing(create)
            .connect()
            .await
            .map_err(|error| self.error(&error))?;
        let outcome = migrate(&mut connection).await;
        // A failed close says nothing about the schema.
        let _ = connection.close().await;
        outcome
    }

    async fn schema(&self) -> Result<Schema, StoreError> {
        let mut connection = match self.readers.acquire().await {
            Ok(connection) => connection,
            Err(error) => return Err(self.error(&error)),
        };
        schema(&mut connection)
            .await
            .map_err(|error| error.meaning(|error| self.error(error)))
    }

    async fn insert(&self, new: New<'_>) -> Result<(), StoreError> {
        let store = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            insert(&mut transaction, new).await?;
            transaction.commit().await
        };
        store.await.map_err(|e: sqlx::Error| self.error(&e))
    }

    async fn insert_once(
        &self,
        new: New<'_>,
        request: &IdempotentRequest,
        answer: &str,
    ) -> Result<Once, StoreError> {
        let once = async {
            let now = new.created_at().as_millisecond();
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query("DELETE FROM idempotency_keys WHERE created_at_ms < ?")
                .bind(now - IDEMPOTENCY_HOURS * 3_600_000)
                .execute(&mut *transaction)
                .await?;
            let first = sqlx::query(
                "INSERT INTO idempotency_keys (principal, key, body_sha256, answer, created_at_ms) \
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(&request.principal)
            .bind(&request.key)
            .bind(request.fingerprint.as_slice())
            .bind(answer)
            .bind(now)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if first == 1 {
                insert(&mut transaction, new).await?;
                transaction.commit().await?;
                return Ok(Once::Done);
            }
            let (fingerprint, answer): (Vec<u8>, String) = sqlx::query_as(
                "SELECT body_sha256, answer FROM idempotency_keys WHERE principal = ? AND key = ?",
            )
            .bind(&request.principal)
            .bind(&request.key)
            .fetch_one(&mut *transaction)
            .await?;
            transaction.rollback().await?;
            Ok(request.compared(&fingerprint, answer))
        };
        once.await.map_err(|e: sqlx::Error| self.error(&e))
    }

    async fn answered(&self, request: &IdempotentRequest) -> Result<Option<Once>, StoreError> {
        let found: Option<(Vec<u8>, String)> = sqlx::query_as(
            "SELECT body_sha256, answer FROM idempotency_keys \
             WHERE principal = ? AND key = ? AND created_at_ms >= ?",
        )
        .bind(&request.principal)
        .bind(&request.key)
        .bind(now().as_millisecond() - IDEMPOTENCY_HOURS * 3_600_000)
        .fetch_optional(&self.readers)
        .await
        .map_err(|e| self.error(&e))?;
        Ok(found.map(|(fingerprint, answer)| request.compared(&fingerprint, answer)))
    }

    fn connection_errors(&self) -> u64 {
        self.connection_errors.load(Ordering::Relaxed)
    }

    fn pools(&self) -> Vec<PoolUsage> {
        [
            ("write", &self.writer, WRITERS),
            ("read", &self.readers, READERS),
        ]
        .map(|(name, pool, max)| {
            let idle = pool.num_idle();
            PoolUsage {
                name,
                used: (pool.size() as usize).saturating_sub(idle),
                idle,
                max,
            }
        })
        .to_vec()
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn pool(connections: u32, file: &Arc<DatabaseFile>) -> SqlitePoolOptions {
    let file = Arc::clone(file);
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(None)
        // The check of the file below finds what a ping would not.
        .test_before_acquire(false)
        .before_acquire(move |_, connection| {
            let is_open = file.is_open_in(connection.age);
            Box::pin(async move { Ok(is_open) })
        })
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    switch_to_wal(connection).await?;
    // The usual start: nothing to do, so no wait for a writer either.
    let found = schema(connection).await;
    if found.map_err(|error| error.meaning(meaning))? != Schema::Behind {
        return Ok(());
    }
    // sqlx does not lock SQLite for migrations: without this transaction two processes that
    // start together would both apply the same one. Its own transactions become savepoints.
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(|error| meaning(&error))?;
    migrations::sqlite()
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                meaning(&error)
            }
            error => StoreError::Incompatible {
                reason: error.to_string(),
            },
        })?;
    transaction.commit().await.map_err(|error| meaning(&error))
}

/// Persistent in the file. The switch cannot wait for others with the busy timeout, so it is
/// tried again here.
async fn switch_to_wal(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const PAUSE: Duration = Duration::from_millis(10);
    let deadline = tokio::time::Instant::now() + BUSY_TIMEOUT;
    loop {
        let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL")
            .fetch_one(&mut *connection)
            .await;
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(StoreError::Incompatible {
                    reason: format!("journal mode stays {mode}; put the file on a local disk"),
                });
            }
            Err(error) if is_contention(&error) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(meaning(&error)),
        }
    }
}

async fn schema(connection: &mut SqliteConnection) -> Result<Schema, SchemaError> {
    let exists: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if !exists {
        return Ok(Schema::Behind);
    }
    let applied: Vec<migrations::Applied> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success")
            .fetch_all(connection)
            .await?;
    migrations::compare(&applied, &migrations::ours(&migrations::sqlite()))
        .map_err(SchemaError::Edited)
}

/// Why the schema could not be compared.
enum SchemaError {
    Database(sqlx::Error),
    /// The version of a migration that ran with another text than ours.
    Edited(i64),
}

impl From<sqlx::Error> for SchemaError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl SchemaError {
    fn meaning(self, of_database: impl FnOnce(&sqlx::Error) -> StoreError) -> StoreError {
        match self {
            Self::Database(error) => of_database(&error),
            Self::Edited(version) => StoreError::Incompatible {
                reason: format!("migration {version} has run with another text than ours"),
            },
        }
    }
}

async fn insert(connection: &mut SqliteConnection, new: New<'_>) -> Result<(), sqlx::Error> {
    match new {
        New::Item(item) => items::insert(connection, item).await,
        New::Prompt(prompt) => prompts::insert(connection, prompt).await,
        New::Location(location) => locations::insert(connection, location).await,
        New::Job(job) => jobs::insert(connection, job).await,
    }
}

fn unexpected(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unexpected {
        reason: error.to_string(),
    }
}

fn timestamp(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(unexpected)
}

/// The primary result code of SQLite (sqlite.org/rescode.html): the low byte of the extended.
fn result_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
    Some(code & 0xff)
}

const SQLITE_ERROR: u32 = 1;
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_PROTOCOL: u32 = 15;
const SQLITE_SCHEMA: u32 = 17;
const SQLITE_NOTADB: u32 = 26;

/// Others hold what we need; our connection is fine.
fn is_contention(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut)
        || matches!(
            result_code(error),
            Some(SQLITE_BUSY | SQLITE_LOCKED | SQLITE_PROTOCOL)
        )
}

fn meaning(error: &sqlx::Error) -> StoreError {
    let reason = error.to_string();
    let unavailable = |reason| StoreError::Unavailable {
        reason,
        retry_after: Duration::from_secs(1),
    };
    match result_code(error) {
        Some(SQLITE_FULL) => StoreError::Full { reason },
        Some(
            SQLITE_BUSY | SQLITE_LOCKED | SQLITE_READONLY | SQLITE_IOERR | SQLITE_CORRUPT
            | SQLITE_CANTOPEN | SQLITE_PROTOCOL | SQLITE_SCHEMA | SQLITE_NOTADB,
        ) => unavailable(reason),
        // Another file is in its place, and it is not migrated yet.
        Some(SQLITE_ERROR)
            if reason.contains("no such table") || reason.contains("no such column") =>
        {
            unavailable(reason)
        }
        Some(_) => StoreError::Unexpected { reason },
        None => match error {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Io(_) => unavailable(reason),
            _ => StoreError::Unexpected { reason },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::{Item, Listing, NewItem};
    use crate::storage::ItemStore;

    fn item(name: &str) -> Item {
        let new: NewItem = serde_json::from_value(
            serde_json::json!({"name": name, "description": "x".repeat(4_000)}),
        )
        .expect("the shape of an item");
        new.check().expect("a valid item")
    }

    #[tokio::test]
    async fn a_full_disk_refuses_writes_and_keeps_reading() {
        let folder = tempfile::tempdir().expect("a folder");
        // SQLite answers SQLITE_FULL at this limit exactly as on a full disk.
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("small.db"))
            .pragma("max_page_count", "64");
        let store = SqliteStore::with_options(options);
        store.migrate(true).await.expect("it fits");
        let mut stored = 0;
        let error = loop {
            match store.insert(New::Item(&item("a"))).await {
                Ok(()) => stored += 1,
                Err(error) => break error,
            }
            assert!(stored < 100, "64 pages hold no 100 items of 4 kB");
        };
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert!(stored > 0);
        let found = store
            .items(&Listing::default(), 100)
            .await
            .expect("readable");
        assert_eq!(found.len(), stored);
    }

    #[tokio::test]
    async fn migrating_at_the_same_moment_waits_instead_of_colliding() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("new.db");
            let stores: Vec<_> = (0..8)
                .map(|_| SqliteStore::with_options(SqliteConnectOptions::new().filename(&path)))
                .collect();
            let outcomes = futures::future::join_all(stores.iter().map(|s| s.migrate(true))).await;
            for outcome in outcomes {
                outcome.expect("each finds the schema or makes it");
            }
            assert_eq!(stores[0].schema().await.expect("read"), Schema::Current);
        }
    }

    #[tokio::test]
    async fn a_migration_changed_after_it_ran_stops_the_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SqliteConnectOptions::new().filename(folder.path().join("a.db"));
        let store = SqliteStore::with_options(options);
        store.migrate(true).await.expect("migrated");
        sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00'")
            .execute(&store.writer)
            .await
            .expect("changed");
        let error = store.migrate(true).await.expect_err("not ours any more");
        assert!(matches!(error, StoreError::Incompatible { .. }), "{error}");
    }
}
