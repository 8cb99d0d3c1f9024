//! What outlives the process: audit, history and the cache of the last seen state, in SQLite.
//!
//! Opening never fails: without a usable file the console still shows what is live, and only
//! writing is refused. That matters because a change that cannot be recorded must not be made.

mod audit;
mod error;
mod judgements;
mod locks;
mod open;
mod seen;
#[cfg(test)]
mod tests;

pub use audit::{HistoryQuery, NewRun, RunRecord};
pub use error::StoreError;
pub use seen::{Aged, Seen};

use jiff::Timestamp;
use sqlx::SqlitePool;
use std::{path::PathBuf, sync::Arc};

/// Whether the store can be written, or only read, or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything works.
    ReadWrite,
    /// The file can be read only; mutations are refused.
    ReadOnly {
        /// Why.
        cause: String,
    },
    /// There is no store; nothing is remembered and mutations are refused.
    Absent {
        /// Why.
        cause: String,
    },
}

/// The store. Cheap to clone; safe with several consoles on one file.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    pool: Option<SqlitePool>,
    access: Access,
}

impl Store {
    /// Whether it can be written.
    pub fn access(&self) -> &Access {
        &self.inner.access
    }

    /// The file.
    pub fn path(&self) -> &std::path::Path {
        &self.inner.path
    }

    /// Fails when nothing could be written, without trying.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] with the reason found when it was opened.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        self.writable().map(|_| ())
    }

    /// Waits for what is being written and closes the file.
    pub async fn close(&self) {
        if let Some(pool) = &self.inner.pool {
            pool.close().await;
        }
    }

    fn writable(&self) -> Result<&SqlitePool, StoreError> {
        match (&self.inner.access, &self.inner.pool) {
            (Access::ReadWrite, Some(pool)) => Ok(pool),
            (Access::ReadOnly { cause } | Access::Absent { cause }, _) => {
                Err(StoreError::NotWritable {
                    path: self.inner.path.display().to_string(),
                    cause: cause.clone(),
                })
            }
            (Access::ReadWrite, None) => Err(self.not_open()),
        }
    }

    fn readable(&self) -> Result<&SqlitePool, StoreError> {
        self.inner.pool.as_ref().ok_or_else(|| self.not_open())
    }

    fn not_open(&self) -> StoreError {
        let cause = match &self.inner.access {
            Access::Absent { cause } | Access::ReadOnly { cause } => cause.clone(),
            Access::ReadWrite => "it is not open".to_owned(),
        };
        StoreError::NotWritable {
            path: self.inner.path.display().to_string(),
            cause,
        }
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        StoreError::from_sqlx(&self.inner.path, &error)
    }

    fn unreadable(&self, what: &str, cause: &dyn std::fmt::Display) -> StoreError {
        StoreError::Database {
            path: self.inner.path.display().to_string(),
            cause: format!("{what}: {cause}"),
        }
    }

    fn to_json<T: serde::Serialize>(&self, value: &T) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|error| self.unreadable("cannot write", &error))
    }
}

/// Milliseconds since the epoch, as the tables hold times.
fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The time of a column. Out of range cannot come from us, and reads as the epoch.
fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
