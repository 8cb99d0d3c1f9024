//! The service on a real Postgres: migrated by its own command, and through a loss of the
//! database.

use std::time::Duration;

use hyper::StatusCode;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{Start, postgres};

/// A service that brings its schema up by itself.
fn migrating(url: &str) -> Start {
    Start::new()
        .set("DATABASE_URL", url)
        .set("MIGRATE_ON_START", "on")
}

#[tokio::test]
async fn it_waits_for_the_migration_and_then_serves() {
    let Some(url) = postgres::database_url().await else {
        return;
    };
    let start = || Start::new().set("DATABASE_URL", &url);
    let api = start().listening().await;
    let answer = api
        .status_becomes("/readyz", StatusCode::SERVICE_UNAVAILABLE)
        .await;
    let schema = answer.problem()["checks"]["schema"].to_string();
    assert!(schema.contains("behind"), "{schema}");

    let mut migrate = start().command("migrate").spawn();
    assert_eq!(migrate.exit().await.code(), Some(0));
    api.status_becomes("/readyz", StatusCode::OK).await;
    let posted = api.post_item(r#"{"name": "tea"}"#).await;
    assert_eq!(posted.status, StatusCode::CREATED, "{posted:?}");
    let read = api.get(posted.header("location")).await;
    assert_eq!(read.json(), posted.json());

    let mut check = start().command("check").spawn();
    assert_eq!(check.exit().await.code(), Some(0));
    let mut again = start().command("migrate").spawn();
    assert_eq!(again.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_database_that_throws_everyone_out_is_missed_and_found_again() {
    let Some(url) = postgres::database_url().await else {
        return;
    };
    let api = migrating(&url).ready().await;
    api.post_item(r#"{"name": "kept"}"#).await;

    let parsed = url::Url::parse(&url).expect("a URL");
    let name = parsed.path().trim_start_matches('/').to_owned();
    let mut elsewhere = parsed.clone();
    elsewhere.set_path("postgres");
    let mut admin = PgConnection::connect(elsewhere.as_str())
        .await
        .expect("connected");
    let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    admin.execute(AssertSqlSafe(sql)).await.expect("closed");
    let sql =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    admin.execute(AssertSqlSafe(sql)).await.expect("thrown out");

    let away = api
        .status_becomes("/items", StatusCode::SERVICE_UNAVAILABLE)
        .await;
    assert!(!away.header("retry-after").is_empty());
    assert!(!away.problem().to_string().contains(&name));
    assert_eq!(api.get("/livez").await.status, StatusCode::OK);
    assert!(api.metric("db_client_connection_errors_total ").await >= 1.0);

    let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
    admin.execute(AssertSqlSafe(sql)).await.expect("opened");
    let back = api.status_becomes("/items", StatusCode::OK).await;
    assert_eq!(back.json()["items"][0]["name"], "kept");
}

#[tokio::test]
async fn when_every_connection_is_busy_others_are_told_to_come_back_and_nothing_is_lost() {
    let Some(url) = postgres::database_url().await else {
        return;
    };
    let api = migrating(&url)
        .set("DATABASE_CONNECTIONS", "2")
        .ready()
        .await;
    api.post_item(r#"{"name": "kept"}"#).await;
    let mut admin = PgConnection::connect(&url).await.expect("connected");
    let mut lock = admin.begin().await.expect("a transaction");
    lock.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        .await
        .expect("locked");

    // Two hold the connections and wait for the table; the third waits for one of theirs.
    let holders = async { tokio::join!(api.get("/items"), api.get("/items")) };
    let third = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let answer = api.get("/items").await;
        assert_eq!(api.get("/livez").await.status, StatusCode::OK);
        lock.rollback().await.expect("unlocked");
        answer
    };
    let ((first, second), refused) = tokio::join!(holders, third);
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!refused.header("retry-after").is_empty());
    refused.problem();
    for answer in [first, second, api.get("/items").await] {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.json()["items"][0]["name"], "kept");
    }
}
