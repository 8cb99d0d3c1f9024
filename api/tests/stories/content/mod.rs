//! Content for locations: from a request to a text that stays, whatever dies on the way.

mod failures;
mod lives;
mod requests;
mod spans;
mod stores;

use std::path::PathBuf;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::vendors::{GEMINI_KEY, TAVILY_KEY, Vendors};
use crate::support::{Api, Start, postgres, request, until};

/// Tells a story once on each database.
macro_rules! on_each_database {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $story() {
                super::$story(crate::content::Scene::on_sqlite().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $story() {
                if let Some(scene) = crate::content::Scene::on_postgres().await {
                    super::$story(scene).await;
                }
            })*
        }
    };
}
use on_each_database;

/// A database, the vendors, and a folder for content, which several processes share.
struct Scene {
    vendors: Vendors,
    database_url: String,
    folder: TempDir,
}

impl Scene {
    async fn on_sqlite() -> Self {
        let folder = TempDir::new().expect("a folder");
        let database = folder.path().join("shared.db");
        Self {
            vendors: Vendors::start().await,
            database_url: format!("sqlite://{}", database.display()),
            folder,
        }
    }

    async fn on_postgres() -> Option<Self> {
        Some(Self {
            database_url: postgres::database_url().await?,
            vendors: Vendors::start().await,
            folder: TempDir::new().expect("a folder"),
        })
    }

    /// A process that serves and works, with pauses as short as tests want them.
    fn start(&self) -> Start {
        Start::new()
            .set("DATABASE_URL", &self.database_url)
            .set("MIGRATE_ON_START", "on")
            .set("TAVILY_URL", &self.vendors.url())
            .set("TAVILY_API_KEY", TAVILY_KEY)
            .set("GEMINI_URL", &self.vendors.url())
            .set("GEMINI_API_KEY", GEMINI_KEY)
            .set("CONTENT_URL", &format!("file:{}", self.content().display()))
            .set("JOB_POLL_MS", "50")
            .set("JOB_RETRY_MS", "20")
    }

    fn content(&self) -> PathBuf {
        self.folder.path().join("content")
    }

    /// The documents that were kept.
    fn documents(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.content().join("jobs"))
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("readable").path())
            .collect()
    }
}

async fn post(api: &Api, path: &str, body: &Value) -> Value {
    let answer = api
        .send(request(Method::POST, path, body.to_string()))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{path}: {answer:?}");
    let location = answer.header("location").to_owned();
    let made = answer.json();
    assert_eq!(location, format!("{path}/{}", id(&made)));
    made
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().expect("an id")
}

async fn prompt(api: &Api) -> Value {
    let text = "Write about {{location.name}} ({{location.notes}}).\n\n{{sources}}";
    post(api, "/prompts", &json!({"name": "Guide", "text": text})).await
}

async fn location(api: &Api) -> Value {
    let bern = json!({"name": "Bern", "address": "Bundesplatz 3", "notes": "for families"});
    post(api, "/locations", &bern).await
}

/// A job for a new location with a new prompt.
async fn job(api: &Api) -> Value {
    let (prompt, location) = (prompt(api).await, location(api).await);
    let body = json!({"location_id": id(&location), "prompt_id": id(&prompt)});
    post(api, "/jobs", &body).await
}

async fn read(api: &Api, job: &Value) -> Value {
    api.get(&format!("/jobs/{}", id(job))).await.json()
}

/// The job as soon as this holds.
async fn when(api: &Api, job: &Value, holds: impl Fn(&Value) -> bool) -> Value {
    until("the job to come so far", async || {
        Some(read(api, job).await).filter(|job| holds(job))
    })
    .await
}

async fn when_it_is(api: &Api, job: &Value, state: &str) -> Value {
    when(api, job, |job| {
        let is_over = matches!(
            job["state"].as_str(),
            Some("succeeded" | "cancelled" | "dead")
        );
        assert!(
            !is_over || job["state"] == state,
            "it was to become {state}: {job}"
        );
        job["state"] == state
    })
    .await
}

async fn when_it_does(api: &Api, job: &Value, step: &str) -> Value {
    when(api, job, |job| job["step"] == step).await
}

async fn cancel(api: &Api, job: &Value) -> crate::support::Answer {
    let path = format!("/jobs/{}/cancel", id(job));
    api.send(request(Method::POST, &path, "")).await
}

/// What the events say, as pairs of state and step.
async fn history(api: &Api, job: &Value) -> Vec<(String, String)> {
    let answer = api.get(&format!("/jobs/{}/events", id(job))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/event-stream");
    String::from_utf8_lossy(&answer.body)
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).expect("JSON"))
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            (text("state"), text("step"))
        })
        .collect()
}

/// Changes the database behind the back of the service.
async fn execute(url: &str, sql: &'static str) {
    use sqlx::{Connection, Executor};
    if url.starts_with("sqlite") {
        let connection = sqlx::SqliteConnection::connect(url).await;
        connection
            .expect("opened")
            .execute(sql)
            .await
            .expect("done");
    } else {
        let connection = sqlx::PgConnection::connect(url).await;
        connection
            .expect("opened")
            .execute(sql)
            .await
            .expect("done");
    }
}
