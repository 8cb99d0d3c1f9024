//! Storing, reading and paging through items.

use hyper::StatusCode;
use serde_json::json;

use crate::support::Start;

#[tokio::test]
async fn an_item_that_was_posted_is_found_under_its_address_and_in_the_list() {
    let api = Start::new().ready().await;
    let posted = api
        .post_item(r#"{"name": " Kaffee ☕ ", "description": "beans\n1 kg"}"#)
        .await;
    assert_eq!(posted.status, StatusCode::CREATED);
    let item = posted.json();
    assert_eq!(item["name"], "Kaffee ☕");
    assert_eq!(item["description"], "beans\n1 kg");
    let created_at = item["created_at"].as_str().unwrap_or_default();
    created_at
        .parse::<jiff::Timestamp>()
        .expect("an RFC 3339 time");

    let read = api.get(posted.header("location")).await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(read.json(), item);
    assert_eq!(
        api.get("/items").await.json(),
        json!({"items": [item], "next_cursor": null})
    );
    assert!((api.metric("opsconsole_api_items_created_total ").await - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn paging_sees_every_item_once_and_in_order_while_others_are_added() {
    let api = Start::new().ready().await;
    for number in 0..7 {
        let posted = api
            .post_item(format!(r#"{{"name": "item {number}"}}"#))
            .await;
        assert_eq!(posted.status, StatusCode::CREATED);
    }
    let mut names = Vec::new();
    let mut path = "/items?limit=3".to_owned();
    loop {
        let page = api.get(&path).await.json();
        let items = page["items"].as_array().expect("items").clone();
        assert!((1..=3).contains(&items.len()), "{page}");
        names.extend(items.iter().map(|item| item["name"].to_string()));
        if names.len() == 3 {
            api.post_item(r#"{"name": "item 7"}"#).await;
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/items?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    let expected: Vec<_> = (0..8).map(|number| format!("\"item {number}\"")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn the_last_page_has_no_next_one_even_when_it_is_full() {
    let api = Start::new().ready().await;
    for _ in 0..3 {
        api.post_item(r#"{"name": "a"}"#).await;
    }
    assert_eq!(
        api.get("/items?limit=3").await.json()["next_cursor"],
        json!(null)
    );
    assert_ne!(
        api.get("/items?limit=2").await.json()["next_cursor"],
        json!(null)
    );
}
