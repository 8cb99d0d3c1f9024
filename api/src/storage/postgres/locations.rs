//! Locations in Postgres.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{PostgresStore, timestamp};
use crate::items::Cursor;
use crate::locations::{Location, LocationId};
use crate::paging::Place;
use crate::storage::{LocationStore, StoreError};

#[async_trait]
impl LocationStore for PostgresStore {
    async fn update_location(&self, location: &Location) -> Result<bool, StoreError> {
        let change = sqlx::query!(
            "UPDATE locations SET name = $1, address = $2, notes = $3, version = $4, \
             updated_at_ms = $5 WHERE id = $6 AND version = $4::bigint - 1",
            location.name,
            location.address,
            location.notes,
            location.version,
            location.updated_at.as_millisecond(),
            location.id.uuid(),
        );
        self.changes_one(change).await
    }

    async fn delete_location(&self, id: LocationId, version: i64) -> Result<bool, StoreError> {
        let change = sqlx::query!(
            "DELETE FROM locations WHERE id = $1 AND version = $2",
            id.uuid(),
            version,
        );
        self.changes_one(change).await
    }

    async fn location(&self, id: LocationId) -> Result<Option<Location>, StoreError> {
        sqlx::query_as!(
            LocationRow,
            "SELECT position, id, name, address, notes, version, created_at_ms, updated_at_ms \
             FROM locations WHERE id = $1",
            id.uuid(),
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .map(|row| row.placed().map(|(_, location)| location))
        .transpose()
    }

    async fn locations(
        &self,
        place: Place,
        name: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Cursor, Location)>, StoreError> {
        // Not checked when it is built: a direction cannot be a parameter.
        let (compare, direction) = place.sql();
        sqlx::query_as::<_, LocationRow>(AssertSqlSafe(format!(
            "SELECT position, id, name, address, notes, version, created_at_ms, updated_at_ms \
             FROM locations WHERE position {compare} $1 \
             AND ($2::text IS NULL OR strpos(name, $2) > 0) ORDER BY position {direction} LIMIT $3"
        )))
        .bind(place.start)
        .bind(name)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.error(&e))?
        .into_iter()
        .map(LocationRow::placed)
        .collect()
    }
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    location: &Location,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO locations (id, name, address, notes, version, created_at_ms, \
         updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        location.id.uuid(),
        location.name,
        location.address,
        location.notes,
        location.version,
        location.created_at.as_millisecond(),
        location.updated_at.as_millisecond(),
    )
    .execute(connection)
    .await
    .map(drop)
}

#[derive(sqlx::FromRow)]
struct LocationRow {
    position: i64,
    id: Uuid,
    name: String,
    address: Option<String>,
    notes: Option<String>,
    version: i64,
    created_at_ms: i64,
    updated_at_ms: i64,
}

impl LocationRow {
    fn placed(self) -> Result<(Cursor, Location), StoreError> {
        let location = Location {
            id: self.id.into(),
            name: self.name,
            address: self.address,
            notes: self.notes,
            version: self.version,
            created_at: timestamp(self.created_at_ms)?,
            updated_at: timestamp(self.updated_at_ms)?,
        };
        Ok((Cursor::at(self.position), location))
    }
}
