//! Items in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{SqliteStore, timestamp, unexpected};
use crate::items::{Cursor, Item, ItemId, Listing, Order};
use crate::storage::{ItemStore, StoreError};

const COLUMNS: &str = "position, id, name, description, created_at_ms, updated_at_ms, version";

#[async_trait]
impl ItemStore for SqliteStore {
    async fn update_item(&self, item: &Item) -> Result<bool, StoreError> {
        let change = sqlx::query(
            "UPDATE items SET name = ?1, description = ?2, updated_at_ms = ?3, version = ?4 \
             WHERE id = ?5 AND version = ?4 - 1",
        )
        .bind(&item.name)
        .bind(item.description.as_deref())
        .bind(item.updated_at.as_millisecond())
        .bind(item.version)
        .bind(item.id.to_string());
        self.changes_one(change).await
    }

    async fn delete_item(&self, id: ItemId, version: i64) -> Result<bool, StoreError> {
        let change = sqlx::query("DELETE FROM items WHERE id = ? AND version = ?")
            .bind(id.to_string())
            .bind(version);
        self.changes_one(change).await
    }

    async fn item(&self, id: ItemId) -> Result<Option<Item>, StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM items WHERE id = ?"
        )))
        .bind(id.to_string())
        .fetch_optional(&self.readers)
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
            "SELECT {COLUMNS} FROM items WHERE position {compare} ?1 \
             AND (?2 IS NULL OR instr(name, ?2) > 0) \
             AND (?3 IS NULL OR created_at_ms >= ?3) \
             AND (?4 IS NULL OR created_at_ms < ?4) \
             ORDER BY position {direction} LIMIT ?5"
        )))
        .bind(listing.start())
        .bind(listing.name_contains.as_deref())
        .bind(listing.created_from.map(Timestamp::as_millisecond))
        .bind(listing.created_before.map(Timestamp::as_millisecond))
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .iter()
        .map(placed_item)
        .collect()
    }
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    item: &Item,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO items (id, name, description, created_at_ms) VALUES (?, ?, ?, ?)")
        .bind(item.id.to_string())
        .bind(&item.name)
        .bind(item.description.as_deref())
        .bind(item.created_at.as_millisecond())
        .execute(connection)
        .await
        .map(drop)
}

fn placed_item(row: &SqliteRow) -> Result<(Cursor, Item), StoreError> {
    let read = || -> Result<_, sqlx::Error> {
        Ok((
            row.try_get::<i64, _>("position")?,
            row.try_get::<String, _>("id")?,
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
        id: ItemId::parse(&id)
            .ok_or_else(|| unexpected(format!("item at position {position} has the id {id:?}")))?,
        name,
        description,
        created_at: timestamp(created_ms)?,
        updated_at: timestamp(updated_ms.unwrap_or(created_ms))?,
        version,
    };
    Ok((Cursor::at(position), item))
}
