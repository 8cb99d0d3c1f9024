//! What this service is: `/`, `/version`, and the greeting `/api/hello`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::Principal;
use crate::flags::Flag;

/// The name in answers and metrics.
pub(crate) const SERVICE: &str = "opsconsole-api";

/// This process among others of the service: the host and the process id.
pub(crate) fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}", host.trim(), std::process::id())
}

/// The routes that customers call.
pub(crate) fn business_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(index))
        .routes(routes!(hello))
}

/// The route that operators call.
pub(crate) fn operator_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(version))
}

/// What this is, and where to go on.
#[derive(Serialize, ToSchema)]
struct Index {
    service: &'static str,
    release: String,
    environment: String,
    /// Paths by what is there.
    #[schema(value_type = HashMap<String, String>)]
    links: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize, ToSchema)]
struct Greeting {
    message: String,
    version: String,
    environment: String,
    /// Now, UTC, to the millisecond.
    #[schema(format = DateTime)]
    timestamp: String,
}

#[derive(Serialize, ToSchema)]
struct Version {
    release: String,
    git_sha: String,
    environment: String,
    #[schema(format = DateTime)]
    started_at: String,
}

/// What this service is, with links.
#[utoipa::path(
    get,
    path = "/",
    tag = "about",
    operation_id = "index",
    responses((status = 200, description = "Name and links.", body = Index)),
)]
async fn index(State(app): State<App>) -> Json<Index> {
    Json(Index {
        service: SERVICE,
        release: app.about.release.clone(),
        environment: app.about.environment.clone(),
        links: [
            ("items", "/items"),
            ("prompts", "/prompts"),
            ("locations", "/locations"),
            ("jobs", "/jobs"),
            ("hello", "/api/hello"),
            ("docs", "/docs/"),
            ("openapi", "/openapi.json"),
            ("health", "/health"),
            ("liveness", "/livez"),
            ("readiness", "/readyz"),
            ("version", "/version"),
            ("metrics", "/metrics"),
        ]
        .into(),
    })
}

/// A greeting that tells one environment and release from another.
#[utoipa::path(
    get,
    path = "/api/hello",
    tag = "about",
    operation_id = "hello",
    responses((status = 200, description = "The greeting.", body = Greeting)),
)]
async fn hello(State(app): State<App>, principal: Option<Extension<Principal>>) -> Json<Greeting> {
    let caller = principal.map_or_else(|| "anonymous".into(), |found| found.0.name);
    let environment = &app.about.environment;
    let message = if app.flags.is_on(Flag::GreetCaller, &caller) {
        format!("Hello {caller}, from {environment}")
    } else {
        format!("Hello from {environment}")
    };
    Json(Greeting {
        message,
        version: app.about.release.clone(),
        environment: app.about.environment.clone(),
        timestamp: format!("{:.3}", jiff::Timestamp::now()),
    })
}

/// Which release this is.
#[utoipa::path(
    get,
    path = "/version",
    tag = "about",
    operation_id = "version",
    responses((status = 200, description = "Release, commit and start.", body = Version)),
)]
async fn version(State(app): State<App>) -> Json<Version> {
    Json(Version {
        release: app.about.release.clone(),
        git_sha: app.about.git_sha.clone(),
        environment: app.about.environment.clone(),
        started_at: format!("{:.3}", app.about.started_at),
    })
}
