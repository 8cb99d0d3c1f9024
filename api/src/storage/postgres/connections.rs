//! The connections to Postgres that requests share.
//!
//! sqlx's own pool asks a connection whether it lives each time that it is given back: a round trip for each
//! statement, and as much work as reading one row. Here only what was given up half-way is looked after.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{
    ConnectOptions, Connection, Describe, Either, Error, Execute, Executor, PgConnection, Postgres,
    SqlStr,
};
use tokio::time::timeout;

use crate::storage::PoolUsage;

/// How long a request waits for a connection, and giving one back half-way may take.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was not used for this long is asked whether it lives before it is.
const REST_TRUSTED: Duration = Duration::from_secs(5);
/// Older ones are replaced, so that after a failover or a change of passwords none lasts.
const AGE_MAX: Duration = Duration::from_secs(30 * 60);

/// As many connections as are allowed, made when they are needed.
pub(super) struct Connections {
    pool: managed::Pool<Connector>,
    max: u32,
}

/// Makes connections, and judges them before they are used again.
struct Connector(PgConnectOptions);

impl managed::Manager for Connector {
    type Type = PgConnection;
    type Error = Error;

    async fn create(&self) -> Result<PgConnection, Error> {
        self.0.connect().await
    }

    async fn recycle(
        &self,
        connection: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<Error> {
        if metrics.age() > AGE_MAX {
            return Err(RecycleError::message("it is old"));
        }
        if metrics.last_used() > REST_TRUSTED {
            connection.ping().await?;
        }
        Ok(())
    }
}

impl Connections {
    /// Without a connection so far.
    pub(super) fn new(options: PgConnectOptions, max: u32) -> Result<Self, Error> {
        let pool = managed::Pool::builder(Connector(options))
            .max_size(max as usize)
            .build()
            .map_err(|error| Error::Configuration(error.into()))?;
        Ok(Self { pool, max })
    }

    /// One of them, as soon as one is free.
    pub(super) async fn acquire(&self) -> Result<Lease, Error> {
        let found = timeout(ACQUIRE_TIMEOUT, self.pool.get()).await;
        let connection = found
            .map_err(|_| Error::PoolTimedOut)?
            .map_err(|error| match error {
                PoolError::Backend(error) => error,
                _ => Error::PoolClosed,
            })?;
        Ok(Lease {
            connection: Some(connection),
            is_in_transaction: false,
        })
    }

    /// A transaction; rolled back unless it is committed.
    pub(super) async fn begin(&self) -> Result<Transaction, Error> {
        let mut lease = self.acquire().await?;
        lease.is_in_transaction = true;
        lease.execute("BEGIN").await?;
        Ok(Transaction(lease))
    }

    pub(super) fn usage(&self) -> PoolUsage {
        let status = self.pool.status();
        PoolUsage {
            name: "main",
            used: status.size.saturating_sub(status.available),
            idle: status.available,
            max: self.max,
        }
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connections")
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

/// A connection for one use. Given back by [`Self::finish`]; otherwise what it was used for has failed or was
/// given up, and it is brought back into order first.
pub(super) struct Lease {
    /// Nothing once it was given back.
    connection: Option<Object<Connector>>,
    is_in_transaction: bool,
}

impl Lease {
    /// Its work is done, and it can be used for other work at once.
    pub(super) fn finish(mut self) {
        self.connection = None;
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection
            .as_deref()
            .expect("only `finish` and `drop` take it")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection
            .as_deref_mut()
            .expect("only `finish` and `drop` take it")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let is_in_transaction = self.is_in_transaction;
        let in_order = async move {
            let brought = async {
                if is_in_transaction {
                    connection.execute("ROLLBACK").await?;
                }
                connection.ping().await
            };
            // One that cannot be brought into order is closed: Postgres then rolls back by itself.
            if !matches!(timeout(ACQUIRE_TIMEOUT, brought).await, Ok(Ok(()))) {
                drop(Object::take(connection));
            }
        };
        // At the end of the process there may be no runtime left, and nothing to bring into order.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(in_order);
        }
    }
}

/// What is done on it is seen by others when it is committed, all at once.
pub(super) struct Transaction(Lease);

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.end("COMMIT").await
    }

    pub(super) async fn rollback(self) -> Result<(), Error> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, statement: &'static str) -> Result<(), Error> {
        self.0.execute(statement).await?;
        self.0.finish();
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

/// One statement on whichever connection is free.
impl<'c> Executor<'c> for &'c Connections {
    type Database = Postgres;

    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<PgQueryResult, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut lease = self.acquire().await?;
            let done = lease.execute(query).await?;
            lease.finish();
            Ok(done)
        })
    }

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        // Answers are a page at most, so none is worth holding a connection while it is read.
        let all = async move {
            let mut lease = self.acquire().await?;
            let all: Vec<_> = lease.fetch_many(query).try_collect().await?;
            lease.finish();
            Ok::<_, Error>(stream::iter(all).map(Ok))
        };
        stream::once(all).try_flatten().boxed()
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut lease = self.acquire().await?;
            let rows = lease.fetch_all(query).await?;
            lease.finish();
            Ok(rows)
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut lease = self.acquire().await?;
            let row = lease.fetch_optional(query).await?;
            lease.finish();
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let mut lease = self.acquire().await?;
            let statement = lease.prepare_with(sql, parameters).await?;
            lease.finish();
            Ok(statement)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let mut lease = self.acquire().await?;
            let description = lease.describe(sql).await?;
            lease.finish();
            Ok(description)
        })
    }
}

#[cfg(test)]
mod tests;
