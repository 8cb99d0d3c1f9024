//! Changing items: nobody overwrites what they have not seen, and nothing happens twice.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use crate::support::{Start, request};

fn with(
    mut request: Request<Full<Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<Full<Bytes>> {
    let value = value.parse().expect("a header");
    request.headers_mut().insert(name, value);
    request
}

#[tokio::test]
async fn a_change_is_based_on_the_state_that_was_read() {
    let api = Start::new().ready().await;
    let posted = api
        .post_item(r#"{"name": "tea", "description": "green"}"#)
        .await;
    let path = posted.header("location").to_owned();
    assert_eq!(posted.header("etag"), r#""1""#);

    let blind = api
        .send(request(Method::PUT, &path, r#"{"name": "x"}"#))
        .await;
    assert_eq!(blind.status, StatusCode::PRECONDITION_REQUIRED);
    assert_eq!(
        blind.problem()["type"],
        "urn:opsconsole:problem:precondition-required"
    );

    let patch = request(Method::PATCH, &path, r#"{"name": "coffee"}"#);
    let patched = api.send(with(patch, "if-match", r#""1""#)).await;
    assert_eq!(patched.status, StatusCode::OK, "{patched:?}");
    assert_eq!(patched.header("etag"), r#""2""#);
    assert_eq!(patched.json()["name"], "coffee");
    assert_eq!(patched.json()["description"], "green");

    let stale = request(Method::PUT, &path, r#"{"name": "milk"}"#);
    let stale = api.send(with(stale, "if-match", r#""1""#)).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    stale.problem();

    let removed = request(Method::PATCH, &path, r#"{"description": null}"#);
    let removed = api.send(with(removed, "if-match", "*")).await;
    assert_eq!(removed.json()["description"], json!(null));

    let read = with(request(Method::GET, &path, ""), "if-none-match", r#"W/"3""#);
    let unchanged = api.send(read).await;
    assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
    assert!(unchanged.body.is_empty());

    let gone = with(request(Method::DELETE, &path, ""), "if-match", r#""3""#);
    assert_eq!(api.send(gone).await.status, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_request_sent_again_with_its_key_is_answered_again_and_done_once() {
    let api = Start::new().ready().await;
    let post = |body: &str| {
        with(
            request(Method::POST, "/items", body),
            "idempotency-key",
            "order-7",
        )
    };
    let first = api.send(post(r#"{"name": "tea"}"#)).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let again = api.send(post(r#"{ "name" : "tea" }"#)).await;
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(again.json(), first.json());
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("idempotency-replayed"), "true");

    let other = api.send(post(r#"{"name": "coffee"}"#)).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        other.problem()["type"],
        "urn:opsconsole:problem:idempotency-conflict"
    );
    let items = api.get("/items").await.json();
    assert_eq!(items["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_list_is_sorted_and_filtered_as_asked() {
    let api = Start::new().ready().await;
    for name in ["tea 1", "milk", "tea 2"] {
        api.post_item(format!(r#"{{"name": "{name}"}}"#)).await;
    }
    let page = api
        .get("/items?sort=-created_at&name_contains=tea&limit=1")
        .await
        .json();
    assert_eq!(page["items"][0]["name"], "tea 2");
    let cursor = page["next_cursor"].as_str().expect("there is more");
    let path = format!("/items?sort=-created_at&name_contains=tea&limit=1&cursor={cursor}");
    let page = api.get(&path).await.json();
    assert_eq!(page["items"][0]["name"], "tea 1");
    assert_eq!(page["next_cursor"], json!(null));
    for wrong in ["/items?sort=colour", "/items?created_from=yesterday"] {
        assert_eq!(
            api.get(wrong).await.status,
            StatusCode::BAD_REQUEST,
            "{wrong}"
        );
    }
}
