//! API keys in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::{SqliteStore, timestamp, unexpected};
use crate::auth::ApiKey;
use crate::storage::{KeyStore, StoreError};

const KEY_COLUMNS: &str = "id, prefix, secret_sha256, name, role, created_at_ms, expires_at_ms, \
                           last_used_at_ms, revoked_at_ms, scopes";

#[async_trait]
impl KeyStore for SqliteStore {
    async fn insert_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO api_keys ({KEY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )))
        .bind(key.id.to_string())
        .bind(&key.prefix)
        .bind(key.secret_sha256.as_slice())
        .bind(&key.name)
        .bind(key.role.name())
        .bind(key.created_at.as_millisecond())
        .bind(key.expires_at.map(Timestamp::as_millisecond))
        .bind(key.last_used_at.map(Timestamp::as_millisecond))
        .bind(key.revoked_at.map(Timestamp::as_millisecond))
        .bind(key.scopes.map(|scopes| scopes.to_string()))
        .execute(&self.writer)
        .await
        .map(drop)
        .map_err(|e| self.error(&e))
    }

    async fn api_key(&self, prefix: &str) -> Result<Option<ApiKey>, StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {KEY_COLUMNS} FROM api_keys WHERE prefix = ?"
        )))
        .bind(prefix)
        .fetch_optional(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .map(|row| api_key(&row))
        .transpose()
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {KEY_COLUMNS} FROM api_keys ORDER BY created_at_ms, id"
        )))
        .fetch_all(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .iter()
        .map(api_key)
        .collect()
    }

    async fn touch_api_key(&self, prefix: &str, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE api_keys SET last_used_at_ms = ? WHERE prefix = ?")
            .bind(at.as_millisecond())
            .bind(prefix)
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(|e| self.error(&e))
    }

    async fn revoke_api_key(&self, prefix: &str, at: Timestamp) -> Result<bool, StoreError> {
        let change = sqlx::query(
            "UPDATE api_keys SET revoked_at_ms = ? WHERE prefix = ? AND revoked_at_ms IS NULL",
        )
        .bind(at.as_millisecond())
        .bind(prefix);
        self.changes_one(change).await
    }
}

fn api_key(row: &SqliteRow) -> Result<ApiKey, StoreError> {
    let time = |name| -> Result<Option<Timestamp>, StoreError> {
        let ms: Option<i64> = row.try_get(name).map_err(unexpected)?;
        ms.map(timestamp).transpose()
    };
    let text = |name| row.try_get::<String, _>(name).map_err(unexpected);
    let role = text("role")?;
    let scopes: Option<String> = row.try_get("scopes").map_err(unexpected)?;
    Ok(ApiKey {
        id: Uuid::try_parse(&text("id")?).map_err(unexpected)?,
        prefix: text("prefix")?,
        secret_sha256: row
            .try_get::<Vec<u8>, _>("secret_sha256")
            .map_err(unexpected)?
            .try_into()
            .map_err(|_| unexpected("an API key's hash does not have 32 bytes"))?,
        name: text("name")?,
        role: role.parse().map_err(unexpected)?,
        scopes: scopes
            .map(|text| text.parse().map_err(unexpected))
            .transpose()?,
        created_at: time("created_at_ms")?.ok_or_else(|| unexpected("created_at_ms is null"))?,
        expires_at: time("expires_at_ms")?,
        last_used_at: time("last_used_at_ms")?,
        revoked_at: time("revoked_at_ms")?,
    })
}
