//! What every backend must do with prompts and locations.

use serde_json::json;

use super::Database;
use crate::items::{Cursor, Order};
use crate::locations::{Location, NewLocation};
use crate::paging::Place;
use crate::prompts::{NewPrompt, Prompt};
use crate::storage::New;

pub(super) fn from_the_start() -> Place {
    Place::new(None, Order::OldestFirst)
}

pub(super) fn prompt(text: &str) -> Prompt {
    let new: NewPrompt = serde_json::from_value(json!({"name": "Guide", "text": text}))
        .expect("the shape of a prompt");
    new.check().expect("a valid prompt")
}

pub(super) fn location(name: &str) -> Location {
    let new: NewLocation = serde_json::from_value(json!({"name": name, "address": "Weg 1"}))
        .expect("the shape of a location");
    new.check().expect("a valid location")
}

fn next(old: &Prompt, text: &str) -> Prompt {
    let new: NewPrompt =
        serde_json::from_value(json!({"name": "Guide", "text": text})).expect("the shape");
    new.after(old.clone()).expect("a valid prompt")
}

pub(super) async fn every_version_of_a_prompt_is_kept(database: Database) {
    let store = database.migrated().await;
    let first = prompt("one ☕");
    store.insert(New::Prompt(&first)).await.expect("stored");
    let second = next(&first, "two");
    assert!(store.update_prompt(&second).await.expect("changed"));
    assert_eq!(
        store.prompt(first.id).await.expect("read"),
        Some(second.clone())
    );
    for (version, expected) in [(1, Some(&first)), (2, Some(&second)), (3, None)] {
        let found = store.prompt_version(first.id, version).await.expect("read");
        assert_eq!(found.as_ref(), expected);
    }
    let all = store.prompt_versions(first.id, i64::MAX, 9).await;
    assert_eq!(all.expect("listed"), [second.clone(), first.clone()]);
    let older = store.prompt_versions(first.id, 2, 9).await;
    assert_eq!(older.expect("listed"), [first]);
    let listed = store.prompts(from_the_start(), 9).await.expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].1, second);
}

pub(super) async fn of_two_versions_on_one_only_one_becomes_the_next(database: Database) {
    let (one, other) = (database.migrated().await, database.open());
    let first = prompt("one");
    one.insert(New::Prompt(&first)).await.expect("stored");
    let (a, b) = (next(&first, "a"), next(&first, "b"));
    let (won_a, won_b) = tokio::join!(one.update_prompt(&a), other.update_prompt(&b));
    let (won_a, won_b) = (won_a.expect("answered"), won_b.expect("answered"));
    assert!(won_a != won_b, "a: {won_a}, b: {won_b}");
    let kept = one.prompt_versions(first.id, i64::MAX, 9).await;
    assert_eq!(kept.expect("listed"), [if won_a { a } else { b }, first]);
}

pub(super) async fn locations_are_changed_found_and_removed(database: Database) {
    let store = database.migrated().await;
    let bern = location("Bern");
    store.insert(New::Location(&bern)).await.expect("stored");
    store
        .insert(New::Location(&location("Basel")))
        .await
        .expect("stored");
    let changed = Location {
        notes: Some("by the river".into()),
        version: 2,
        ..bern.clone()
    };
    assert!(store.update_location(&changed).await.expect("changed"));
    assert!(!store.update_location(&changed).await.expect("answered"));
    assert_eq!(
        store.location(bern.id).await.expect("read"),
        Some(changed.clone())
    );
    let place = Place::new(None, Order::NewestFirst);
    let names = |found: Vec<(Cursor, Location)>| -> Vec<String> {
        found
            .into_iter()
            .map(|(_, location)| location.name)
            .collect()
    };
    let all = store.locations(place, None, 9).await.expect("listed");
    assert_eq!(names(all), ["Basel", "Bern"]);
    let some = store.locations(place, Some("er"), 9).await.expect("listed");
    assert_eq!(names(some), ["Bern"]);
    assert!(!store.delete_location(bern.id, 1).await.expect("answered"));
    assert!(store.delete_location(bern.id, 2).await.expect("removed"));
    assert_eq!(store.location(bern.id).await.expect("read"), None);
}
