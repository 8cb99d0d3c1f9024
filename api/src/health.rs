//! Probes: `/livez` (restart me?), `/readyz` (send me traffic?), `/health` (the same for
//! people and load balancers, with more to read).

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Json, Router, routing};
use serde_json::{Map, Value, json};

use crate::about::SERVICE;
use crate::app::App;
use crate::problem::ApiError;
use crate::storage::Schema;

/// A probe's own time-out is often 2 s; an answer that says why must come before it.
const CHECK_TIME_MAX: Duration = Duration::from_secs(1);

/// The paths whose successful requests are not worth a line at level INFO.
pub(crate) const PROBES: [&str; 4] = ["/livez", "/readyz", "/health", "/metrics"];

/// The routes of the probes.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/livez", routing::get(livez))
        .route("/readyz", routing::get(readyz))
        .route("/health", routing::get(health))
}

const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Touches nothing: a database that is away is no reason to restart this process.
async fn livez() -> impl IntoResponse {
    (NO_STORE, Json(json!({"status": "alive"})))
}

async fn readyz(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let checks = readiness(&app).await?;
    Ok((NO_STORE, Json(json!({"status": "ready", "checks": checks}))))
}

async fn health(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let checks = readiness(&app).await?;
    Ok((
        NO_STORE,
        Json(json!({
            "status": "healthy",
            "service": SERVICE,
            "version": app.about.release,
            "environment": app.about.environment,
            "uptime_seconds": app.about.started.elapsed().as_secs(),
            "checks": checks,
        })),
    ))
}

/// Each check with what it found, as an error if this process should get no traffic.
async fn readiness(app: &App) -> Result<Map<String, Value>, ApiError> {
    let (database, schema) = match tokio::time::timeout(CHECK_TIME_MAX, app.store.schema()).await {
        Ok(Ok(Schema::Current)) => ("ok", "current"),
        Ok(Ok(Schema::Newer)) => ("ok", "newer"),
        Ok(Ok(Schema::Behind)) => {
            app.migration_wanted.notify_one();
            ("ok", "behind: migrations are pending")
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "readiness check failed");
            ("unavailable", "unknown")
        }
        Err(_) => {
            tracing::warn!("readiness check failed: no answer from the database within 1 s");
            ("no answer within 1 s", "unknown")
        }
    };
    let mut checks = Map::new();
    checks.insert("database".into(), database.into());
    checks.insert("schema".into(), schema.into());
    let mut is_ready = database == "ok" && matches!(schema, "current" | "newer");
    if let Some(reason) = app.faults.unready_reason() {
        checks.insert("search_index".into(), reason.into());
        is_ready = false;
    }
    if app.is_draining() {
        checks.insert("process".into(), "draining: it was told to stop".into());
        is_ready = false;
    }
    if is_ready {
        Ok(checks)
    } else {
        Err(ApiError::NotReady(checks))
    }
}
