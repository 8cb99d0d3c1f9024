//! The resource `/items`: create, read, replace, change, delete one; page through all.

mod cache;
mod cursor;
mod listing;
mod model;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use cache::ItemCache;
pub(crate) use cursor::Cursor;
pub(crate) use listing::{Listing, Order};
pub(crate) use model::{Item, ItemId, ItemPatch, NewItem};

use crate::app::App;
use crate::auth::Principal;
use crate::kept::{self, Changeable, Kept, Removable};
use crate::once::{self, Made};
use crate::paging;
use crate::preconditions::unless_known;
use crate::problem::{ApiError, Problem};
use crate::query::Utf8Query;
use crate::storage::{New, StoreError};

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
    let item = new.clone().check().map_err(ApiError::InvalidFields)?;
    let principal = principal.as_deref();
    once::create(&app, principal, &headers, &new, item, |app| {
        app.metrics.items_created.inc();
    })
    .await
}

impl Made for Item {
    const PATH: &'static str = "/items";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn as_new(&self) -> New<'_> {
        New::Item(self)
    }
}

impl Kept for Item {
    type Id = ItemId;
    const MISSING: ApiError = ApiError::ItemNotFound;

    fn parse(text: &str) -> Option<ItemId> {
        ItemId::parse(text)
    }

    fn key(&self) -> ItemId {
        self.id
    }

    async fn load(app: &App, id: ItemId) -> Result<Option<Self>, StoreError> {
        app.store.item(id).await
    }
}

impl Changeable for Item {
    async fn update(&self, app: &App) -> Result<bool, StoreError> {
        if let Some(cache) = &app.cache {
            cache.expect(self.id, self.version).await;
        }
        app.store.update_item(self).await
    }
}

impl Removable for Item {
    async fn delete(&self, app: &App) -> Result<bool, StoreError> {
        if let Some(cache) = &app.cache {
            cache.expect_gone(self.id).await;
        }
        app.store.delete_item(self.id, self.version).await
    }
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
    let item = find_often(&app, id).await?;
    Ok(unless_known(&headers, item.etag(), &item))
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
    kept::update(&app, &headers, id, |old| new.clone().replace(old)).await
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
    kept::update(&app, &headers, id, |old| patch.clone().apply(old)).await
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
    kept::remove::<Item>(&app, &headers, id).await
}

/// Like [`kept::find`], from the cache where there is one. Only for those who read: a change is
/// made of what the database has.
async fn find_often(app: &App, id: Result<Path<String>, PathRejection>) -> Result<Item, ApiError> {
    let Some(cache) = &app.cache else {
        return kept::find(app, id).await;
    };
    let id = kept::id_in::<Item>(id)?;
    if let Some(item) = cache.get(id).await {
        return Ok(item);
    }
    let item = kept::present(app, id).await?;
    cache.keep(&item).await;
    Ok(item)
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
#[schema(as = ItemPage)]
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
    Utf8Query(query): Utf8Query<ListQuery>,
) -> Result<Json<Page>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let listing = Listing {
        cursor: paging::cursor(query.cursor.as_deref())?,
        order: paging::order(query.sort.as_deref())?,
        name_contains: paging::part_of_name(query.name_contains)?,
        created_from: query.created_from,
        created_before: query.created_before,
    };
    // One more than asked for tells whether there is a next page.
    let found = app.store.items(&listing, limit + 1).await?;
    let (items, next_cursor) = paging::cut(found, limit);
    Ok(Json(Page { items, next_cursor }))
}
