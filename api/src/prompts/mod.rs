//! The resource `/prompts`: what the model is told. A change makes a new version, and the old
//! ones can be read for ever, because jobs name the version that they used.

mod model;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use model::{NewPrompt, Prompt, PromptId};

use crate::app::App;
use crate::auth::Principal;
use crate::items::{Cursor, Order};
use crate::kept::{self, Changeable, Kept};
use crate::once::{self, Made};
use crate::paging::{self, Place};
use crate::preconditions::{etag, unless_known};
use crate::problem::{ApiError, Problem};
use crate::query::Utf8Query;
use crate::storage::{New, StoreError};

/// The routes of this resource.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, replace))
        .routes(routes!(versions))
        .routes(routes!(version))
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

impl Kept for Prompt {
    type Id = PromptId;
    const MISSING: ApiError = ApiError::PromptNotFound;

    fn parse(text: &str) -> Option<PromptId> {
        PromptId::parse(text)
    }

    fn key(&self) -> PromptId {
        self.id
    }

    async fn load(app: &App, id: PromptId) -> Result<Option<Self>, StoreError> {
        app.store.prompt(id).await
    }
}

impl Changeable for Prompt {
    async fn update(&self, app: &App) -> Result<bool, StoreError> {
        app.store.update_prompt(self).await
    }
}

/// Stores a new prompt, as its version 1.
#[utoipa::path(
    post,
    path = "/prompts",
    tag = "content",
    operation_id = "create_prompt",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            pattern = "^[\\x21-\\x7e]+$",
            description = "The caller's own name for this request, remembered for 24 hours: sent \
                           again it has no second effect and gets the same answer."),
    ),
    request_body = NewPrompt,
    responses(
        (status = 201, description = "The new prompt.", body = Prompt, headers(
            ("Location" = String, description = "The address of the prompt."),
            ("ETag" = String, description = "The state of the prompt, for If-Match."),
            ("Idempotency-Replayed" = String, description = "`true` where the answer was given before."),
        )),
    ),
)]
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
#[utoipa::path(
    get,
    path = "/prompts/{id}",
    tag = "content",
    operation_id = "read_prompt",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the prompt."),
        ("If-None-Match" = Option<String>, Header,
            description = "The ETag of the state that the caller has already."),
    ),
    responses(
        (status = 200, description = "The prompt.", body = Prompt, headers(
            ("ETag" = String, description = "The state of the prompt, for If-Match and If-None-Match."),
        )),
        (status = 304, description = "The caller has this state already.", headers(
            ("ETag" = String, description = "The state of the prompt."),
        )),
        (status = 404, description = "No prompt has this id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let prompt: Prompt = kept::find(&app, id).await?;
    Ok(unless_known(&headers, prompt.etag(), &prompt))
}

/// Makes a new version, if the caller has seen the present one.
#[utoipa::path(
    put,
    path = "/prompts/{id}",
    tag = "content",
    operation_id = "replace_prompt",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the prompt."),
        ("If-Match" = String, Header,
            description = "The ETag of the state that the change is based on, or `*`. Without it: 428."),
    ),
    request_body = NewPrompt,
    responses(
        (status = 200, description = "The prompt after the change.", body = Prompt, headers(
            ("ETag" = String, description = "The new state of the prompt."),
        )),
        (status = 404, description = "No prompt has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "The prompt has changed since.", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn replace(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<NewPrompt>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(new) = body?;
    kept::update(&app, &headers, id, |old: Prompt| new.clone().after(old)).await
}

/// Every version of one prompt, the newest first.
#[utoipa::path(
    get,
    path = "/prompts/{id}/versions",
    tag = "content",
    operation_id = "list_prompt_versions",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the prompt."),
        VersionsQuery,
    ),
    responses(
        (status = 200, description = "A page of versions.", body = Page),
        (status = 404, description = "No prompt has this id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn versions(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    Utf8Query(query): Utf8Query<VersionsQuery>,
) -> Result<Json<Page>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let cursor = paging::cursor(query.cursor.as_deref())?;
    let prompt: Prompt = kept::find(&app, id).await?;
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
#[utoipa::path(
    get,
    path = "/prompts/{id}/versions/{version}",
    tag = "content",
    operation_id = "read_prompt_version",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the prompt."),
        ("version" = i64, Path, minimum = 1, description = "Counts from 1."),
        ("If-None-Match" = Option<String>, Header,
            description = "The ETag of the state that the caller has already."),
    ),
    responses(
        (status = 200, description = "The prompt.", body = Prompt, headers(
            ("ETag" = String, description = "The state of the prompt, for If-Match and If-None-Match."),
        )),
        (status = 304, description = "The caller has this state already.", headers(
            ("ETag" = String, description = "The state of the prompt."),
        )),
        (status = 404, description = "No prompt has this id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct VersionsQuery {
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `created_at` for oldest first, `-created_at` for newest first.
    #[param(pattern = "^-?created_at$", default = "created_at")]
    sort: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PromptPage)]
struct Page {
    prompts: Vec<Prompt>,
    #[schema(value_type = Option<String>, required)]
    /// Give it as `cursor` to read on; null on the last page.
    next_cursor: Option<Cursor>,
}

/// A page of prompts, each in its present version.
#[utoipa::path(
    get,
    path = "/prompts",
    tag = "content",
    operation_id = "list_prompts",
    params(ListQuery),
    responses((status = 200, description = "A page of prompts.", body = Page)),
)]
async fn list(
    State(app): State<App>,
    Utf8Query(query): Utf8Query<ListQuery>,
) -> Result<Json<Page>, ApiError> {
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
