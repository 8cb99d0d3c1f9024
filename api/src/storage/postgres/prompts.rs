//! Prompts and all their versions in Postgres.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{PostgresStore, timestamp};
use crate::items::Cursor;
use crate::paging::Place;
use crate::prompts::{Prompt, PromptId};
use crate::storage::{PromptStore, StoreError};

#[async_trait]
impl PromptStore for PostgresStore {
    async fn update_prompt(&self, prompt: &Prompt) -> Result<bool, StoreError> {
        let update = async {
            let mut transaction = self.pool.begin().await?;
            let done = sqlx::query!(
                "UPDATE prompts SET name = $1, text = $2, search_query = $3, version = $4, \
                 updated_at_ms = $5 WHERE id = $6 AND version = $4::bigint - 1",
                prompt.name,
                prompt.text,
                prompt.search_query,
                prompt.version,
                prompt.updated_at.as_millisecond(),
                prompt.id.uuid(),
            )
            .execute(&mut *transaction)
            .await?;
            if done.rows_affected() == 0 {
                transaction.rollback().await?;
                return Ok(false);
            }
            keep_version(&mut transaction, prompt).await?;
            transaction.commit().await?;
            Ok(true)
        };
        update.await.map_err(|e: sqlx::Error| self.error(&e))
    }

    async fn prompt(&self, id: PromptId) -> Result<Option<Prompt>, StoreError> {
        sqlx::query_as!(
            PromptRow,
            "SELECT position, id, name, text, search_query, version, created_at_ms, \
             updated_at_ms FROM prompts WHERE id = $1",
            id.uuid(),
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .map(PromptRow::prompt)
        .transpose()
    }

    // `created_at_ms` of a version is when it was made.
    async fn prompt_version(
        &self,
        id: PromptId,
        version: i64,
    ) -> Result<Option<Prompt>, StoreError> {
        sqlx::query_as!(
            PromptRow,
            "SELECT p.position, p.id, v.name, v.text, v.search_query, v.version, \
             p.created_at_ms, v.created_at_ms AS updated_at_ms \
             FROM prompt_versions v JOIN prompts p ON p.id = v.prompt_id \
             WHERE v.prompt_id = $1 AND v.version = $2",
            id.uuid(),
            version,
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .map(PromptRow::prompt)
        .transpose()
    }

    async fn prompt_versions(
        &self,
        id: PromptId,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Prompt>, StoreError> {
        sqlx::query_as!(
            PromptRow,
            "SELECT p.position, p.id, v.name, v.text, v.search_query, v.version, \
             p.created_at_ms, v.created_at_ms AS updated_at_ms \
             FROM prompt_versions v JOIN prompts p ON p.id = v.prompt_id \
             WHERE v.prompt_id = $1 AND v.version < $2 ORDER BY v.version DESC LIMIT $3",
            id.uuid(),
            before,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .into_iter()
        .map(PromptRow::prompt)
        .collect()
    }

    async fn prompts(&self, place: Place, limit: u32) -> Result<Vec<(Cursor, Prompt)>, StoreError> {
        // Not checked when it is built: a direction cannot be a parameter.
        let (compare, direction) = place.sql();
        sqlx::query_as::<_, PromptRow>(AssertSqlSafe(format!(
            "SELECT position, id, name, text, search_query, version, created_at_ms, \
             updated_at_ms FROM prompts WHERE position {compare} $1 \
             ORDER BY position {direction} LIMIT $2"
        )))
        .bind(place.start)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .into_iter()
        .map(|row| Ok((Cursor::at(row.position), row.prompt()?)))
        .collect()
    }
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    prompt: &Prompt,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO prompts (id, name, text, search_query, version, created_at_ms, \
         updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        prompt.id.uuid(),
        prompt.name,
        prompt.text,
        prompt.search_query,
        prompt.version,
        prompt.created_at.as_millisecond(),
        prompt.updated_at.as_millisecond(),
    )
    .execute(&mut *connection)
    .await?;
    keep_version(connection, prompt).await
}

async fn keep_version(connection: &mut PgConnection, prompt: &Prompt) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO prompt_versions (prompt_id, version, name, text, search_query, \
         created_at_ms) VALUES ($1, $2, $3, $4, $5, $6)",
        prompt.id.uuid(),
        prompt.version,
        prompt.name,
        prompt.text,
        prompt.search_query,
        prompt.updated_at.as_millisecond(),
    )
    .execute(connection)
    .await
    .map(drop)
}

#[derive(sqlx::FromRow)]
struct PromptRow {
    position: i64,
    id: Uuid,
    name: String,
    text: String,
    search_query: String,
    version: i64,
    created_at_ms: i64,
    updated_at_ms: i64,
}

impl PromptRow {
    fn prompt(self) -> Result<Prompt, StoreError> {
        Ok(Prompt {
            id: self.id.into(),
            name: self.name,
            text: self.text,
            search_query: self.search_query,
            version: self.version,
            created_at: timestamp(self.created_at_ms)?,
            updated_at: timestamp(self.updated_at_ms)?,
        })
    }
}
