//! Prompts and all their versions in SQLite.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{SqliteStore, timestamp, unexpected};
use crate::items::Cursor;
use crate::paging::Place;
use crate::prompts::{Prompt, PromptId};
use crate::storage::{PromptStore, StoreError};

const COLUMNS: &str = "position, id, name, text, search_query, version, created_at_ms, \
                       updated_at_ms";
/// The same of an older version; `created_at_ms` of a version is when it was made.
const VERSIONS: &str = "SELECT p.position, p.id, v.name, v.text, v.search_query, v.version, p.created_at_ms, \
     v.created_at_ms AS updated_at_ms \
     FROM prompt_versions v JOIN prompts p ON p.id = v.prompt_id WHERE v.prompt_id = ?";

#[async_trait]
impl PromptStore for SqliteStore {
    async fn update_prompt(&self, prompt: &Prompt) -> Result<bool, StoreError> {
        let update = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let done = sqlx::query(
                "UPDATE prompts SET name = ?1, text = ?2, search_query = ?3, version = ?4, \
                 updated_at_ms = ?5 WHERE id = ?6 AND version = ?4 - 1",
            )
            .bind(&prompt.name)
            .bind(&prompt.text)
            .bind(&prompt.search_query)
            .bind(prompt.version)
            .bind(prompt.updated_at.as_millisecond())
            .bind(prompt.id.to_string())
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
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM prompts WHERE id = ?"
        )))
        .bind(id.to_string())
        .fetch_optional(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .map(|row| placed_prompt(&row).map(|(_, prompt)| prompt))
        .transpose()
    }

    async fn prompt_version(
        &self,
        id: PromptId,
        version: i64,
    ) -> Result<Option<Prompt>, StoreError> {
        sqlx::query(AssertSqlSafe(format!("{VERSIONS} AND v.version = ?")))
            .bind(id.to_string())
            .bind(version)
            .fetch_optional(&self.readers)
            .await
            .map_err(|e| self.error(&e))?
            .map(|row| placed_prompt(&row).map(|(_, prompt)| prompt))
            .transpose()
    }

    async fn prompt_versions(
        &self,
        id: PromptId,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Prompt>, StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "{VERSIONS} AND v.version < ? ORDER BY v.version DESC LIMIT ?"
        )))
        .bind(id.to_string())
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .iter()
        .map(|row| placed_prompt(row).map(|(_, prompt)| prompt))
        .collect()
    }

    async fn prompts(&self, place: Place, limit: u32) -> Result<Vec<(Cursor, Prompt)>, StoreError> {
        let (compare, direction) = place.sql();
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM prompts WHERE position {compare} ? \
             ORDER BY position {direction} LIMIT ?"
        )))
        .bind(place.start)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .iter()
        .map(placed_prompt)
        .collect()
    }
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    prompt: &Prompt,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO prompts (id, name, text, search_query, version, created_at_ms, \
         updated_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(prompt.id.to_string())
    .bind(&prompt.name)
    .bind(&prompt.text)
    .bind(&prompt.search_query)
    .bind(prompt.version)
    .bind(prompt.created_at.as_millisecond())
    .bind(prompt.updated_at.as_millisecond())
    .execute(&mut *connection)
    .await?;
    keep_version(connection, prompt).await
}

async fn keep_version(
    connection: &mut SqliteConnection,
    prompt: &Prompt,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO prompt_versions (prompt_id, version, name, text, search_query, \
         created_at_ms) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(prompt.id.to_string())
    .bind(prompt.version)
    .bind(&prompt.name)
    .bind(&prompt.text)
    .bind(&prompt.search_query)
    .bind(prompt.updated_at.as_millisecond())
    .execute(connection)
    .await
    .map(drop)
}

fn placed_prompt(row: &SqliteRow) -> Result<(Cursor, Prompt), StoreError> {
    let text = |name| row.try_get::<String, _>(name).map_err(unexpected);
    let number = |name| row.try_get::<i64, _>(name).map_err(unexpected);
    let id = text("id")?;
    let prompt = Prompt {
        id: PromptId::parse(&id)
            .ok_or_else(|| unexpected(format!("a prompt has the id {id:?}")))?,
        name: text("name")?,
        text: text("text")?,
        search_query: text("search_query")?,
        version: number("version")?,
        created_at: timestamp(number("created_at_ms")?)?,
        updated_at: timestamp(number("updated_at_ms")?)?,
    };
    Ok((Cursor::at(number("position")?), prompt))
}
