//! What was held against revisions, kept for rollbacks to come.

use super::{Store, StoreError, millis};
use crate::model::{EnvironmentName, Judgement};
use sqlx::Row;

impl Store {
    /// Keeps a judgement. The first of its kind on a revision stands.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn judge(&self, judgement: &Judgement) -> Result<(), StoreError> {
        let pool = self.writable()?;
        sqlx::query(
            "INSERT INTO judgements (environment, revision, verdict, judgement, at) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )
        .bind(judgement.environment.as_str())
        .bind(judgement.revision.as_str())
        .bind(judgement.verdict.word())
        .bind(self.to_json(judgement)?)
        .bind(millis(judgement.at))
        .execute(pool)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// All judgements on an environment's revisions, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn judgements(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<Judgement>, StoreError> {
        let pool = self.readable()?;
        let rows =
            sqlx::query("SELECT judgement FROM judgements WHERE environment = ?1 ORDER BY at DESC")
                .bind(environment.as_str())
                .fetch_all(pool)
                .await
                .map_err(|error| self.failed(error))?;
        // One that cannot be read must not vanish: a bad revision would look good again.
        rows.iter()
            .map(|row| {
                let text: String = row.try_get(0).map_err(|error| self.failed(error))?;
                serde_json::from_str(&text)
                    .map_err(|error| self.unreadable("cannot read a judgement", &error))
            })
            .collect()
    }
}
