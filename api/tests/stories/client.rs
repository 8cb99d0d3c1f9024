//! The typed client against a running service.

use opsconsole_api_client::{Client, Error, ItemPatch, ItemQuery, NewItem, NewJob};
use secrecy::SecretString;

use crate::support::Start;

const KEY: &str = "a-key-for-tests-0123456789abcdef";

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    let error = outcome.expect_err("a refusal");
    error.kind().unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[tokio::test]
async fn an_item_lives_its_life_through_the_client() {
    let api = Start::new()
        .set("AUTH", "on")
        .set("ADMIN_KEY", KEY)
        .ready()
        .await;
    let base = format!("http://{}/", api.address);
    let client = Client::new(&base, Some(&SecretString::from(KEY))).expect("usable");
    assert_eq!(client.hello().await.expect("greeted").version, "1.5.0");

    let new = NewItem::named("Kaffee ☕");
    let made = client.create_item(&new, Some("k1")).await.expect("made");
    let again = client
        .create_item(&new, Some("k1"))
        .await
        .expect("the same");
    assert_eq!(made, again);
    assert_eq!(client.item(&made.id).await.expect("read"), made);

    let patch = ItemPatch {
        description: Some(Some("beans".into())),
        ..ItemPatch::default()
    };
    let changed = client.change_item(&made, &patch).await.expect("changed");
    assert_eq!(changed.name, "Kaffee ☕");
    assert_eq!(changed.description.as_deref(), Some("beans"));
    assert_eq!(
        kind(client.replace_item(&made, &new).await),
        "precondition-failed"
    );
    let replaced = client.replace_item(&changed, &new).await.expect("replaced");
    assert_eq!(
        (replaced.version, replaced.description.as_deref()),
        (3, None)
    );

    client
        .create_item(&NewItem::named("tea"), None)
        .await
        .expect("made");
    let mut query = ItemQuery {
        limit: Some(1),
        newest_first: true,
        ..ItemQuery::default()
    };
    let first = client.items(&query).await.expect("listed");
    assert_eq!(first.items[0].name, "tea");
    query.cursor = first.next_cursor;
    let second = client.items(&query).await.expect("listed");
    assert_eq!(second.items, std::slice::from_ref(&replaced));
    assert_eq!(second.next_cursor, None);

    client.delete_item(&replaced).await.expect("deleted");
    assert_eq!(kind(client.item(&made.id).await), "item-not-found");
}

#[tokio::test]
async fn refusals_keep_what_the_service_said() {
    let api = Start::new()
        .set("AUTH", "on")
        .set("ADMIN_KEY", KEY)
        .ready()
        .await;
    let base = format!("http://{}", api.address);
    let stranger = Client::new(&base, None).expect("usable");
    assert_eq!(
        kind(stranger.items(&ItemQuery::default()).await),
        "unauthenticated"
    );
    let client = Client::new(&base, Some(&SecretString::from(KEY))).expect("usable");
    match client.create_item(&NewItem::named("\u{1b}[2J"), None).await {
        Err(Error::Refused { problem, .. }) => {
            assert_eq!(problem.errors[0].pointer, "/name");
            assert!(problem.request_id.is_some());
        }
        other => panic!("{other:?}"),
    }
    let job = NewJob {
        location_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
        prompt_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
        prompt_version: None,
    };
    assert_eq!(kind(client.create_job(&job, None).await), "invalid-fields");
    assert_eq!(kind(client.job(&job.prompt_id).await), "job-not-found");
    // An id from outside stays an id.
    assert_eq!(kind(client.item("../admin/keys").await), "item-not-found");
    assert!(!format!("{client:?}").contains(KEY));
}
