//! The database goes away or is locked: a clear 503, and all is well again when it is back.

use std::fs;

use hyper::StatusCode;
use serde_json::json;
use sqlx::{Connection, Executor, SqliteConnection};

use crate::support::{Answer, Api, Start, database, until};

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    let problem = answer.problem();
    assert_eq!(problem["type"], "urn:opsconsole:problem:unavailable");
    let seconds: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..60).contains(&seconds));
    let text = problem.to_string().to_lowercase();
    for word in ["sqlite", "code", ".db", "database"] {
        assert!(!text.contains(word), "{word} is an internal detail: {text}");
    }
}

async fn item_count(api: &Api) -> usize {
    let answer = api.get("/items?limit=100").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["items"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_locked_database_refuses_writes_with_503_keeps_reading_and_recovers() {
    let (_folder, path) = database();
    let api = Start::on(&path).ready().await;
    api.post_item(r#"{"name": "before"}"#).await;

    let mut other = SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .expect("opened");
    other.execute("BEGIN EXCLUSIVE").await.expect("locked");
    assert_unavailable(&api.post_item(r#"{"name": "locked out"}"#).await);
    assert_eq!(item_count(&api).await, 1);
    assert_eq!(api.get("/readyz").await.status, StatusCode::OK);

    other.execute("ROLLBACK").await.expect("unlocked");
    let answer = api.post_item(r#"{"name": "after"}"#).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(item_count(&api).await, 2);
}

#[tokio::test]
async fn a_database_that_is_moved_away_is_missed_and_found_again() {
    let (folder, path) = database();
    let api = Start::on(&path).ready().await;
    api.post_item(r#"{"name": "kept"}"#).await;

    let away = folder.path().join("away");
    fs::create_dir(&away).expect("made");
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("shared.db{suffix}");
        fs::rename(folder.path().join(&name), away.join(&name)).expect("moved away");
    }
    assert_unavailable(&api.post_item(r#"{"name": "lost?"}"#).await);
    assert_unavailable(&api.get("/items").await);
    for probe in ["/readyz", "/health"] {
        let answer = api.get(probe).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.problem()["checks"]["database"], "unavailable");
    }
    assert_eq!(api.get("/livez").await.status, StatusCode::OK);
    assert!(
        !path.exists(),
        "an empty database would hide that the real one is gone"
    );

    for suffix in ["-shm", "-wal", ""] {
        let name = format!("shared.db{suffix}");
        let moved = away.join(&name);
        if moved.exists() {
            fs::rename(moved, folder.path().join(&name)).expect("moved back");
        }
    }
    api.status_becomes("/readyz", StatusCode::OK).await;
    assert_eq!(item_count(&api).await, 1);
    assert_eq!(
        api.post_item(r#"{"name": "new"}"#).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn an_older_copy_put_in_its_place_is_migrated_and_served() {
    let (folder, path) = database();
    let api = Start::on(&path).ready().await;
    api.post_item(r#"{"name": "in the database that goes"}"#)
        .await;

    let copy = folder.path().join("copy.db");
    fs::write(&copy, "").expect("an empty file is an empty database");
    for suffix in ["-wal", "-shm"] {
        // Gone already where the last connection has closed.
        let _ = fs::remove_file(folder.path().join(format!("shared.db{suffix}")));
    }
    fs::rename(&copy, &path).expect("replaced");
    api.status_becomes("/readyz", StatusCode::OK).await;
    until("the new database to be served", async || {
        let answer = api.get("/items").await;
        (answer.status == StatusCode::OK && answer.json()["items"] == json!([])).then_some(())
    })
    .await;
    let posted = api.post_item(r#"{"name": "in the new one"}"#).await;
    assert_eq!(posted.status, StatusCode::CREATED);
    let mut outside = SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .expect("opened");
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM items")
        .fetch_one(&mut outside)
        .await
        .expect("counted");
    assert_eq!(count, 1, "it was written to the file that the path names");
}

#[tokio::test]
async fn a_process_whose_disk_comes_late_starts_not_ready_and_becomes_ready() {
    let (folder, _) = database();
    let late = folder.path().join("volume");
    let api = Start::on(&late.join("items.db")).listening().await;
    api.process
        .line(|line| line["message"] == "cannot migrate yet")
        .await;
    assert_eq!(
        api.get("/readyz").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_unavailable(&api.get("/items").await);

    fs::create_dir(&late).expect("made");
    api.status_becomes("/readyz", StatusCode::OK).await;
    assert_eq!(item_count(&api).await, 0);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_not_touched() {
    let (_folder, path) = database();
    let text = "these are my notes, not a database\n".repeat(100);
    fs::write(&path, &text).expect("written");
    let api = Start::on(&path).listening().await;
    let answer = api
        .status_becomes("/readyz", StatusCode::SERVICE_UNAVAILABLE)
        .await;
    assert_eq!(answer.problem()["checks"]["database"], "unavailable");
    api.process
        .line(|line| line["message"] == "cannot migrate yet")
        .await;
    assert_eq!(fs::read_to_string(&path).expect("read"), text);
}
