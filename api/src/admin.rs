//! What operators manage over HTTP: API keys, and whether each dependency answers.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Json, Router, routing};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::{ApiKey, Role};
use crate::checks;
use crate::problem::{ApiError, FieldError};

const NAME_CHARS_MAX: usize = 100;

/// The routes under `/admin`; all of them are for the role admin.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/keys", routing::get(list).post(create))
        .route("/admin/keys/{prefix}", routing::delete(revoke))
        .route("/admin/checks", routing::get(check))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: String,
    role: Role,
    expires_at: Option<Timestamp>,
}

/// A key just made; the only answer that ever holds its whole text.
#[derive(Serialize)]
struct MadeKey {
    #[serde(flatten)]
    about: ApiKey,
    key: String,
}

#[derive(Serialize)]
struct Keys {
    keys: Vec<ApiKey>,
}

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
    if !errors.is_empty() {
        return Err(ApiError::InvalidFields(errors));
    }
    let (about, key) = ApiKey::generate(name.to_owned(), new.role, new.expires_at);
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

async fn list(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let keys = app.store.api_keys().await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Keys { keys })))
}

async fn revoke(
    State(app): State<App>,
    Path(prefix): Path<String>,
) -> Result<StatusCode, ApiError> {
    let revoked = app.store.revoke_api_key(&prefix, Timestamp::now()).await?;
    app.door.forget(&prefix);
    if revoked {
        tracing::info!(prefix, "API key revoked");
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::KeyNotFound)
    }
}

/// 200 whether or not all is well: the answer is the report, and `/readyz` is the probe.
async fn check(State(app): State<App>) -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, "no-store")],
        Json(checks::run(app.store.as_ref()).await),
    )
}
