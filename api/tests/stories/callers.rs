//! Who may do what, and how often.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};

use crate::support::{Api, Start, request, until};

const BOOTSTRAP: &str = "a-key-for-tests-0123456789abcdef";

fn by(key: &str, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let value = format!("Bearer {key}").parse().expect("a header");
    request.headers_mut().insert("authorization", value);
    request
}

async fn guarded() -> Api {
    Start::new()
        .set("AUTH", "on")
        .set("ADMIN_KEY", BOOTSTRAP)
        .ready()
        .await
}

async fn make_key(api: &Api, body: &str) -> (String, String) {
    let made = api
        .send(by(BOOTSTRAP, request(Method::POST, "/admin/keys", body)))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made = made.json();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    (text("prefix"), text("key"))
}

#[tokio::test]
async fn each_role_may_do_its_own_and_what_the_roles_below_may() {
    let api = guarded().await;
    let (_, reader) = make_key(&api, r#"{"name": "r", "role": "reader"}"#).await;
    let (_, writer) = make_key(&api, r#"{"name": "w", "role": "writer"}"#).await;
    let item = r#"{"name": "tea"}"#;
    let cases = [
        (None, Method::GET, "/", "", 200),
        (None, Method::GET, "/readyz", "", 200),
        (None, Method::GET, "/items", "", 401),
        (None, Method::POST, "/items", item, 401),
        (Some("nonsense"), Method::GET, "/items", "", 401),
        (
            Some("opk_0123456789ab_guess"),
            Method::GET,
            "/items",
            "",
            401,
        ),
        (Some(&*reader), Method::GET, "/items", "", 200),
        (Some(&*reader), Method::POST, "/items", item, 403),
        (Some(&*writer), Method::POST, "/items", item, 201),
        (Some(&*writer), Method::GET, "/admin/keys", "", 403),
        (Some(BOOTSTRAP), Method::GET, "/admin/keys", "", 200),
        (Some(BOOTSTRAP), Method::GET, "/admin/checks", "", 200),
    ];
    for (key, method, path, body, status) in cases {
        let asked = request(method.clone(), path, body);
        let answer = match key {
            Some(key) => api.send(by(key, asked)).await,
            None => api.send(asked).await,
        };
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path}: {answer:?}"
        );
        if status == 401 {
            answer.problem();
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    let listed = api
        .send(by(BOOTSTRAP, request(Method::GET, "/admin/keys", "")))
        .await;
    let secret = reader.rsplit('_').next().expect("three parts");
    assert!(!String::from_utf8_lossy(&listed.body).contains(secret));
    assert!(!format!("{:?}", api.log().await).contains(secret));
}

#[tokio::test]
async fn a_key_does_what_its_scopes_name_and_nothing_else() {
    let api = guarded().await;
    let (prefix, key) = make_key(
        &api,
        r#"{"name": "import", "role": "writer", "scopes": ["items:write"]}"#,
    )
    .await;
    let post = request(Method::POST, "/items", r#"{"name": "tea"}"#);
    assert_eq!(api.send(by(&key, post)).await.status, StatusCode::CREATED);
    let refused = api.send(by(&key, request(Method::GET, "/items", ""))).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let detail = refused.problem()["detail"].to_string();
    assert!(detail.contains("items:read"), "{detail}");

    let keys = api
        .send(by(BOOTSTRAP, request(Method::GET, "/admin/keys", "")))
        .await
        .json();
    let kept = &keys["keys"][0];
    assert_eq!(kept["prefix"], prefix.as_str());
    assert_eq!(kept["scopes"], serde_json::json!(["items:write"]));
    assert!(kept["last_used_at"].is_string(), "{kept}");
}

#[tokio::test]
async fn a_scope_that_does_not_exist_or_exceeds_the_role_is_refused() {
    let api = guarded().await;
    for (body, part) in [
        (
            r#"{"name": "a", "role": "reader", "scopes": ["stars:polish"]}"#,
            "stars:polish",
        ),
        (
            r#"{"name": "a", "role": "reader", "scopes": ["items:write"]}"#,
            "items:write",
        ),
        (
            r#"{"name": "a", "role": "reader", "scopes": []}"#,
            "at least one",
        ),
        (
            r#"{"name": "a", "role": "reader", "expires_at": "2020-01-01T00:00:00Z"}"#,
            "future",
        ),
    ] {
        let answer = api
            .send(by(BOOTSTRAP, request(Method::POST, "/admin/keys", body)))
            .await;
        assert_eq!(answer.status.as_u16(), 422, "{body}");
        let problem = answer.problem().to_string();
        assert!(problem.contains(part), "{problem}");
    }
}

#[tokio::test]
async fn a_key_ends_by_itself_when_its_time_is_over() {
    let api = guarded().await;
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    let body = format!(r#"{{"name": "short", "role": "reader", "expires_at": "{end}"}}"#);
    let (_, key) = make_key(&api, &body).await;
    let refused = until("the end of the key", async || {
        let answer = api.send(by(&key, request(Method::GET, "/items", ""))).await;
        (answer.status == StatusCode::UNAUTHORIZED).then_some(answer)
    })
    .await;
    let detail = refused.problem()["detail"].to_string();
    assert!(detail.contains("expired"), "{detail}");
    assert!(refused.header("www-authenticate").contains("invalid_token"));
}

#[tokio::test]
async fn a_key_that_was_revoked_opens_nothing_any_more() {
    let api = guarded().await;
    let (prefix, key) = make_key(&api, r#"{"name": "r", "role": "reader"}"#).await;
    let get = || by(&key, request(Method::GET, "/items", ""));
    assert_eq!(api.send(get()).await.status, StatusCode::OK);
    let revoke = request(Method::DELETE, &format!("/admin/keys/{prefix}"), "");
    assert_eq!(
        api.send(by(BOOTSTRAP, revoke)).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(api.send(get()).await.status, StatusCode::UNAUTHORIZED);
    let line = api
        .process
        .line(|line| line["principal"] == format!("key:{prefix}"))
        .await;
    assert_eq!(line["status"], 200);
}

#[tokio::test]
async fn administration_is_closed_also_where_items_are_open() {
    let api = Start::new().ready().await;
    assert_eq!(api.get("/items").await.status, StatusCode::OK);
    assert_eq!(
        api.get("/admin/keys").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_caller_who_asks_too_often_is_told_when_to_come_back() {
    let api = Start::new().set("RATE_LIMIT_PER_SECOND", "5").ready().await;
    let mut refused = None;
    for _ in 0..50 {
        let answer = api.get("/items").await;
        assert_eq!(answer.header("ratelimit-limit"), "5");
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("50 requests come faster than 5 a second");
    refused.problem();
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=2).contains(&seconds));
    assert_eq!(api.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_of_listed_origins_may_read_answers_and_others_may_not() {
    let api = Start::new()
        .set("CORS_ORIGINS", "https://console.example.com")
        .ready()
        .await;
    let from = |origin: &str, method: Method| {
        let mut asked = request(method, "/items", "");
        let headers = asked.headers_mut();
        headers.insert("origin", origin.parse().expect("a header"));
        headers.insert(
            "access-control-request-method",
            "POST".parse().expect("a header"),
        );
        asked
    };
    let preflight = api
        .send(from("https://console.example.com", Method::OPTIONS))
        .await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert!(
        preflight
            .header("access-control-allow-methods")
            .contains("POST")
    );
    let read = api
        .send(from("https://console.example.com", Method::GET))
        .await;
    assert_eq!(
        read.header("access-control-allow-origin"),
        "https://console.example.com"
    );
    for header in ["x-content-type-options", "content-security-policy"] {
        assert!(!read.header(header).is_empty(), "{header}");
    }
    let other = api
        .send(from("https://evil.example.com", Method::GET))
        .await;
    assert_eq!(other.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused_with_a_problem() {
    let api = Start::new().ready().await;
    let mut asked = request(Method::GET, "/items", "");
    let large = "a".repeat(20_000).parse().expect("a header");
    asked.headers_mut().insert("cookie", large);
    let answer = api.send(asked).await;
    assert_eq!(answer.status.as_u16(), 431);
    answer.problem();
}
