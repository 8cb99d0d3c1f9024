//! What this service is: `/`, `/version`, and the greeting `/api/hello`.

use axum::extract::State;
use axum::{Json, Router, routing};
use serde_json::{Value, json};

use crate::app::App;

/// The name in answers and metrics.
pub(crate) const SERVICE: &str = "opsconsole-api";

/// The routes that customers call.
pub(crate) fn business_routes() -> Router<App> {
    Router::new()
        .route("/", routing::get(index))
        .route("/api/hello", routing::get(hello))
}

/// The route that operators call.
pub(crate) fn operator_routes() -> Router<App> {
    Router::new().route("/version", routing::get(version))
}

async fn index(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "service": SERVICE,
        "release": app.about.release,
        "environment": app.about.environment,
        "links": {
            "items": "/items",
            "hello": "/api/hello",
            "health": "/health",
            "liveness": "/livez",
            "readiness": "/readyz",
            "version": "/version",
            "metrics": "/metrics",
        },
    }))
}

async fn hello(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "message": format!("Hello from {}", app.about.environment),
        "version": app.about.release,
        "environment": app.about.environment,
        "timestamp": format!("{:.3}", jiff::Timestamp::now()),
    }))
}

async fn version(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "release": app.about.release,
        "git_sha": app.about.git_sha,
        "environment": app.about.environment,
        "started_at": format!("{:.3}", app.about.started_at),
    }))
}
