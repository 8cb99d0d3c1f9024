//! The resource `/prompts`: what the model is told. A change makes a new version, and the old
//! ones can be read for ever, because jobs name the version that they used.

mod model;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Json, Router, routing};
use serde::{Deserialize, Serialize};

pub(crate) use model::{NewPrompt, Prompt, PromptId};

use crate::app::App;
use crate::auth::Principal;
use crate::items::{Cursor, Order};
use crate::once::{self, Made};
use crate::paging::{self, Place};
use crate::preconditions::{OVERTAKEN_MAX, Tags, etag, unless_known};
use crate::problem::ApiError;
use crate::storage::New;

/// The routes of this resource.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/prompts", routing::get(list).post(create))
        .route("/prompts/{id}", routing::get(read).put(replace))
        .route("/prompts/{id}/versions", routing::get(versions))
        .route("/prompts/{id}/versions/{version}", routing::get(version))
}

impl Made for Prompt {
    const PATH: &'static str = "/prompts";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn as_new(&self) -> New<'_> {
        New::Prompt(self)
    }
}

/// Stores a new prompt, as its version 1.
async fn create(
    State(app): State<App>,
    principal: Option<Extension<Principal>>,
    headers: HeaderMap,
    body: Result<Json<NewPrompt>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(new) = body?;
    let prompt = new.clone().check().map_err(ApiError::InvalidFields)?;
    once::create(&app, principal.as_deref(), &headers, &new, prompt, |_| ()).await
}

/// The present version of one prompt.
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let prompt = find(&app, id).await?;
    Ok(unless_known(&headers, prompt.etag(), &prompt))
}

/// Makes a new version, if the caller has seen the present one.
async fn replace(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<NewPrompt>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(new) = body?;
    let tags = Tags::required(&headers)?;
    let mut old = find(&app, id).await?;
    for _ in 0..OVERTAKEN_MAX {
        tags.must_contain(&old.etag())?;
        let id = old.id;
        let prompt = new.clone().after(old).map_err(ApiError::InvalidFields)?;
        if app.store.update_prompt(&prompt).await? {
            return Ok(unless_known(&HeaderMap::new(), prompt.etag(), &prompt));
        }
        old = app
            .store
            .prompt(id)
            .await?
            .ok_or(ApiError::PromptNotFound)?;
    }
    Err(ApiError::PreconditionFailed)
}

/// Every version of one prompt, the newest first.
async fn versions(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<VersionsQuery>, QueryRejection>,
) -> Result<Json<Page>, ApiError> {
    let Query(query) = query?;
    let limit = paging::limit(query.limit)?;
    let cursor = paging::cursor(query.cursor.as_deref())?;
    let prompt = find(&app, id).await?;
    let before = cursor.map_or(i64::MAX, Cursor::position);
    let found = app
        .store
        .prompt_versions(prompt.id, before, limit + 1)
        .await?
        .into_iter()
        .map(|prompt| (Cursor::at(prompt.version), prompt))
        .collect();
    let (prompts, next_cursor) = paging::cut(found, limit);
    Ok(Json(Page {
        prompts,
        next_cursor,
    }))
}

/// One version of one prompt. It never changes, but it is for those who may read prompts.
async fn version(
    State(app): State<App>,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path((id, version)) = path?;
    let id = PromptId::parse(&id).ok_or(ApiError::PromptNotFound)?;
    let version: i64 = version.parse().map_err(|_| ApiError::PromptNotFound)?;
    let prompt = app
        .store
        .prompt_version(id, version)
        .await?
        .ok_or(ApiError::PromptNotFound)?;
    Ok(unless_known(&headers, etag(prompt.version), &prompt))
}

async fn find(app: &App, id: Result<Path<String>, PathRejection>) -> Result<Prompt, ApiError> {
    let Path(id) = id?;
    let id = PromptId::parse(&id).ok_or(ApiError::PromptNotFound)?;
    app.store.prompt(id).await?.ok_or(ApiError::PromptNotFound)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionsQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    sort: Option<String>,
}

#[derive(Serialize)]
struct Page {
    prompts: Vec<Prompt>,
    /// Give it as `cursor` to read on; null on the last page.
    next_cursor: Option<Cursor>,
}

/// A page of prompts, each in its present version.
async fn list(
    State(app): State<App>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page>, ApiError> {
    let Query(query) = query?;
    let limit = paging::limit(query.limit)?;
    let order: Order = paging::order(query.sort.as_deref())?;
    let place = Place::new(paging::cursor(query.cursor.as_deref())?, order);
    let found = app.store.prompts(place, limit + 1).await?;
    let (prompts, next_cursor) = paging::cut(found, limit);
    Ok(Json(Page {
        prompts,
        next_cursor,
    }))
}
