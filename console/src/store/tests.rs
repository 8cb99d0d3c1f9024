//! What the store promises: owner-only, several consoles at once, nothing lost, always readable.

use super::*;
use crate::model::{EnvironmentName, LockRecord, Metrics, RunId};
use std::{fs, os::unix::fs::PermissionsExt};

impl Store {
    /// Lets SQLite have no page more than it has, as on a full disk.
    pub(crate) async fn fill_disk_for_tests(&self) {
        self.pages_max(1).await;
    }

    /// Space again.
    pub(crate) async fn free_disk_for_tests(&self) {
        self.pages_max(1_000_000).await;
    }

    /// `max_page_count` belongs to a connection, so each of the pool's is told; what is free
    /// within the pages there are is used up first.
    async fn pages_max(&self, pages: u32) {
        let pool = self.inner.pool.as_ref().unwrap();
        let mut all = Vec::new();
        for _ in 0..pool.options().get_max_connections() {
            all.push(pool.acquire().await.unwrap());
        }
        for connection in &mut all {
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "PRAGMA max_page_count = {pages}"
            )))
            .execute(&mut **connection)
            .await
            .unwrap();
        }
        if pages > 1 {
            return;
        }
        // Every table has room left in its own pages.
        let ballast = [
            "INSERT INTO locks (place, version, record) VALUES (?1, 1, ?2)",
            "INSERT INTO seen (scope, what, at, document) VALUES (?1, 'ballast', 1, ?2)",
            "INSERT INTO runs (id, environment, scope, verb, author, plan, started_at, \
             deadline_at, finished_at, heartbeat_at) VALUES (?1, '', '', '', '', ?2, 0, 0, 0, 0)",
        ];
        for size in [3000, 300, 30, 3] {
            for insert in ballast {
                for count in 0.. {
                    let done = sqlx::query(insert)
                        .bind(format!("ballast-{size}-{count}"))
                        .bind("x".repeat(size))
                        .execute(&mut *all[0])
                        .await;
                    if done.is_err() {
                        break;
                    }
                }
            }
        }
    }
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_373_600 + seconds).unwrap()
}

fn lock(run: &str) -> LockRecord {
    LockRecord {
        run: RunId::from(run),
        owner: crate::model::Author {
            name: "ana".to_owned(),
            host: None,
        },
        purpose: "restart".to_owned(),
        taken_at: at(0),
        expires_at: at(300),
        version: None,
    }
}

#[tokio::test]
async fn the_store_and_its_directory_are_for_their_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("deep").join("data");
    let (store, notices) = Store::open(&directory).await;
    assert_eq!(notices, Vec::<String>::new());
    store
        .save_metrics("s", at(0), &Metrics::default())
        .await
        .unwrap();
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_directory_that_others_could_read_is_closed_to_them() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Store::open(home.path()).await;
    assert_eq!(mode(home.path()), 0o700);
}

#[tokio::test]
async fn eight_consoles_that_start_at_once_all_get_a_store() {
    let home = tempfile::tempdir().unwrap();
    let opened = futures::future::join_all((0..8).map(|_| Store::open(home.path()))).await;
    for (index, (store, notices)) in opened.iter().enumerate() {
        assert_eq!(store.access(), &Access::ReadWrite, "{notices:?}");
        let scope = format!("scope-{index}");
        store
            .save_metrics(&scope, at(0), &Metrics::default())
            .await
            .unwrap();
    }
    for index in 0..8 {
        let seen = opened[0].0.seen(&format!("scope-{index}")).await.unwrap();
        assert!(seen.metrics.is_some());
    }
}

