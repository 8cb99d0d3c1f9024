//! Items in Redis: read there, never older than what this caller knows, never in the way.

use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::support::redis::Redis;
use crate::support::{Api, Start, database, request, until};

const HITS: &str = r#"opsconsole_api_cache_requests_total{result="hit"} "#;
const MISSES: &str = r#"opsconsole_api_cache_requests_total{result="miss"} "#;

async fn post(api: &Api, name: &str) -> String {
    let posted = api.post_item(format!(r#"{{"name": "{name}"}}"#)).await;
    assert_eq!(posted.status, StatusCode::CREATED);
    posted.header("location").to_owned()
}

async fn put(api: &Api, path: &str, name: &str) -> Value {
    let mut put = request(Method::PUT, path, format!(r#"{{"name": "{name}"}}"#));
    put.headers_mut()
        .insert("if-match", "*".parse().expect("a header"));
    let answer = api.send(put).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

async fn delete(api: &Api, path: &str) {
    let mut delete = request(Method::DELETE, path, "");
    delete
        .headers_mut()
        .insert("if-match", "*".parse().expect("a header"));
    assert_eq!(api.send(delete).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_was_read_is_read_from_the_cache_until_it_changes() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let (_folder, path) = database();
    let start = || Start::on(&path).set("REDIS_URL", &redis.url());
    let (one, other) = (start().ready().await, start().ready().await);
    let item = post(&one, "tea").await;
    let first = one.get(&item).await.json();
    let again = other.get(&item).await;
    assert_eq!(again.json(), first);
    assert!((one.metric(MISSES).await - 1.0).abs() < 0.1);
    assert!((other.metric(HITS).await - 1.0).abs() < 0.1);

    for round in 0..20 {
        let (writer, reader) = if round % 2 == 0 {
            (&one, &other)
        } else {
            (&other, &one)
        };
        let changed = put(writer, &item, &format!("tea {round}")).await;
        assert_eq!(writer.get(&item).await.json(), changed);
        assert_eq!(reader.get(&item).await.json(), changed);
    }
    assert!(one.metric(HITS).await + other.metric(HITS).await >= 20.0);
    delete(&one, &item).await;
    for api in [&one, &other] {
        assert_eq!(api.get(&item).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn readers_in_the_middle_of_writes_never_bring_an_old_state_back() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let (_folder, path) = database();
    let start = || Start::on(&path).set("REDIS_URL", &redis.url());
    let apis = [start().ready().await, start().ready().await];
    let item = post(&apis[0], "tea").await;
    let version = |item: &Value| item["version"].as_i64().unwrap_or_default();
    let writing = async {
        for round in 0..40 {
            let changed = put(&apis[round % 2], &item, &format!("tea {round}")).await;
            let seen = apis[(round + 1) % 2].get(&item).await.json();
            assert!(
                version(&seen) >= version(&changed),
                "{seen} after {changed}"
            );
        }
    };
    let reading = async |api: &Api| {
        let mut last = 0;
        while last < 41 {
            let seen = version(&api.get(&item).await.json());
            assert!(seen >= last, "{seen} after {last}");
            last = seen;
        }
    };
    tokio::join!(
        writing,
        reading(&apis[0]),
        reading(&apis[1]),
        reading(&apis[1])
    );
}

#[tokio::test]
async fn a_redis_that_is_away_fails_no_request_and_gives_nothing_old_when_it_is_back() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let api = Start::new().set("REDIS_URL", &redis.url()).ready().await;
    let item = post(&api, "tea").await;
    api.get(&item).await;
    let port = redis.port();
    drop(redis);
    let changed = put(&api, &item, "coffee").await;
    assert_eq!(api.get(&item).await.json(), changed);
    assert_eq!(api.get("/readyz").await.status, StatusCode::OK);
    api.process
        .line(|line| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.contains("cannot be told"))
        })
        .await;
    let _redis = Redis::start_on(port).await;
    assert_eq!(api.get(&item).await.json(), changed);
}

const KEY: &str = "a-key-for-tests-0123456789abcdef";

#[tokio::test]
async fn the_checks_tell_a_cache_that_answers_from_one_that_is_away_or_not_wanted() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let status = async |start: Start| {
        let api = start.set("ADMIN_KEY", KEY).ready().await;
        let found = until("the check of Redis", async || {
            let mut check = request(Method::GET, "/admin/checks", "");
            let key = format!("Bearer {KEY}").parse().expect("a header");
            check.headers_mut().insert("authorization", key);
            let report = api.send(check).await.json();
            let checks = report["checks"].as_array().cloned().unwrap_or_default();
            checks.into_iter().find(|check| check["name"] == "redis")
        })
        .await;
        found["status"].as_str().expect("a status").to_owned()
    };
    let with = |url: &str| Start::new().set("REDIS_URL", url);
    assert_eq!(status(with(&redis.url())).await, "ok");
    assert_eq!(status(Start::new()).await, "not_configured");
    let url = redis.url();
    drop(redis);
    assert_eq!(status(with(&url)).await, "failed");
}

/// What an authority would hand out for a server on this machine.
const CERTIFICATE: &str = "[req]\ndistinguished_name=name\nx509_extensions=ext\nprompt=no\n\
    [name]\nCN=localhost\n[ext]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n";

#[tokio::test]
async fn the_cache_is_reached_over_tls_where_its_certificate_is_trusted() {
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("request"), CERTIFICATE).expect("written");
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-config", "request"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder.path())
        .output()
        .expect("openssl is on every machine with Redis");
    assert!(made.status.success(), "{made:?}");
    let Some(redis) = Redis::start_with_tls(folder.path()).await else {
        return;
    };
    let url = redis.url().replacen("redis:", "rediss:", 1);
    let trusting = Start::new()
        .set("REDIS_URL", &url)
        .env(
            "SSL_CERT_FILE",
            &folder.path().join("cert.pem").display().to_string(),
        )
        .ready()
        .await;
    let item = post(&trusting, "tea").await;
    until("a hit", async || {
        assert_eq!(trusting.get(&item).await.status, StatusCode::OK);
        (trusting.metric(HITS).await > 0.0).then_some(())
    })
    .await;

    let doubting = Start::new().set("REDIS_URL", &url).ready().await;
    let item = post(&doubting, "tea").await;
    assert_eq!(doubting.get(&item).await.status, StatusCode::OK);
    assert!(doubting.metric(HITS).await < 0.5);
}
