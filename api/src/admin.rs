//! What operators manage over HTTP: API keys, and whether each dependency answers.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::{ApiKey, Role, Scope, Scopes};
use crate::checks;
use crate::problem::{ApiError, FieldError, Problem};

const NAME_CHARS_MAX: usize = 100;

/// The routes under `/admin`; all of them are for the role admin.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
        .routes(routes!(check))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// What people call it.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
    role: Role,
    /// What the key may do of what its role may; all of it where left out or null.
    #[schema(value_type = Option<Vec<Scope>>, min_items = 1)]
    scopes: Option<Scopes>,
    /// When the key ends by itself; must be in the future.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A key just made; the only answer that ever holds its whole text.
#[derive(Serialize, ToSchema)]
struct MadeKey {
    #[serde(flatten)]
    about: ApiKey,
    key: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeys)]
struct Keys {
    keys: Vec<ApiKey>,
}

/// Makes an API key. Its whole text is in this answer and never again.
#[utoipa::path(
    post,
    path = "/admin/keys",
    tag = "admin",
    operation_id = "create_key",
    request_body = NewKey,
    responses((status = 201, description = "The new key.", body = MadeKey)),
)]
async fn create(
    State(app): State<App>,
    body: Result<Json<NewKey>, JsonRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Json(new) = body?;
    let name = new.name.trim();
    let mut errors = Vec::new();
    if name.is_empty()
        || name.chars().count() > NAME_CHARS_MAX
        || name.chars().any(char::is_control)
    {
        errors.push(FieldError {
            pointer: "/name",
            detail: format!("must have 1 to {NAME_CHARS_MAX} printable characters"),
        });
    }
    if new.expires_at.is_some_and(|end| end <= Timestamp::now()) {
        errors.push(FieldError {
            pointer: "/expires_at",
            detail: "must be in the future".into(),
        });
    }
    // A key that promises what its role does not give would fail only when it is used.
    let beyond = new
        .scopes
        .and_then(|scopes| scopes.iter().find(|scope| scope.least_role() > new.role));
    if let Some(scope) = beyond {
        errors.push(FieldError {
            pointer: "/scopes",
            detail: format!(
                "holds {}, which the role {} does not have",
                scope.name(),
                new.role.name()
            ),
        });
    }
    if new
        .scopes
        .is_some_and(|scopes| scopes.iter().next().is_none())
    {
        errors.push(FieldError {
            pointer: "/scopes",
            detail: "must name at least one scope; leave it out for all of the role's".into(),
        });
    }
    if !errors.is_empty() {
        return Err(ApiError::InvalidFields(errors));
    }
    let (about, key) = ApiKey::generate(name.to_owned(), new.role, new.scopes, new.expires_at);
    app.store.insert_api_key(&about).await?;
    tracing::info!(
        prefix = about.prefix,
        role = about.role.name(),
        "API key made"
    );
    let made = MadeKey {
        about,
        key: key.expose_secret().to_owned(),
    };
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, "no-store")],
        Json(made),
    ))
}

/// Every API key, those that have ended included, oldest first.
#[utoipa::path(
    get,
    path = "/admin/keys",
    tag = "admin",
    operation_id = "list_keys",
    responses((status = 200, description = "The keys, without their secrets.", body = Keys)),
)]
async fn list(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let keys = app.store.api_keys().await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Keys { keys })))
}

/// Ends a key for good, here at once and in other tasks within five seconds.
#[utoipa::path(
    delete,
    path = "/admin/keys/{prefix}",
    tag = "admin",
    operation_id = "revoke_key",
    params(("prefix" = String, Path, description = "The part of the key that is shown.")),
    responses(
        (status = 204, description = "The key has ended."),
        (status = 404, description = "No key in force has this prefix.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn revoke(
    State(app): State<App>,
    prefix: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let Path(prefix) = prefix?;
    let revoked = app.store.revoke_api_key(&prefix, Timestamp::now()).await?;
    app.door.forget(&prefix);
    if revoked {
        tracing::info!(prefix, "API key revoked");
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::KeyNotFound)
    }
}

/// Tries each dependency. 200 whether or not all is well: the answer is the report, and
/// `/readyz` is the probe.
#[utoipa::path(
    get,
    path = "/admin/checks",
    tag = "admin",
    operation_id = "run_checks",
    responses((status = 200, description = "What each check found.", body = checks::Report)),
)]
async fn check(State(app): State<App>) -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, "no-store")],
        Json(checks::run(&app).await),
    )
}
