//! API keys in Postgres.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{PostgresStore, timestamp, unexpected};
use crate::auth::ApiKey;
use crate::storage::{KeyStore, StoreError};

#[async_trait]
impl KeyStore for PostgresStore {
    async fn insert_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO api_keys (id, prefix, secret_sha256, name, role, created_at_ms, \
             expires_at_ms, last_used_at_ms, revoked_at_ms, scopes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            key.id,
            key.prefix,
            key.secret_sha256.as_slice(),
            key.name,
            key.role.name(),
            key.created_at.as_millisecond(),
            key.expires_at.map(Timestamp::as_millisecond),
            key.last_used_at.map(Timestamp::as_millisecond),
            key.revoked_at.map(Timestamp::as_millisecond),
            key.scopes.map(|scopes| scopes.to_string()),
        )
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|e| self.error(&e))
    }

    async fn api_key(&self, prefix: &str) -> Result<Option<ApiKey>, StoreError> {
        sqlx::query_as!(
            KeyRow,
            "SELECT id, prefix, secret_sha256, name, role, created_at_ms, expires_at_ms, \
             last_used_at_ms, revoked_at_ms, scopes FROM api_keys WHERE prefix = $1",
            prefix,
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .map(ApiKey::try_from)
        .transpose()
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        sqlx::query_as!(
            KeyRow,
            "SELECT id, prefix, secret_sha256, name, role, created_at_ms, expires_at_ms, \
             last_used_at_ms, revoked_at_ms, scopes FROM api_keys ORDER BY created_at_ms, id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .into_iter()
        .map(ApiKey::try_from)
        .collect()
    }

    async fn touch_api_key(&self, prefix: &str, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE api_keys SET last_used_at_ms = $1 WHERE prefix = $2",
            at.as_millisecond(),
            prefix,
        )
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|e| self.error(&e))
    }

    async fn revoke_api_key(&self, prefix: &str, at: Timestamp) -> Result<bool, StoreError> {
        let change = sqlx::query!(
            "UPDATE api_keys SET revoked_at_ms = $1 WHERE prefix = $2 AND revoked_at_ms IS NULL",
            at.as_millisecond(),
            prefix,
        );
        self.changes_one(change).await
    }
}

struct KeyRow {
    id: Uuid,
    prefix: String,
    secret_sha256: Vec<u8>,
    name: String,
    role: String,
    created_at_ms: i64,
    expires_at_ms: Option<i64>,
    last_used_at_ms: Option<i64>,
    revoked_at_ms: Option<i64>,
    scopes: Option<String>,
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        let scopes = row.scopes.map(|text| text.parse().map_err(unexpected));
        Ok(Self {
            id: row.id,
            prefix: row.prefix,
            secret_sha256: row
                .secret_sha256
                .try_into()
                .map_err(|_| unexpected("an API key's hash does not have 32 bytes"))?,
            name: row.name,
            role: row.role.parse().map_err(unexpected)?,
            scopes: scopes.transpose()?,
            created_at: timestamp(row.created_at_ms)?,
            expires_at: row.expires_at_ms.map(timestamp).transpose()?,
            last_used_at: row.last_used_at_ms.map(timestamp).transpose()?,
            revoked_at: row.revoked_at_ms.map(timestamp).transpose()?,
        })
    }
}
