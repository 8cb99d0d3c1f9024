//! The service on a real Postgres: migrated by its own command, and through a loss of the
//! database.

use hyper::StatusCode;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{Start, postgres};

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
    let api = Start::new()
        .set("DATABASE_URL", &url)
        .set("MIGRATE_ON_START", "on")
        .ready()
        .await;
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
