//! What every backend must do: one suite, run on each.

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use tempfile::TempDir;

use self::queue::*;
use self::texts::*;
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{IdempotentRequest, New, Once, Schema, Store};
use crate::auth::{ApiKey, Role, Scope, Scopes};
use crate::items::{Cursor, Item, Listing, NewItem, Order};
use crate::settings::DatabaseUrl;

mod checked;
#[path = "../../../tests/stories/support/local_postgres.rs"]
mod local_postgres;
mod queue;
#[path = "../../../tests/stories/support/postgres.rs"]
pub(super) mod server;
mod texts;

/// A way to open stores on one database, which ends with it.
struct Database {
    url: String,
    _folder: Option<TempDir>,
}

impl Database {
    fn sqlite() -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        Some(Self {
            url: format!("sqlite://{}", folder.path().join("a.db").display()),
            _folder: Some(folder),
        })
    }

    async fn postgres() -> Option<Self> {
        let url = server::database_url().await?;
        Some(Self { url, _folder: None })
    }

    fn open(&self) -> Arc<dyn Store> {
        let url = DatabaseUrl::parse(&self.url).expect("a URL of ours");
        if self.url.starts_with("sqlite") {
            Arc::new(SqliteStore::new(&url).expect("usable"))
        } else {
            Arc::new(PostgresStore::new(&url, 4).expect("usable"))
        }
    }

    async fn migrated(&self) -> Arc<dyn Store> {
        let store = self.open();
        store.migrate(true).await.expect("migrated");
        store
    }
}

macro_rules! on_each_backend {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $story() {
                super::$story(super::Database::sqlite().expect("always there")).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $story() {
                if let Some(database) = super::Database::postgres().await {
                    super::$story(database).await;
                }
            })*
        }
    };
}

on_each_backend!(
    an_empty_database_is_behind_until_it_is_migrated,
    migrating_at_the_same_moment_waits_instead_of_colliding,
    a_database_that_was_migrated_further_is_newer,
    what_is_stored_is_what_is_read,
    lists_go_both_ways_and_filter,
    of_two_changes_to_one_state_one_wins,
    only_the_state_that_was_read_is_deleted,
    a_request_with_a_key_has_its_effect_once,
    of_many_requests_with_one_key_at_a_time_one_has_its_effect,
    api_keys_are_kept_used_and_revoked,
    an_item_of_the_release_before_has_version_1,
    every_version_of_a_prompt_is_kept,
    of_two_versions_on_one_only_one_becomes_the_next,
    locations_are_changed_found_and_removed,
    a_key_makes_one_job,
    a_job_goes_from_queued_to_stored_content,
    of_many_workers_one_gets_a_job,
    many_workers_share_many_jobs_and_miss_none,
    a_job_whose_worker_is_lost_is_claimed_again_after_the_lease,
    a_lease_that_is_held_is_not_taken,
    a_job_that_failed_waits_for_its_next_attempt,
    a_job_that_loses_its_worker_too_often_is_dead,
    a_job_handed_back_has_its_attempt_back,
    a_job_that_waits_is_called_off_at_once,
    of_a_running_job_that_is_called_off_its_worker_hears,
    a_job_called_off_whose_worker_is_lost_is_cancelled,
    jobs_are_listed_by_state_and_location,
    the_queue_is_counted,
    a_dead_job_is_queued_again_with_all_its_attempts,
    a_draft_stays_until_it_is_stored,
    old_jobs_go_with_their_events_and_others_stay,
    what_a_request_was_answered_is_found_without_making_anything,
);

fn item(name: &str) -> Item {
    let new: NewItem =
        serde_json::from_value(serde_json::json!({"name": name, "description": "☕"}))
            .expect("the shape of an item");
    new.check().expect("a valid item")
}

fn renamed(old: &Item, name: &str) -> Item {
    Item {
        name: name.into(),
        version: old.version + 1,
        ..old.clone()
    }
}

fn names(found: &[(Cursor, Item)]) -> Vec<&str> {
    found.iter().map(|(_, item)| item.name.as_str()).collect()
}

