//! The resource `/locations`: the places that content is generated for.

mod model;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Json, Router, routing};
use serde::{Deserialize, Serialize};

pub(crate) use model::{Location, LocationId, NewLocation};

use crate::app::App;
use crate::auth::Principal;
use crate::items::Cursor;
use crate::once::{self, Made};
use crate::paging::{self, Place};
use crate::preconditions::{OVERTAKEN_MAX, Tags, unless_known};
use crate::problem::ApiError;
use crate::storage::New;

/// The routes of this resource.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/locations", routing::get(list).post(create))
        .route(
            "/locations/{id}",
            routing::get(read).put(replace).delete(remove),
        )
}

impl Made for Location {
    const PATH: &'static str = "/locations";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn as_new(&self) -> New<'_> {
        New::Location(self)
    }
}

async fn create(
    State(app): State<App>,
    principal: Option<Extension<Principal>>,
    headers: HeaderMap,
    body: Result<Json<NewLocation>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(new) = body?;
    let location = new.clone().check().map_err(ApiError::InvalidFields)?;
    once::create(&app, principal.as_deref(), &headers, &new, location, |_| ()).await
}

async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let location = find(&app, id).await?;
    Ok(unless_known(&headers, location.etag(), &location))
}

/// Puts other values in place of all of a location's, if the caller has seen its present state.
async fn replace(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<NewLocation>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(new) = body?;
    let tags = Tags::required(&headers)?;
    let mut old = find(&app, id).await?;
    for _ in 0..OVERTAKEN_MAX {
        tags.must_contain(&old.etag())?;
        let id = old.id;
        let location = new.clone().replace(old).map_err(ApiError::InvalidFields)?;
        if app.store.update_location(&location).await? {
            return Ok(unless_known(&HeaderMap::new(), location.etag(), &location));
        }
        old = again(&app, id).await?;
    }
    Err(ApiError::PreconditionFailed)
}

/// Removes a location. Content that was generated for it stays; a job that still waits ends
/// as dead and says why.
async fn remove(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let tags = Tags::required(&headers)?;
    let mut location = find(&app, id).await?;
    for _ in 0..OVERTAKEN_MAX {
        tags.must_contain(&location.etag())?;
        let (id, version) = (location.id, location.version);
        if app.store.delete_location(id, version).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
        location = again(&app, id).await?;
    }
    Err(ApiError::PreconditionFailed)
}

async fn find(app: &App, id: Result<Path<String>, PathRejection>) -> Result<Location, ApiError> {
    let Path(id) = id?;
    again(
        app,
        LocationId::parse(&id).ok_or(ApiError::LocationNotFound)?,
    )
    .await
}

async fn again(app: &App, id: LocationId) -> Result<Location, ApiError> {
    app.store
        .location(id)
        .await?
        .ok_or(ApiError::LocationNotFound)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    sort: Option<String>,
    name_contains: Option<String>,
}

#[derive(Serialize)]
struct Page {
    locations: Vec<Location>,
    /// Give it as `cursor` to read on; null on the last page.
    next_cursor: Option<Cursor>,
}

/// A page of the locations that are wanted.
async fn list(
    State(app): State<App>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page>, ApiError> {
    let Query(query) = query?;
    let limit = paging::limit(query.limit)?;
    let order = paging::order(query.sort.as_deref())?;
    let place = Place::new(paging::cursor(query.cursor.as_deref())?, order);
    let name = query.name_contains.as_deref().filter(|t| !t.is_empty());
    let found = app.store.locations(place, name, limit + 1).await?;
    let (locations, next_cursor) = paging::cut(found, limit);
    Ok(Json(Page {
        locations,
        next_cursor,
    }))
}
