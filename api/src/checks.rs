//! Tries each dependency and says for each: ok, took how long, or why not.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::content::{ContentKey, ContentStore, Put};
use crate::storage::Schema;
use crate::trace::TraceId;
use crate::vendors::Errand;

/// A dependency that takes longer is as good as gone.
const CHECK_TIME_MAX: Duration = Duration::from_secs(5);

/// What all checks found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CheckReport)]
pub(crate) struct Report {
    /// Whether no check has failed.
    pub(crate) ok: bool,
    pub(crate) checks: Vec<Check>,
}

/// What one check found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) status: CheckStatus,
    pub(crate) duration_ms: u64,
    /// What was found, or why it is not ok; for operators only.
    pub(crate) detail: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckStatus {
    /// It works.
    Ok,
    /// It does not, or not in time.
    Failed,
    /// The settings do not name it, so it was not tried.
    NotConfigured,
}

/// What trying a dependency found.
pub(crate) enum Finding {
    /// It works; what was seen.
    Ok(String),
    /// Why it does not.
    Failed(String),
    /// Which settings are missing.
    NotConfigured(&'static str),
}

/// A dependency that can be tried.
#[async_trait]
pub(crate) trait Dependency: Send + Sync {
    /// What the report calls it.
    fn name(&self) -> &'static str;

    /// How long it may take.
    fn time_max(&self) -> Duration {
        CHECK_TIME_MAX
    }

    /// Tries it with the tools that requests and jobs use.
    async fn probe(&self, app: &App) -> Finding;
}

/// Everything that is tried, in the order of the report. A new dependency is added here.
const DEPENDENCIES: [&dyn Dependency; 5] =
    [&Database, &Content, &TavilySearch, &GeminiModel, &Redis];

/// Tries all dependencies at the same time, each within its own limit.
pub(crate) async fn run(app: &App) -> Report {
    let checks = join_all(DEPENDENCIES.map(|dependency| check(dependency, app))).await;
    Report {
        ok: checks
            .iter()
            .all(|check| check.status != CheckStatus::Failed),
        checks,
    }
}

async fn check(dependency: &dyn Dependency, app: &App) -> Check {
    let started = Instant::now();
    let limit = dependency.time_max();
    let finding = tokio::time::timeout(limit, dependency.probe(app))
        .await
        .unwrap_or_else(|_| Finding::Failed(format!("no answer within {} s", limit.as_secs())));
    let (status, detail) = match finding {
        Finding::Ok(detail) => (CheckStatus::Ok, detail),
        Finding::Failed(reason) => (CheckStatus::Failed, reason),
        Finding::NotConfigured(missing) => (
            CheckStatus::NotConfigured,
            format!("not configured: set {missing}"),
        ),
    };
    Check {
        name: dependency.name(),
        status,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        detail,
    }
}

impl<E: std::fmt::Display> From<Result<&'static str, E>> for Finding {
    fn from(outcome: Result<&'static str, E>) -> Self {
        match outcome {
            Ok(detail) => Self::Ok(detail.to_owned()),
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// An answer from the cache.
struct Redis;

#[async_trait]
impl Dependency for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn probe(&self, app: &App) -> Finding {
        match &app.cache {
            None => Finding::NotConfigured("OPSCONSOLE_API_REDIS_URL"),
            Some(cache) => cache.probe().await.map(|()| "it answers").into(),
        }
    }
}

/// A connection, and a schema that this release can serve on.
struct Database;

#[async_trait]
impl Dependency for Database {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn probe(&self, app: &App) -> Finding {
        match app.store.schema().await {
            Ok(Schema::Current) => Finding::Ok("the schema is that of this release".into()),
            Ok(Schema::Newer) => Finding::Ok("the schema is that of a later release".into()),
            Ok(Schema::Behind) => {
                Finding::Failed("migrations are pending: run opsconsole-api migrate".into())
            }
            Err(error) => Finding::Failed(error.to_string()),
        }
    }
}

/// A document is written, read back and removed.
struct Content;

impl Content {
    async fn write_and_read(store: &dyn ContentStore) -> Result<&'static str, String> {
        let key = ContentKey::of_check();
        let text = Bytes::from_static(b"opsconsole-api check");
        let failed = |step: &str, reason: &dyn std::fmt::Display| format!("{step}: {reason}");
        match store.put_new(&key, text.clone()).await {
            Ok(Put::Stored) => {}
            Ok(Put::Existed) => return Err("write: the name was taken already".into()),
            Err(error) => return Err(failed("write", &error)),
        }
        let read = store.get(&key).await;
        // Removed also where it could not be read.
        let removed = store.delete(&key).await;
        match read {
            Ok(Some(found)) if found == text => {}
            Ok(Some(_)) => return Err("read: it is not what was written".into()),
            Ok(None) => return Err("read: what was written is not there".into()),
            Err(error) => return Err(failed("read", &error)),
        }
        removed.map_err(|error| failed("delete", &error))?;
        Ok("a document was written, read and removed")
    }
}

#[async_trait]
impl Dependency for Content {
    fn name(&self) -> &'static str {
        "content_store"
    }

    /// Three requests, the first of which may have to look for credentials.
    fn time_max(&self) -> Duration {
        CHECK_TIME_MAX * 2
    }

    async fn probe(&self, app: &App) -> Finding {
        match &app.tools.content {
            None => Finding::NotConfigured("OPSCONSOLE_API_CONTENT_URL"),
            Some(store) => Self::write_and_read(store.as_ref()).await.into(),
        }
    }
}

/// The key is accepted; no search is paid for.
struct TavilySearch;

#[async_trait]
impl Dependency for TavilySearch {
    fn name(&self) -> &'static str {
        "tavily"
    }

    async fn probe(&self, app: &App) -> Finding {
        match &app.tools.tavily {
            None => Finding::NotConfigured("OPSCONSOLE_API_TAVILY_API_KEY"),
            Some(tavily) => {
                let usage = tavily.check(&errand()).await;
                usage.map(|()| "the key is accepted").into()
            }
        }
    }
}

/// The key is accepted and the model is there; nothing is written.
struct GeminiModel;

#[async_trait]
impl Dependency for GeminiModel {
    fn name(&self) -> &'static str {
        "gemini"
    }

    async fn probe(&self, app: &App) -> Finding {
        match &app.tools.gemini {
            None => Finding::NotConfigured("OPSCONSOLE_API_GEMINI_API_KEY"),
            Some(gemini) => {
                let model = gemini.check(&errand()).await;
                model
                    .map(|()| "the key is accepted and the model is there")
                    .into()
            }
        }
    }
}

fn errand() -> Errand {
    Errand {
        trace: TraceId::new(),
    }
}