async fn an_empty_database_is_behind_until_it_is_migrated(database: Database) {
    if let Some(path) = database.url.strip_prefix("sqlite://") {
        std::fs::write(path, "").expect("an empty file is an empty database");
    }
    let store = database.open();
    assert_eq!(store.schema().await.expect("read"), Schema::Behind);
    store.migrate(true).await.expect("migrated");
    assert_eq!(store.schema().await.expect("read"), Schema::Current);
    store.migrate(true).await.expect("nothing to do");
}

async fn migrating_at_the_same_moment_waits_instead_of_colliding(database: Database) {
    let stores: Vec<_> = (0..8).map(|_| database.open()).collect();
    for outcome in join_all(stores.iter().map(|store| store.migrate(true))).await {
        outcome.expect("each finds the schema or makes it");
    }
    assert_eq!(stores[0].schema().await.expect("read"), Schema::Current);
}

async fn execute(database: &Database, sql: &'static str) {
    use sqlx::{Connection, Executor};
    if database.url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(&database.url)
            .await
            .expect("opened");
        connection.execute(sql).await.expect("executed");
    } else {
        let mut connection = sqlx::PgConnection::connect(&database.url)
            .await
            .expect("opened");
        connection.execute(sql).await.expect("executed");
    }
}

async fn a_database_that_was_migrated_further_is_newer(database: Database) {
    let store = database.migrated().await;
    execute(
        &database,
        "ALTER TABLE items ADD COLUMN colour TEXT NOT NULL DEFAULT 'none';
         INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (900000, 'colours', TRUE, '', 1)",
    )
    .await;
    assert_eq!(store.schema().await.expect("read"), Schema::Newer);
    store.migrate(true).await.expect("left alone");
    let item = item("on the schema of a later release");
    store.insert(New::Item(&item)).await.expect("stored");
    assert_eq!(store.item(item.id).await.expect("read"), Some(item));
}

async fn what_is_stored_is_what_is_read(database: Database) {
    let store = database.migrated().await;
    let item = item("Kaffee ☕ \u{1f600}");
    assert_eq!(store.item(item.id).await.expect("read"), None);
    store.insert(New::Item(&item)).await.expect("stored");
    assert_eq!(store.item(item.id).await.expect("read"), Some(item.clone()));
    let listed = store.items(&Listing::default(), 10).await.expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].1, item);
}

async fn lists_go_both_ways_and_filter(database: Database) {
    let store = database.migrated().await;
    for name in ["red 1", "blue 2", "Red 3", "red 4%"] {
        store.insert(New::Item(&item(name))).await.expect("stored");
    }
    let newest = Listing {
        order: Order::NewestFirst,
        ..Listing::default()
    };
    let first = store.items(&newest, 3).await.expect("listed");
    assert_eq!(names(&first), ["red 4%", "Red 3", "blue 2"]);
    let rest = Listing {
        cursor: first.last().map(|(cursor, _)| *cursor),
        ..newest
    };
    assert_eq!(
        names(&store.items(&rest, 3).await.expect("listed")),
        ["red 1"]
    );

    for (part, expected) in [("red", &["red 1", "red 4%"][..]), ("%", &["red 4%"])] {
        let listing = Listing {
            name_contains: Some(part.into()),
            ..Listing::default()
        };
        assert_eq!(
            names(&store.items(&listing, 9).await.expect("listed")),
            expected
        );
    }
    let hour = jiff::SignedDuration::from_hours(1);
    let later = Listing {
        created_from: Some(Timestamp::now() + hour),
        ..Listing::default()
    };
    assert!(store.items(&later, 9).await.expect("listed").is_empty());
    let earlier = Listing {
        created_from: Some(Timestamp::now() - hour),
        created_before: Some(Timestamp::now() + hour),
        ..Listing::default()
    };
    assert_eq!(store.items(&earlier, 9).await.expect("listed").len(), 4);
}

async fn of_two_changes_to_one_state_one_wins(database: Database) {
    let (one, other) = (database.migrated().await, database.open());
    let old = item("old");
    one.insert(New::Item(&old)).await.expect("stored");
    let (a, b) = (renamed(&old, "a"), renamed(&old, "b"));
    let (won_a, won_b) = tokio::join!(one.update_item(&a), other.update_item(&b));
    let (won_a, won_b) = (won_a.expect("answered"), won_b.expect("answered"));
    assert!(won_a != won_b, "a: {won_a}, b: {won_b}");
    let winner = if won_a { a } else { b };
    assert_eq!(other.item(old.id).await.expect("read"), Some(winner));
}