#[tokio::test]
async fn a_damaged_store_is_moved_aside_and_nothing_of_it_is_deleted() {
    let home = tempfile::tempdir().unwrap();
    let garbage = vec![0x5a_u8; 20_000];
    fs::write(home.path().join("console.db"), &garbage).unwrap();
    let (store, notices) = Store::open(home.path()).await;
    assert_eq!(store.access(), &Access::ReadWrite);
    assert!(notices[0].contains("was damaged"), "{notices:?}");
    let kept = fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".damaged-"))
        .unwrap();
    assert_eq!(fs::read(kept).unwrap(), garbage);
    store
        .save_metrics("s", at(0), &Metrics::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_store_of_a_newer_console_serves_an_older_one() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(home.path()).await;
    let pool = store.inner.pool.as_ref().unwrap();
    sqlx::query("ALTER TABLE runs ADD COLUMN of_the_future TEXT")
        .execute(pool)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of the future', 1, x'00', 0)",
    )
    .execute(pool)
    .await
    .unwrap();
    store.close().await;
    let (store, notices) = Store::open(home.path()).await;
    assert_eq!(store.access(), &Access::ReadWrite, "{notices:?}");
    assert_eq!(store.unfinished_runs().await.unwrap(), []);
}

#[tokio::test]
async fn what_was_seen_last_is_there_at_the_next_start_with_its_time() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(home.path()).await;
    let metrics = Metrics {
        p95_ms: crate::model::Series {
            start_s: 0,
            step_s: 60,
            values: vec![Some(12.0), None],
        },
        ..Metrics::default()
    };
    store
        .save_metrics("prod-a", at(60), &metrics)
        .await
        .unwrap();
    // An older look, written late by another console, does not replace it.
    store
        .save_metrics("prod-a", at(0), &Metrics::default())
        .await
        .unwrap();
    store.close().await;
    let (store, _) = Store::open(home.path()).await;
    let seen = store.seen("prod-a").await.unwrap().metrics.unwrap();
    assert_eq!((seen.at, seen.value), (at(60), metrics));
    assert_eq!(store.seen("prod-b").await.unwrap(), Seen::default());
}

#[tokio::test]
async fn a_machine_local_lock_is_taken_once_replaced_exactly_and_let_go_by_its_run() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(home.path()).await;
    assert!(store.take_lock("prod", &lock("a"), None).await.unwrap());
    assert!(!store.take_lock("prod", &lock("b"), None).await.unwrap());
    let held = store.read_lock("prod").await.unwrap().unwrap();
    assert!(
        store
            .take_lock("prod", &lock("b"), Some(&held))
            .await
            .unwrap()
    );
    // Somebody else read the same record and is late.
    assert!(
        !store
            .take_lock("prod", &lock("c"), Some(&held))
            .await
            .unwrap()
    );
    store.release_lock("prod", &RunId::from("a")).await.unwrap();
    assert_eq!(
        store.read_lock("prod").await.unwrap().unwrap().run,
        RunId::from("b")
    );
    store.release_lock("prod", &RunId::from("b")).await.unwrap();
    // A version is not reused: what was read before the release replaces nothing.
    assert!(store.take_lock("prod", &lock("d"), None).await.unwrap());
    assert!(
        !store
            .take_lock("prod", &lock("c"), Some(&held))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(home.path()).await;
    store.fill_disk_for_tests().await;
    let long = EnvironmentName::new("x".repeat(50_000));
    let full = store
        .save_metrics(long.as_str(), at(0), &Metrics::default())
        .await
        .unwrap_err();
    assert!(matches!(full, StoreError::Full { .. }), "{full}");
    // Reading goes on.
    assert_eq!(store.unfinished_runs().await.unwrap(), []);
}

#[tokio::test]
async fn opening_takes_milliseconds() {
    let home = tempfile::tempdir().unwrap();
    Store::open(home.path()).await.0.close().await;
    let begun = std::time::Instant::now();
    let (store, _) = Store::open(home.path()).await;
    let took = begun.elapsed();
    assert_eq!(store.access(), &Access::ReadWrite);
    // The first frame's budget is 50 ms; the margin is for machines that build meanwhile.
    assert!(took.as_millis() < 500, "opening took {took:?}");
}
