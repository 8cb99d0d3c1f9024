//! The resource `/items`: create one, read one, page through all.

mod cursor;
mod model;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Json, Router, routing};
use serde::{Deserialize, Serialize};

pub(crate) use cursor::Cursor;
pub(crate) use model::{Item, ItemId, NewItem};

use crate::app::App;
use crate::problem::ApiError;

/// The page size when none is asked for.
const PAGE_SIZE_DEFAULT: u32 = 20;
/// The largest page: bounds the memory and time of one request.
const PAGE_SIZE_MAX: u32 = 100;

/// The routes of this resource.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/items", routing::get(list).post(create))
        .route("/items/{id}", routing::get(read))
}

/// Stores a new item and answers with it and its address.
async fn create(
    State(app): State<App>,
    body: Result<Json<NewItem>, JsonRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Json(new) = body?;
    let item = new.check().map_err(ApiError::InvalidFields)?;
    app.store.insert_item(&item).await?;
    app.metrics.items_created.inc();
    let location = format!("/items/{}", item.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(item),
    ))
}

/// One item. An id that no item can have is one that no item has.
async fn read(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Item>, ApiError> {
    let Path(id) = id?;
    let id = ItemId::parse(&id).ok_or(ApiError::ItemNotFound)?;
    let item = app.store.item(id).await?;
    item.map(Json).ok_or(ApiError::ItemNotFound)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    /// Give it as `cursor` to read on; null on the last page.
    next_cursor: Option<Cursor>,
}

/// A page of items, oldest first, so that what is added meanwhile comes at the end and no
/// item is seen twice or missed.
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
    // One more than asked for tells whether there is a next page.
    let mut found = app.store.items_after(cursor, limit + 1).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next_cursor = found.last().filter(|_| has_more).map(|(cursor, _)| *cursor);
    Ok(Json(Page {
        items: found.into_iter().map(|(_, item)| item).collect(),
        next_cursor,
    }))
}
