//! Items in Postgres.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgExecutor};
use uuid::Uuid;

use super::{PostgresStore, timestamp};
use crate::items::{Cursor, Item, ItemId, Listing, Order};
use crate::storage::{ItemStore, StoreError};

#[async_trait]
impl ItemStore for PostgresStore {
    async fn update_item(&self, item: &Item) -> Result<bool, StoreError> {
        let change = sqlx::query!(
            "UPDATE items SET name = $1, description = $2, updated_at_ms = $3, version = $4 \
             WHERE id = $5 AND version = $4::bigint - 1",
            item.name,
            item.description,
            item.updated_at.as_millisecond(),
            item.version,
            item.id.uuid(),
        );
        self.changes_one(change).await
    }

    async fn delete_item(&self, id: ItemId, version: i64) -> Result<bool, StoreError> {
        let change = sqlx::query!(
            "DELETE FROM items WHERE id = $1 AND version = $2",
            id.uuid(),
            version,
        );
        self.changes_one(change).await
    }

    async fn item(&self, id: ItemId) -> Result<Option<Item>, StoreError> {
        sqlx::query_as!(
            ItemRow,
            "SELECT position, id, name, description, created_at_ms, updated_at_ms, version \
             FROM items WHERE id = $1",
            id.uuid(),
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .map(|row| row.placed().map(|(_, item)| item))
        .transpose()
    }

    async fn items(
        &self,
        listing: &Listing,
        limit: u32,
    ) -> Result<Vec<(Cursor, Item)>, StoreError> {
        let (compare, direction) = match listing.order {
            Order::OldestFirst => (">", "ASC"),
            Order::NewestFirst => ("<", "DESC"),
        };
        // Not checked when it is built: a direction cannot be a parameter.
        sqlx::query_as::<_, ItemRow>(AssertSqlSafe(format!(
            "SELECT position, id, name, description, created_at_ms, updated_at_ms, version \
             FROM items WHERE position {compare} $1 \
             AND ($2::text IS NULL OR strpos(name, $2) > 0) \
             AND ($3::bigint IS NULL OR created_at_ms >= $3) \
             AND ($4::bigint IS NULL OR created_at_ms < $4) \
             ORDER BY position {direction} LIMIT $5"
        )))
        .bind(listing.start())
        .bind(listing.name_contains.as_deref())
        .bind(listing.created_from.map(Timestamp::as_millisecond))
        .bind(listing.created_before.map(Timestamp::as_millisecond))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .into_iter()
        .map(ItemRow::placed)
        .collect()
    }
}

pub(super) async fn insert(to: impl PgExecutor<'_>, item: &Item) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO items (id, name, description, created_at_ms) VALUES ($1, $2, $3, $4)",
        item.id.uuid(),
        item.name,
        item.description,
        item.created_at.as_millisecond(),
    )
    .execute(to)
    .await
    .map(drop)
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    position: i64,
    id: Uuid,
    name: String,
    description: Option<String>,
    created_at_ms: i64,
    updated_at_ms: Option<i64>,
    version: i64,
}

impl ItemRow {
    fn placed(self) -> Result<(Cursor, Item), StoreError> {
        let item = Item {
            id: self.id.into(),
            name: self.name,
            description: self.description,
            created_at: timestamp(self.created_at_ms)?,
            updated_at: timestamp(self.updated_at_ms.unwrap_or(self.created_at_ms))?,
            version: self.version,
        };
        Ok((Cursor::at(self.position), item))
    }
}
