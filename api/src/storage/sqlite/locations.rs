//! Locations in SQLite.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{SqliteStore, timestamp, unexpected};
use crate::items::Cursor;
use crate::locations::{Location, LocationId};
use crate::paging::Place;
use crate::storage::{LocationStore, StoreError};

const COLUMNS: &str = "position, id, name, address, notes, version, created_at_ms, updated_at_ms";

#[async_trait]
impl LocationStore for SqliteStore {
    async fn update_location(&self, location: &Location) -> Result<bool, StoreError> {
        let change = sqlx::query(
            "UPDATE locations SET name = ?1, address = ?2, notes = ?3, version = ?4, \
             updated_at_ms = ?5 WHERE id = ?6 AND version = ?4 - 1",
        )
        .bind(&location.name)
        .bind(location.address.as_deref())
        .bind(location.notes.as_deref())
        .bind(location.version)
        .bind(location.updated_at.as_millisecond())
        .bind(location.id.to_string());
        self.changes_one(change).await
    }

    async fn delete_location(&self, id: LocationId, version: i64) -> Result<bool, StoreError> {
        let change = sqlx::query("DELETE FROM locations WHERE id = ? AND version = ?")
            .bind(id.to_string())
            .bind(version);
        self.changes_one(change).await
    }

    async fn location(&self, id: LocationId) -> Result<Option<Location>, StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM locations WHERE id = ?"
        )))
        .bind(id.to_string())
        .fetch_optional(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .map(|row| placed_location(&row).map(|(_, location)| location))
        .transpose()
    }

    async fn locations(
        &self,
        place: Place,
        name: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Cursor, Location)>, StoreError> {
        let (compare, direction) = place.sql();
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM locations WHERE position {compare} ?1 \
             AND (?2 IS NULL OR instr(name, ?2) > 0) ORDER BY position {direction} LIMIT ?3"
        )))
        .bind(place.start)
        .bind(name)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(|e| self.error(&e))?
        .iter()
        .map(placed_location)
        .collect()
    }
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    location: &Location,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO locations (id, name, address, notes, version, created_at_ms, \
         updated_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(location.id.to_string())
    .bind(&location.name)
    .bind(location.address.as_deref())
    .bind(location.notes.as_deref())
    .bind(location.version)
    .bind(location.created_at.as_millisecond())
    .bind(location.updated_at.as_millisecond())
    .execute(connection)
    .await
    .map(drop)
}

fn placed_location(row: &SqliteRow) -> Result<(Cursor, Location), StoreError> {
    let text = |name| row.try_get::<Option<String>, _>(name).map_err(unexpected);
    let number = |name| row.try_get::<i64, _>(name).map_err(unexpected);
    let id: String = row.try_get("id").map_err(unexpected)?;
    let location = Location {
        id: LocationId::parse(&id)
            .ok_or_else(|| unexpected(format!("a location has the id {id:?}")))?,
        name: row.try_get("name").map_err(unexpected)?,
        address: text("address")?,
        notes: text("notes")?,
        version: number("version")?,
        created_at: timestamp(number("created_at_ms")?)?,
        updated_at: timestamp(number("updated_at_ms")?)?,
    };
    Ok((Cursor::at(number("position")?), location))
}
