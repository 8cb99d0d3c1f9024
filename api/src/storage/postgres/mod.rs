//! What is stored, in a Postgres database that many tasks share.
//!
//! `position` is taken when an insert starts, not when it commits: of two inserts at the same
//! moment the later number may be seen first, and a caller who reads the very end of the list
//! in between meets the other one only when it starts again.

mod connections;
mod items;
mod jobs;
mod keys;
mod locations;
mod prompts;

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Execute, Executor, PgConnection, Postgres};

use super::{
    IDEMPOTENCY_HOURS, IdempotentRequest, New, Once, PoolUsage, Schema, Store, StoreError,
    migrations,
};
use crate::fields::now;
use crate::settings::DatabaseUrl;
use connections::{ACQUIRE_TIMEOUT, Connections};

/// The server gives a statement up after this; below the time limit of a request.
const STATEMENT_TIMEOUT: &str = "10s";

/// A Postgres database behind one pool.
pub(crate) struct PostgresStore {
    options: PgConnectOptions,
    pool: Connections,
    connection_errors: AtomicU64,
}

impl PostgresStore {
    /// Prepares the store without a connection: a process whose database is away for the
    /// moment starts nevertheless, not ready.
    pub(crate) fn new(url: &DatabaseUrl, connections_max: u32) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url.expose())
            .map_err(|error| StoreError::Incompatible {
                reason: error.to_string(),
            })?
            .application_name("opsconsole-api")
            .disable_statement_logging();
        let limited = options
            .clone()
            .options([("statement_timeout", STATEMENT_TIMEOUT)]);
        let pool = Connections::new(limited, connections_max).map_err(unexpected)?;
        Ok(Self {
            options,
            pool,
            connection_errors: AtomicU64::new(0),
        })
    }

    /// Makes a change; false when there was no such row.
    async fn changes_one<'q>(
        &self,
        change: impl Execute<'q, Postgres> + 'q,
    ) -> Result<bool, StoreError> {
        let done = self.pool.execute(change).await;
        done.map(|done| done.rows_affected() == 1)
            .map_err(|e| self.error(&e))
    }

    fn error(&self, error: &sqlx::Error) -> StoreError {
        let meaning = meaning(error);
        if matches!(meaning, StoreError::Unavailable { .. }) {
            self.connection_errors.fetch_add(1, Ordering::Relaxed);
        }
        meaning
    }
}

#[async_trait]
impl Store for PostgresStore {
    /// `create` means nothing here: databases are made by those who own the server.
    async fn migrate(&self, _create: bool) -> Result<(), StoreError> {
        let connecting = tokio::time::timeout(ACQUIRE_TIMEOUT, self.options.connect());
        let mut connection = match connecting.await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(self.error(&error)),
            Err(_) => return Err(self.error(&sqlx::Error::PoolTimedOut)),
        };
        // Holds an advisory lock meanwhile, so that of two that start together one waits.
        let outcome = migrations::postgres()
            .run_direct(None, &mut connection, false)
            .await;
        // A failed close says nothing about the schema.
        let _ = connection.close().await;
        outcome.map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                self.error(&error)
            }
            error => StoreError::Incompatible {
                reason: error.to_string(),
            },
        })
    }

    async fn schema(&self) -> Result<Schema, StoreError> {
        let read = async {
            let mut lease = self.pool.acquire().await?;
            let applied = applied(&mut lease).await?;
            lease.finish();
            Ok(applied)
        };
        let applied = read.await.map_err(|e: sqlx::Error| self.error(&e))?;
        migrations::compare(&applied, &migrations::ours(&migrations::postgres())).map_err(
            |version| StoreError::Incompatible {
                reason: format!("migration {version} has run with another text than ours"),
            },
        )
    }

    async fn insert(&self, new: New<'_>) -> Result<(), StoreError> {
        let store = async {
            // One statement commits by itself, without the two round trips of a transaction.
            if let New::Item(item) = new {
                return items::insert(&self.pool, item).await;
            }
            let mut transaction = self.pool.begin().await?;
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
            let mut transaction = self.pool.begin().await?;
            sqlx::query!(
                "DELETE FROM idempotency_keys WHERE created_at_ms < $1",
                now - IDEMPOTENCY_HOURS * 3_600_000,
            )
            .execute(&mut *transaction)
            .await?;
            // Waits for another request with the same key that is not committed yet.
            let first = sqlx::query!(
                "INSERT INTO idempotency_keys (principal, key, body_sha256, answer, created_at_ms) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                request.principal,
                request.key,
                request.fingerprint.as_slice(),
                answer,
                now,
            )
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if first == 1 {
                insert(&mut transaction, new).await?;
                transaction.commit().await?;
                return Ok(Once::Done);
            }
            let before = sqlx::query!(
                "SELECT body_sha256, answer FROM idempotency_keys \
                 WHERE principal = $1 AND key = $2",
                request.principal,
                request.key,
            )
            .fetch_one(&mut *transaction)
            .await?;
            Ok(request.compared(&before.body_sha256, before.answer))
        };
        once.await.map_err(|e: sqlx::Error| self.error(&e))
    }

    async fn answered(&self, request: &IdempotentRequest) -> Result<Option<Once>, StoreError> {
        let found = sqlx::query!(
            "SELECT body_sha256, answer FROM idempotency_keys \
             WHERE principal = $1 AND key = $2 AND created_at_ms >= $3",
            request.principal,
            request.key,
            now().as_millisecond() - IDEMPOTENCY_HOURS * 3_600_000,
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.error(&e))?;
        Ok(found.map(|found| request.compared(&found.body_sha256, found.answer)))
    }

    fn connection_errors(&self) -> u64 {
        self.connection_errors.load(Ordering::Relaxed)
    }

    fn pools(&self) -> Vec<PoolUsage> {
        vec![self.pool.usage()]
    }

    async fn close(&self) {
        self.pool.close();
    }
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<migrations::Applied>, sqlx::Error> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(Vec::new());
    }
    // The table and its shape are sqlx's own: nothing to check when we are built.
    sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success")
        .fetch_all(connection)
        .await
}

async fn insert(connection: &mut PgConnection, new: New<'_>) -> Result<(), sqlx::Error> {
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

/// What an error means, by its SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html).
fn meaning(error: &sqlx::Error) -> StoreError {
    let reason = error.to_string();
    let retry_after = Duration::from_secs(1);
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some("53100") => StoreError::Full { reason },
        // Undefined table or column: another database in its place, not migrated yet.
        Some("42P01" | "42703") => StoreError::Unavailable {
            reason,
            retry_after,
        },
        // Connection, authorization (a password being rotated), read-only standby, rollback by
        // the server, database missing, resources, lock time, operator intervention, system.
        Some(code)
            if ["08", "28", "25006", "40", "3D", "53", "55P03", "57", "58"]
                .iter()
                .any(|class| code.starts_with(class)) =>
        {
            StoreError::Unavailable {
                reason,
                retry_after,
            }
        }
        Some(_) => StoreError::Unexpected { reason },
        None => match error {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => StoreError::Unavailable {
                reason,
                retry_after,
            },
            _ => StoreError::Unexpected { reason },
        },
    }
}
