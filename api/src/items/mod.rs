//! The resource `/items`: create, read, replace, change, delete one; page through all.

mod cursor;
mod listing;
mod model;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use cursor::Cursor;
pub(crate) use listing::{Listing, Order};
pub(crate) use model::{Item, ItemId, ItemPatch, NewItem};

use crate::app::App;
use crate::auth::Principal;
use crate::problem::{ApiError, FieldError, Problem};
use crate::storage::{IdempotentRequest, New, Once};

/// The page size when none is asked for.
const PAGE_SIZE_DEFAULT: u32 = 20;
/// The largest page: bounds the memory and time of one request.
const PAGE_SIZE_MAX: u32 = 100;
/// draft-ietf-httpapi-idempotency-key-header leaves the length open; a UUID has 36.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// With `If-Match: *` a change is tried again on top of another's this many times.
const OVERTAKEN_MAX: usize = 5;

/// The routes of this resource.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, replace, change, remove))
}

/// Stores a new item and answers with it and its address. With an `Idempotency-Key` the same
/// request gets the same answer again and has its effect once.
#[utoipa::path(
    post,
    path = "/items",
    tag = "items",
    operation_id = "create_item",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            pattern = "^[\\x21-\\x7e]+$",
            description = "The caller's own name for this request, remembered for 24 hours: sent \
                           again it has no second effect and gets the same answer."),
    ),
    request_body = NewItem,
    responses(
        (status = 201, description = "The new item.", body = Item, headers(
            ("Location" = String, description = "The address of the item."),
            ("ETag" = String, description = "The state of the item, for If-Match."),
            ("Idempotency-Replayed" = String, description = "`true` where the answer was given before."),
        )),
    ),
)]
async fn create(
    State(app): State<App>,
    principal: Option<Extension<Principal>>,
    headers: HeaderMap,
    body: Result<Json<NewItem>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(new) = body?;
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        let item = new.check().map_err(ApiError::InvalidFields)?;
        app.store.insert(New::Item(&item)).await?;
        app.metrics.items_created.inc();
        return Ok(created(&item));
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()))
        .ok_or_else(|| {
            ApiError::BadRequest(format!(
                "The header Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible \
                 ASCII characters."
            ))
        })?;
    let request = IdempotentRequest {
        principal: principal.map_or_else(|| "anonymous".into(), |found| found.0.name),
        key: key.to_owned(),
        // Of the values, so that blanks between them make no difference.
        fingerprint: Sha256::digest(serde_json::to_vec(&new).map_err(|error| {
            ApiError::Internal {
                cause: format!("a body that was read cannot be written: {error}"),
            }
        })?)
        .into(),
    };
    let item = new.check().map_err(ApiError::InvalidFields)?;
    let answer = serde_json::to_string(&item).map_err(|error| ApiError::Internal {
        cause: format!("an item cannot be written: {error}"),
    })?;
    match app
        .store
        .insert_once(New::Item(&item), &request, &answer)
        .await?
    {
        Once::Done => {
            app.metrics.items_created.inc();
            Ok(created(&item))
        }
        Once::Before(answer) => {
            let item: Item = serde_json::from_str(&answer).map_err(|error| ApiError::Internal {
                cause: format!("a stored answer cannot be read: {error}"),
            })?;
            let replayed = [(IDEMPOTENCY_REPLAYED, "true")];
            Ok((replayed, created(&item)).into_response())
        }
        Once::Conflict => Err(ApiError::IdempotencyConflict),
    }
}

fn created(item: &Item) -> Response {
    let headers = [
        (header::LOCATION, format!("/items/{}", item.id)),
        (header::ETAG, item.etag()),
    ];
    (StatusCode::CREATED, headers, Json(item)).into_response()
}

fn with_etag(item: &Item) -> Response {
    ([(header::ETAG, item.etag())], Json(item)).into_response()
}

