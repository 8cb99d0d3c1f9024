//! Every refusal is a problem document that helps the caller and gives nothing away.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};

use crate::support::{Answer, Api, Start, request};

async fn refused(api: &Api, request: Request<Full<Bytes>>, status: u16, kind: &str) -> Answer {
    let what = format!("{} {}", request.method(), request.uri());
    let answer = api.send(request).await;
    assert_eq!(answer.status.as_u16(), status, "{what}: {answer:?}");
    assert_eq!(
        answer.problem()["type"],
        format!("urn:opsconsole:problem:{kind}"),
        "{what}"
    );
    answer
}

#[tokio::test]
async fn a_request_that_cannot_be_served_says_why() {
    let api = Start::new().ready().await;
    let get = |path: &str| request(Method::GET, path, "");
    let post = |body: &str| request(Method::POST, "/items", body);
    let deep = format!(r#"{{"name": {}"#, "[".repeat(5_000));
    let long_path = format!("/items/{}", "a".repeat(9_000));
    let mut two_keys = post(r#"{"name": "a"}"#);
    for key in ["one", "two"] {
        let key = key.parse().expect("a header");
        two_keys.headers_mut().append("idempotency-key", key);
    }
    let mut no_type = post(r#"{"name": "a"}"#);
    no_type.headers_mut().remove("content-type");
    let cases = [
        (get("/nothing/here"), 404, "path-not-found"),
        (get("/items/42"), 404, "item-not-found"),
        (
            get("/items/01890a5d-ac96-774b-bcce-b302099a8057"),
            404,
            "item-not-found",
        ),
        (get("/items/%ff"), 400, "bad-request"),
        (get("/items?limit=0"), 400, "bad-request"),
        (get("/items?limit=101"), 400, "bad-request"),
        (get("/items?limit=many"), 400, "bad-request"),
        (get("/items?cursor=p1-1"), 400, "bad-request"),
        (get("/items?page=2"), 400, "bad-request"),
        (get("/items?limit=1&limit=2"), 400, "bad-request"),
        (get("/items?name_contains=%ff"), 400, "bad-request"),
        (get("/items?name_contains=%00"), 400, "bad-request"),
        (get("/locations?name_contains=a%00"), 400, "bad-request"),
        (
            get("/items?created_from=2026-13-01T00:00:00Z"),
            400,
            "bad-request",
        ),
        (
            get("/items?cursor=p9223372036854775808"),
            400,
            "bad-request",
        ),
        (get("/items?sort=name"), 400, "bad-request"),
        (get(&long_path), 414, "uri-too-long"),
        (
            request(Method::PUT, "/items", "{}"),
            405,
            "method-not-allowed",
        ),
        (
            request(Method::DELETE, "/livez", ""),
            405,
            "method-not-allowed",
        ),
        (post(""), 400, "bad-request"),
        (post(r#"{"name": "#), 400, "bad-request"),
        (post(&deep), 422, "wrong-shape"),
        (post("[]"), 422, "wrong-shape"),
        (post(r#"{"description": "no name"}"#), 422, "wrong-shape"),
        (post(r#"{"name": 7}"#), 422, "wrong-shape"),
        (
            post(r#"{"name": "a", "colour": "red"}"#),
            422,
            "wrong-shape",
        ),
        (post(r#"{"name": "a", "name": "b"}"#), 422, "wrong-shape"),
        (post(r#"{"name": "  "}"#), 422, "invalid-fields"),
        (post(r#"{"name": "a\u0000b"}"#), 422, "invalid-fields"),
        (post(r#"{"name": "\ud800"}"#), 400, "bad-request"),
        (post(r#"{"name": "a"} {"name": "b"}"#), 400, "bad-request"),
        (post("\u{feff}{\"name\": \"a\"}"), 400, "bad-request"),
        (two_keys, 400, "bad-request"),
        (no_type, 415, "not-json"),
    ];
    for (request, status, kind) in cases {
        refused(&api, request, status, kind).await;
    }
    assert_eq!(
        api.get("/items").await.json()["items"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn a_method_that_is_not_there_names_those_that_are() {
    let api = Start::new().ready().await;
    let answer = refused(
        &api,
        request(Method::DELETE, "/items", ""),
        405,
        "method-not-allowed",
    )
    .await;
    let allow = answer.header("allow");
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}

#[tokio::test]
async fn a_body_that_is_too_large_or_not_json_is_refused() {
    let api = Start::new().ready().await;
    let large = format!(r#"{{"name": "{}"}}"#, "a".repeat(70_000));
    refused(
        &api,
        request(Method::POST, "/items", large),
        413,
        "body-too-large",
    )
    .await;

    let mut form = request(Method::POST, "/items", "name=a");
    form.headers_mut().insert(
        "content-type",
        "application/x-www-form-urlencoded"
            .parse()
            .expect("a header"),
    );
    refused(&api, form, 415, "not-json").await;

    let mut compressed = request(Method::POST, "/items", r#"{"name": "a"}"#);
    let gzip = "gzip".parse().expect("a header");
    compressed.headers_mut().insert("content-encoding", gzip);
    let answer = refused(&api, compressed, 415, "encoded-body").await;
    assert_eq!(answer.header("accept-encoding"), "identity");

    let mut invalid = request(Method::POST, "/items", "");
    *invalid.body_mut() = Full::new(Bytes::from_static(b"{\"name\": \"\xff\"}"));
    refused(&api, invalid, 400, "bad-request").await;
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let api = Start::new().ready().await;
    let answer = api
        .post_item(r#"{"name": "\u001b[2J", "description": "\u0007"}"#)
        .await;
    let errors = answer.problem()["errors"].clone();
    assert_eq!(errors[0]["pointer"], "/name");
    assert_eq!(errors[1]["pointer"], "/description");
}
