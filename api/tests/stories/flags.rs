//! Feature flags: from the settings, and from an Unleash server.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode as Status};
use axum::response::IntoResponse;
use axum::{Json, Router, routing};
use serde_json::{Value, json};

use crate::support::local_server::LocalServer;
use crate::support::{Api, Start, until};

/// What the server says, and what it was told.
#[derive(Default)]
struct Unleash {
    is_on: bool,
    is_broken: bool,
    registrations: Vec<Value>,
    metrics: Vec<Value>,
}

type Shared = Arc<Mutex<Unleash>>;

/// The shape of docs.getunleash.io/reference/api/unleash/get-all-client-features.
async fn features(State(unleash): State<Shared>, headers: HeaderMap) -> impl IntoResponse {
    let unleash = unleash.lock().expect("no panic holds it");
    if headers
        .get("authorization")
        .is_none_or(|token| token != "default:test.token")
    {
        return (Status::UNAUTHORIZED, Json(json!({})));
    }
    if unleash.is_broken {
        return (Status::INTERNAL_SERVER_ERROR, Json(json!({})));
    }
    let features = json!({
        "version": 2,
        "features": [{
            "name": "greet-caller",
            "type": "release",
            "enabled": unleash.is_on,
            "strategies": [{"name": "default", "parameters": {}}],
        }],
    });
    (Status::OK, Json(features))
}

async fn register(State(unleash): State<Shared>, Json(body): Json<Value>) -> Status {
    let mut unleash = unleash.lock().expect("no panic holds it");
    unleash.registrations.push(body);
    Status::ACCEPTED
}

async fn metrics(State(unleash): State<Shared>, Json(body): Json<Value>) -> Status {
    unleash
        .lock()
        .expect("no panic holds it")
        .metrics
        .push(body);
    Status::ACCEPTED
}

async fn server(unleash: &Shared) -> LocalServer {
    let routes = Router::new()
        .route("/api/client/features", routing::get(features))
        .route("/api/client/register", routing::post(register))
        .route("/api/client/metrics", routing::post(metrics))
        .with_state(Arc::clone(unleash));
    LocalServer::start(routes).await
}

async fn greeting_becomes(api: &Api, wanted: &str) {
    until(wanted, async || {
        let answer = api.get("/api/hello").await.json();
        (answer["message"] == wanted).then_some(())
    })
    .await;
}

const PLAIN: &str = "Hello from dev";
const NAMED: &str = "Hello anonymous, from dev";

#[tokio::test]
async fn a_flag_of_the_settings_switches_the_greeting() {
    let api = Start::new().set("FLAGS", "greet-caller").ready().await;
    assert_eq!(api.get("/api/hello").await.json()["message"], NAMED);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flags.toml");
    std::fs::write(&path, "greet-caller = true\n").expect("written");
    let path = path.to_str().expect("UTF-8");
    let api = Start::new().set("FLAGS_FILE", path).ready().await;
    assert_eq!(api.get("/api/hello").await.json()["message"], NAMED);
    let api = Start::new()
        .set("FLAGS_FILE", path)
        .set("FLAGS", "greet-caller=off")
        .ready()
        .await;
    assert_eq!(api.get("/api/hello").await.json()["message"], PLAIN);
}

#[tokio::test]
async fn unleash_switches_a_running_service_and_its_absence_changes_nothing() {
    let unleash = Shared::default();
    let server = server(&unleash).await;
    let api = Start::new()
        .set("UNLEASH_URL", &format!("{}/api/", server.url()))
        .set("UNLEASH_TOKEN", "default:test.token")
        .set("UNLEASH_POLL_SECONDS", "1")
        .ready()
        .await;
    assert_eq!(api.get("/api/hello").await.json()["message"], PLAIN);
    unleash.lock().expect("no panic holds it").is_on = true;
    greeting_becomes(&api, NAMED).await;

    unleash.lock().expect("no panic holds it").is_broken = true;
    api.process
        .line(|line| line["level"] == "WARN" && line["problem"] == "it answered 500")
        .await;
    assert_eq!(api.get("/api/hello").await.json()["message"], NAMED);
    {
        let mut unleash = unleash.lock().expect("no panic holds it");
        unleash.is_broken = false;
        unleash.is_on = false;
    }
    greeting_becomes(&api, PLAIN).await;

    let used = until("metrics of the use of the flag", async || {
        let unleash = unleash.lock().expect("no panic holds it");
        let toggles = unleash
            .metrics
            .iter()
            .map(|told| &told["bucket"]["toggles"]);
        toggles
            .map(|toggles| toggles["greet-caller"].clone())
            .find(|counts| counts["yes"].as_u64() > Some(0))
    })
    .await;
    assert!(used.is_object());
    let unleash = unleash.lock().expect("no panic holds it");
    assert_eq!(unleash.registrations[0]["appName"], "opsconsole-api");
}

#[tokio::test]
async fn a_flag_service_that_never_answers_leaves_the_settings_in_force() {
    let api = Start::new()
        .set("FLAGS", "greet-caller=on")
        .set("UNLEASH_URL", "http://127.0.0.1:9/api")
        .ready()
        .await;
    api.process.line(|line| line["level"] == "WARN").await;
    assert_eq!(api.get("/api/hello").await.json()["message"], NAMED);
}