async fn only_the_state_that_was_read_is_deleted(database: Database) {
    let store = database.migrated().await;
    let old = item("old");
    store.insert(New::Item(&old)).await.expect("stored");
    assert!(
        store
            .update_item(&renamed(&old, "new"))
            .await
            .expect("changed")
    );
    assert!(!store.delete_item(old.id, 1).await.expect("answered"));
    assert!(store.delete_item(old.id, 2).await.expect("answered"));
    assert_eq!(store.item(old.id).await.expect("read"), None);
}

fn keyed(principal: &str, body: u8) -> IdempotentRequest {
    IdempotentRequest {
        principal: principal.into(),
        key: "k".into(),
        fingerprint: [body; 32],
    }
}

async fn a_request_with_a_key_has_its_effect_once(database: Database) {
    let store = database.migrated().await;
    let once = async |request: IdempotentRequest| {
        store
            .insert_once(New::Item(&item("a")), &request, "the first answer")
            .await
            .expect("answered")
    };
    assert_eq!(once(keyed("ann", 1)).await, Once::Done);
    assert_eq!(
        once(keyed("ann", 1)).await,
        Once::Before("the first answer".into())
    );
    assert_eq!(once(keyed("ann", 2)).await, Once::Conflict);
    assert_eq!(once(keyed("bob", 2)).await, Once::Done);
    assert_eq!(
        store
            .items(&Listing::default(), 9)
            .await
            .expect("read")
            .len(),
        2
    );
    execute(&database, "UPDATE idempotency_keys SET created_at_ms = 0").await;
    assert_eq!(once(keyed("ann", 2)).await, Once::Done);
}

async fn of_many_requests_with_one_key_at_a_time_one_has_its_effect(database: Database) {
    let stores = [database.migrated().await, database.open()];
    let request = keyed("ann", 1);
    let item = item("a");
    let outcomes = join_all(
        (0..16).map(|number| stores[number % 2].insert_once(New::Item(&item), &request, "answer")),
    )
    .await;
    let done = outcomes
        .into_iter()
        .map(|outcome| outcome.expect("answered"))
        .filter(|outcome| *outcome == Once::Done)
        .count();
    assert_eq!(done, 1);
    let found = stores[0].items(&Listing::default(), 9).await.expect("read");
    assert_eq!(found.len(), 1);
}

async fn api_keys_are_kept_used_and_revoked(database: Database) {
    let store = database.migrated().await;
    let scopes = Scopes::of(&[Scope::ItemsRead, Scope::ItemsWrite]);
    let end = Timestamp::from_second(4_102_444_800).expect("in 2100");
    let (key, _) = ApiKey::generate("ci".into(), Role::Writer, Some(scopes), Some(end));
    store.insert_api_key(&key).await.expect("stored");
    assert_eq!(
        store.api_key(&key.prefix).await.expect("read"),
        Some(key.clone())
    );
    assert_eq!(store.api_key("another").await.expect("read"), None);

    let used = Timestamp::from_second(1_800_000_000).expect("a time");
    store.touch_api_key(&key.prefix, used).await.expect("noted");
    assert!(
        store
            .revoke_api_key(&key.prefix, used)
            .await
            .expect("revoked")
    );
    assert!(
        !store
            .revoke_api_key(&key.prefix, used)
            .await
            .expect("answered")
    );
    let kept = store.api_keys().await.expect("listed");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].last_used_at, Some(used));
    assert_eq!(kept[0].revoked_at, Some(used));
}

async fn an_item_of_the_release_before_has_version_1(database: Database) {
    let store = database.migrated().await;
    // The statement that release 1.0 sends.
    execute(
        &database,
        "INSERT INTO items (id, name, description, created_at_ms) \
         VALUES ('01890a5d-ac96-774b-bcce-b302099a8057', 'old', NULL, 1000)",
    )
    .await;
    let found = store.items(&Listing::default(), 9).await.expect("read");
    assert_eq!(found[0].1.version, 1);
    assert_eq!(found[0].1.updated_at, found[0].1.created_at);
    let changed = renamed(&found[0].1, "new");
    assert!(store.update_item(&changed).await.expect("changed"));
}
