//! Locations in Postgres.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use super::{PostgresStore, timestamp, unexpected};
use crate::items::Cursor;
use crate::locations::{Location, LocationId};
use crate::paging::Place;
use crate::storage::{LocationStore, StoreError};

const COLUMNS: &str = "position, id, name, address, notes, version, created_at_ms, updated_at_ms";

#[async_trait]
impl LocationStore for PostgresStore {
    async fn update_location(&self, location: &Location) -> Result<bool, StoreError> {
        sqlx::query(
            "UPDATE locations SET name = $1, address = $2, notes = $3, version = $4, \
             updated_at_ms = $5 WHERE id = $6 AND version = $4 - 1",
        )
        .bind(&location.name)
        .bind(location.address.as_deref())
        .bind(location.notes.as_deref())
        .bind(location.version)
        .bind(location.updated_at.as_millisecond())
        .bind(location.id.uuid())
        .execute(&self.pool)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|e| self.error(&e))
    }

    async fn delete_location(&self, id: LocationId, version: i64) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM locations WHERE id = $1 AND version = $2")
            .bind(id.uuid())
            .bind(version)
            .execute(&self.pool)
            .await
            .map(|done| done.rows_affected() == 1)
            .map_err(|e| self.error(&e))
    }

    async fn location(&self, id: LocationId) -> Result<Option<Location>, StoreError> {
        sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM locations WHERE id = $1"
        )))
        .bind(id.uuid())
        .fetch_optional(&self.pool)
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
            "SELECT {COLUMNS} FROM locations WHERE position {compare} $1 \
             AND ($2::text IS NULL OR strpos(name, $2) > 0) ORDER BY position {direction} LIMIT $3"
        )))
        .bind(place.start)
        .bind(name)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .iter()
        .map(placed_location)
        .collect()
    }
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    location: &Location,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO locations (id, name, address, notes, version, created_at_ms, \
         updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(location.id.uuid())
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

fn placed_location(row: &PgRow) -> Result<(Cursor, Location), StoreError> {
    let text = |name| row.try_get::<Option<String>, _>(name).map_err(unexpected);
    let number = |name| row.try_get::<i64, _>(name).map_err(unexpected);
    let location = Location {
        id: row.try_get::<Uuid, _>("id").map_err(unexpected)?.into(),
        name: row.try_get("name").map_err(unexpected)?,
        address: text("address")?,
        notes: text("notes")?,
        version: number("version")?,
        created_at: timestamp(number("created_at_ms")?)?,
        updated_at: timestamp(number("updated_at_ms")?)?,
    };
    Ok((Cursor::at(number("position")?), location))
}
