//! Locks that hold on this machine, for environments without a lock bucket.

use super::{Store, StoreError};
use crate::model::{LockRecord, RunId};
use sqlx::Row;

impl Store {
    /// Who holds the lock of that place.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read_lock(&self, place: &str) -> Result<Option<LockRecord>, StoreError> {
        let pool = self.readable()?;
        let row = sqlx::query("SELECT version, record FROM locks WHERE place = ?1")
            .bind(place)
            .fetch_optional(pool)
            .await
            .map_err(|error| self.failed(error))?;
        let Some(row) = row else { return Ok(None) };
        let read =
            || -> Result<(i64, String), sqlx::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        let (version, text) = read().map_err(|error| self.failed(error))?;
        let mut record: LockRecord = serde_json::from_str(&text)
            .map_err(|error| self.unreadable("cannot read a lock", &error))?;
        record.version = Some(version.to_string());
        Ok(Some(record))
    }

    /// Takes the lock if nobody has it, or, with `replacing`, if it is still exactly that one.
    /// False when somebody was faster.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn take_lock(
        &self,
        place: &str,
        record: &LockRecord,
        replacing: Option<&LockRecord>,
    ) -> Result<bool, StoreError> {
        let pool = self.writable()?;
        let text = self.to_json(record)?;
        let done = match replacing {
            None => {
                sqlx::query(
                    "INSERT INTO locks (place, version, record) VALUES (?1, 1, ?2) \
                     ON CONFLICT DO NOTHING",
                )
                .bind(place)
                .bind(text)
                .execute(pool)
                .await
            }
            Some(old) => {
                let version: i64 = old
                    .version
                    .as_deref()
                    .and_then(|version| version.parse().ok())
                    .unwrap_or_default();
                sqlx::query(
                    "UPDATE locks SET version = version + 1, record = ?2 \
                     WHERE place = ?1 AND version = ?3 AND record ->> '$.run' = ?4",
                )
                .bind(place)
                .bind(text)
                .bind(version)
                .bind(old.run.as_str())
                .execute(pool)
                .await
            }
        }
        .map_err(|error| self.failed(error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Lets the lock go if it is still that run's.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn release_lock(&self, place: &str, run: &RunId) -> Result<(), StoreError> {
        let pool = self.writable()?;
        sqlx::query("DELETE FROM locks WHERE place = ?1 AND record ->> '$.run' = ?2")
            .bind(place)
            .bind(run.as_str())
            .execute(pool)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }
}
