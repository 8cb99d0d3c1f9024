//! Probes: `/livez` (restart me?), `/readyz` (send me traffic?), `/health` (the same for
//! people and load balancers, with more to read).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::about::SERVICE;
use crate::app::App;
use crate::problem::ApiError;
use crate::storage::Schema;

/// A probe's own time-out is often 2 s; an answer that says why must come before it.
const CHECK_TIME_MAX: Duration = Duration::from_secs(1);

/// The paths whose successful requests are not worth a line at level INFO.
pub(crate) const PROBES: [&str; 4] = ["/livez", "/readyz", "/health", "/metrics"];

/// The routes of the probes.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(health))
}

const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

#[derive(Serialize, ToSchema)]
struct Alive {
    /// Always `alive`.
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Ready {
    /// Always `ready`; otherwise the answer is a problem.
    status: &'static str,
    #[schema(value_type = HashMap<String, String>)]
    checks: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `healthy`; otherwise the answer is a problem.
    status: &'static str,
    service: &'static str,
    version: String,
    environment: String,
    uptime_seconds: u64,
    #[schema(value_type = HashMap<String, String>)]
    checks: Map<String, Value>,
}

/// Whether the process lives. Touches nothing: a database that is away is no reason to
/// restart this process.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "health",
    operation_id = "liveness",
    responses((status = 200, description = "It lives.", body = Alive)),
)]
async fn livez() -> impl IntoResponse {
    (NO_STORE, Json(Alive { status: "alive" }))
}

/// Whether this process should get traffic.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    operation_id = "readiness",
    responses((status = 200, description = "It should; 503 says why not.", body = Ready)),
)]
async fn readyz(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let checks = readiness(&app).await?;
    let ready = Ready {
        status: "ready",
        checks,
    };
    Ok((NO_STORE, Json(ready)))
}

/// The same as `/readyz`, with more to read for people.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    operation_id = "health",
    responses((status = 200, description = "All is well; 503 says what is not.", body = Health)),
)]
async fn health(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let checks = readiness(&app).await?;
    let health = Health {
        status: "healthy",
        service: SERVICE,
        version: app.about.release.clone(),
        environment: app.about.environment.clone(),
        uptime_seconds: app.about.started.elapsed().as_secs(),
        checks,
    };
    Ok((NO_STORE, Json(health)))
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