/// One item. An id that no item can have is one that no item has.
#[utoipa::path(
    get,
    path = "/items/{id}",
    tag = "items",
    operation_id = "read_item",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the item."),
        ("If-None-Match" = Option<String>, Header,
            description = "The ETag of the state that the caller has already."),
    ),
    responses(
        (status = 200, description = "The item.", body = Item, headers(
            ("ETag" = String, description = "The state of the item, for If-Match and If-None-Match."),
        )),
        (status = 304, description = "The caller has this state already.", headers(
            ("ETag" = String, description = "The state of the item."),
        )),
        (status = 404, description = "No item has this id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let item = find(&app, id).await?;
    let etag = item.etag();
    let unchanged = Tags::from(&headers, &header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.contains_weakly(&etag));
    if unchanged {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    Ok(with_etag(&item))
}

/// Puts other values in place of all of an item's.
#[utoipa::path(
    put,
    path = "/items/{id}",
    tag = "items",
    operation_id = "replace_item",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the item."),
        ("If-Match" = String, Header,
            description = "The ETag of the state that the change is based on, or `*`. Without it: 428."),
    ),
    request_body = NewItem,
    responses(
        (status = 200, description = "The item after the change.", body = Item, headers(
            ("ETag" = String, description = "The new state of the item."),
        )),
        (status = 404, description = "No item has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "The item has changed since.", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn replace(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<NewItem>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(new) = body?;
    update(&app, &headers, id, |old| new.clone().replace(old)).await
}

/// Changes the values that are given: a JSON merge patch (RFC 7396).
#[utoipa::path(
    patch,
    path = "/items/{id}",
    tag = "items",
    operation_id = "change_item",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the item."),
        ("If-Match" = String, Header,
            description = "The ETag of the state that the change is based on, or `*`. Without it: 428."),
    ),
    request_body = ItemPatch,
    responses(
        (status = 200, description = "The item after the change.", body = Item, headers(
            ("ETag" = String, description = "The new state of the item."),
        )),
        (status = 404, description = "No item has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "The item has changed since.", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn change(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<ItemPatch>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(patch) = body?;
    update(&app, &headers, id, |old| patch.clone().apply(old)).await
}

/// Removes an item for good.
#[utoipa::path(
    delete,
    path = "/items/{id}",
    tag = "items",
    operation_id = "delete_item",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the item."),
        ("If-Match" = String, Header,
            description = "The ETag of the state that the change is based on, or `*`. Without it: 428."),
    ),
    responses(
        (status = 204, description = "The item is gone."),
        (status = 404, description = "No item has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "The item has changed since.", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn remove(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let tags = Tags::required(&headers)?;
    let mut item = find(&app, id).await?;
    for _ in 0..OVERTAKEN_MAX {
        tags.must_contain(&item)?;
        if app.store.delete_item(item.id, item.version).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
        item = app
            .store
            .item(item.id)
            .await?
            .ok_or(ApiError::ItemNotFound)?;
    }
    Err(ApiError::PreconditionFailed)
}

/// Writes what `change` makes of an item, if the caller has seen its present state.
async fn update(
    app: &App,
    headers: &HeaderMap,
    id: Result<Path<String>, PathRejection>,
    change: impl Fn(Item) -> Result<Item, Vec<FieldError>>,
) -> Result<Response, ApiError> {
    let tags = Tags::required(headers)?;
    let mut old = find(app, id).await?;
    for _ in 0..OVERTAKEN_MAX {
        tags.must_contain(&old)?;
        let id = old.id;
        let item = change(old).map_err(ApiError::InvalidFields)?;
        if app.store.update_item(&item).await? {
            return Ok(with_etag(&item));
        }
        old = app.store.item(id).await?.ok_or(ApiError::ItemNotFound)?;
    }
    Err(ApiError::PreconditionFailed)
}

async fn find(app: &App, id: Result<Path<String>, PathRejection>) -> Result<Item, ApiError> {
    let Path(id) = id?;
    let id = ItemId::parse(&id).ok_or(ApiError::ItemNotFound)?;
    app.store.item(id).await?.ok_or(ApiError::ItemNotFound)
}

/// The entity tags of a precondition (RFC 9110 §13.1), several headers taken as one list.
struct Tags(Vec<String>);

impl Tags {
    fn from(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        // Ours hold no comma, so none of a caller's that could match does.
        let tags: Vec<_> = headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .map(|tag| tag.trim().to_owned())
            .collect();
        headers.contains_key(name).then_some(Self(tags))
    }

    fn required(headers: &HeaderMap) -> Result<Self, ApiError> {
        Self::from(headers, &header::IF_MATCH).ok_or(ApiError::PreconditionRequired)
    }

    /// Strong comparison: what a weak tag names is not surely the same state.
    fn must_contain(&self, item: &Item) -> Result<(), ApiError> {
        let etag = item.etag();
        if self.0.iter().any(|tag| tag == "*" || *tag == etag) {
            Ok(())
        } else {
            Err(ApiError::PreconditionFailed)
        }
    }

    fn contains_weakly(&self, etag: &str) -> bool {
        self.0
            .iter()
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// How many items at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `created_at` for oldest first, `-created_at` for newest first.
    #[param(pattern = "^-?created_at$", default = "created_at")]
    sort: Option<String>,
    /// Only items with this in their name; with case.
    name_contains: Option<String>,
    /// Only items made then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Only items made before.
    #[param(value_type = Option<String>, format = DateTime)]
    created_before: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
struct Page {
    items: Vec<Item>,
    /// Give it as `cursor` to read on; null on the last page.
    #[schema(value_type = Option<String>, required)]
    next_cursor: Option<Cursor>,
}

/// A page of the items that are wanted. The caller repeats filter and order with each cursor.
#[utoipa::path(
    get,
    path = "/items",
    tag = "items",
    operation_id = "list_items",
    params(ListQuery),
    responses((status = 200, description = "A page of items.", body = Page)),
)]
async fn list(
    State(app): State<App>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page>, ApiError> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(PAGE_SIZE_DEFAULT);
    if !(1..=PAGE_SIZE_MAX).contains(&limit) {
        return Err(ApiError::BadRequest(format!(
            "The parameter limit must be from 1 to {PAGE_SIZE_MAX}."
        )));
    }
    let cursor = match query.cursor.as_deref() {
        None | Some("") => None,
        Some(text) => Some(Cursor::parse(text).ok_or_else(|| {
            ApiError::BadRequest(
                "The parameter cursor is not one that this service gave out; \
                 start again without it."
                    .into(),
            )
        })?),
    };
    let order = match query.sort.as_deref() {
        None => Order::default(),
        Some(text) => Order::parse(text).ok_or_else(|| {
            ApiError::BadRequest("The parameter sort must be created_at or -created_at.".to_owned())
        })?,
    };
    let listing = Listing {
        cursor,
        order,
        name_contains: query.name_contains.filter(|text| !text.is_empty()),
        created_from: query.created_from,
        created_before: query.created_before,
    };
    // One more than asked for tells whether there is a next page.
    let mut found = app.store.items(&listing, limit + 1).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next_cursor = found.last().filter(|_| has_more).map(|(cursor, _)| *cursor);
    Ok(Json(Page {
        items: found.into_iter().map(|(_, item)| item).collect(),
        next_cursor,
    }))
}
