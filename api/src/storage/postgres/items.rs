//! Items in Postgres.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use super::{PostgresStore, timestamp, unexpected};
use crate::items::{Cursor, Item, ItemId, Listing, Order};
use crate::storage::{ItemStore, StoreError};

const COLUMNS: &str = "position, id, name, description, created_at_ms, updated_at_ms, version";

#[async_trait]
impl ItemStore for PostgresStore {
    async fn update_item(&self, item: &Item) -> Result<bool, StoreError> {
        sqlx::query(
            "UPDATE items SET name = $1, description = $2, updated_at_ms = $3, version = $4 \
             WHERE id = $5 AND version = $4 - 1",
        )
        .bind(&item.name)
        .bind(item.description.as_deref())
        .bind(item.updated_at.as_millisecond())
        .bind(item.version)
        .bind(item.id.uuid())
        .execute(&self.pool)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|e| self.error(&e))
    }

    async fn delete_item(&self, id: ItemId, version: i64) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM items WHERE id = $1 AND version = $2")
            .bind(id.uuid())
            .bind(version)
            .execute(&self.pool)
            .await
            .map(|done| done.rows_affected() == 1)
            .map_err(|e| self.error(&e))
    }

    async fn item(&self, id: ItemId) -> Result<Option<Item>, StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM items WHERE id = $1"
        )))
        .bind(id.uuid())
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .map(|row| placed_item(&row).map(|(_, item)| item))
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
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM items WHERE position {compare} $1 \
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
        .iter()
        .map(placed_item)
        .collect()
    }
}

pub(super) async fn insert(connection: &mut PgConnection, item: &Item) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO items (id, name, description, created_at_ms) VALUES ($1, $2, $3, $4)")
        .bind(item.id.uuid())
        .bind(&item.name)
        .bind(item.description.as_deref())
        .bind(item.created_at.as_millisecond())
        .execute(connection)
        .await
        .map(drop)
}

fn placed_item(row: &PgRow) -> Result<(Cursor, Item), StoreError> {
    let read = || -> Result<_, sqlx::Error> {
        Ok((
            row.try_get::<i64, _>("position")?,
            row.try_get::<Uuid, _>("id")?,
            row.try_get::<String, _>("name")?,
            row.try_get::<Option<String>, _>("description")?,
            row.try_get::<i64, _>("created_at_ms")?,
            row.try_get::<Option<i64>, _>("updated_at_ms")?,
            row.try_get::<i64, _>("version")?,
        ))
    };
    let (position, id, name, description, created_ms, updated_ms, version) =
        read().map_err(unexpected)?;
    let item = Item {
        id: id.into(),
        name,
        description,
        created_at: timestamp(created_ms)?,
        updated_at: timestamp(updated_ms.unwrap_or(created_ms))?,
        version,
    };
    Ok((Cursor::at(position), item))
}
