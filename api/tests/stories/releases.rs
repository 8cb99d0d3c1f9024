//! A release and its successor on one database: without this no rollback becomes healthy.

use std::path::Path;

use hyper::StatusCode;
use sqlx::{Connection, Executor, SqliteConnection};

use crate::support::{Start, database};

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .expect("opened")
}

/// What the migration of a later release does: it expands, and notes that it has run.
async fn migrate_to_the_next_release(path: &Path) {
    let mut database = open(path).await;
    database
        .execute(
            "BEGIN IMMEDIATE;
             ALTER TABLE items ADD COLUMN colour TEXT NOT NULL DEFAULT 'none';
             CREATE TABLE tags (item TEXT NOT NULL, tag TEXT NOT NULL) STRICT;
             INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (900000, 'tags and colours', TRUE, x'00', 1);
             COMMIT;",
        )
        .await
        .expect("migrated");
}

#[tokio::test]
async fn a_release_starts_and_serves_on_the_schema_of_its_successor() {
    let (_folder, path) = database();
    let before = Start::on(&path).ready().await;
    before.post_item(r#"{"name": "old"}"#).await;
    drop(before);
    migrate_to_the_next_release(&path).await;

    let rolled_back = Start::on(&path).ready().await;
    let health = rolled_back.get("/health").await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(health.json()["checks"]["schema"], "newer");
    let posted = rolled_back.post_item(r#"{"name": "new"}"#).await;
    assert_eq!(posted.status, StatusCode::CREATED);
    let read = rolled_back.get(posted.header("location")).await;
    assert_eq!(read.json(), posted.json());
    let items = rolled_back.get("/items").await.json();
    assert_eq!(items["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_release_goes_on_serving_while_its_successor_migrates() {
    let (_folder, path) = database();
    let api = Start::on(&path).ready().await;
    api.post_item(r#"{"name": "before"}"#).await;
    migrate_to_the_next_release(&path).await;

    assert_eq!(api.get("/readyz").await.json()["checks"]["schema"], "newer");
    let posted = api.post_item(r#"{"name": "after"}"#).await;
    assert_eq!(posted.status, StatusCode::CREATED);
    assert_eq!(
        api.get(posted.header("location")).await.json(),
        posted.json()
    );
}

#[tokio::test]
async fn a_setting_of_the_successor_is_ignored_and_reported() {
    let api = Start::new().set("CACHE_URL", "redis://cache").ready().await;
    let line = api.process.line(|line| line["names"].is_string()).await;
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["names"], "OPSCONSOLE_API_CACHE_URL");
}

#[tokio::test]
async fn a_schema_that_lost_one_of_our_migrations_is_brought_up_again() {
    let (_folder, path) = database();
    let api = Start::on(&path).ready().await;
    open(&path)
        .await
        .execute(
            "DROP TABLE items; DROP TABLE idempotency_keys; DROP TABLE api_keys;
             DROP TABLE prompts; DROP TABLE prompt_versions; DROP TABLE locations;
             DROP TABLE jobs; DROP TABLE job_events;
             DELETE FROM _sqlx_migrations;",
        )
        .await
        .expect("broken");
    let answer = api.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    api.status_becomes("/readyz", StatusCode::OK).await;
    assert_eq!(
        api.post_item(r#"{"name": "a"}"#).await.status,
        StatusCode::CREATED
    );
}
