//! The resource `/locations`: the places that content is generated for.

mod model;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use model::{Location, LocationId, NewLocation};

use crate::app::App;
use crate::auth::Principal;
use crate::items::Cursor;
use crate::kept::{self, Changeable, Kept, Removable};
use crate::once::{self, Made};
use crate::paging::{self, Place};
use crate::preconditions::unless_known;
use crate::problem::{ApiError, Problem};
use crate::query::Utf8Query;
use crate::storage::{New, StoreError};

/// The routes of this resource.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, replace, remove))
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

impl Kept for Location {
    type Id = LocationId;
    const MISSING: ApiError = ApiError::LocationNotFound;

    fn parse(text: &str) -> Option<LocationId> {
        LocationId::parse(text)
    }

    fn key(&self) -> LocationId {
        self.id
    }

    async fn load(app: &App, id: LocationId) -> Result<Option<Self>, StoreError> {
        app.store.location(id).await
    }
}

impl Changeable for Location {
    async fn update(&self, app: &App) -> Result<bool, StoreError> {
        app.store.update_location(self).await
    }
}

impl Removable for Location {
    async fn delete(&self, app: &App) -> Result<bool, StoreError> {
        app.store.delete_location(self.id, self.version).await
    }
}

/// Stores a new location.
#[utoipa::path(
    post,
    path = "/locations",
    tag = "content",
    operation_id = "create_location",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            pattern = "^[\\x21-\\x7e]+$",
            description = "The caller's own name for this request, remembered for 24 hours: sent \
                           again it has no second effect and gets the same answer."),
    ),
    request_body = NewLocation,
    responses(
        (status = 201, description = "The new location.", body = Location, headers(
            ("Location" = String, description = "The address of the location."),
            ("ETag" = String, description = "The state of the location, for If-Match."),
            ("Idempotency-Replayed" = String, description = "`true` where the answer was given before."),
        )),
    ),
)]
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

/// One location.
#[utoipa::path(
    get,
    path = "/locations/{id}",
    tag = "content",
    operation_id = "read_location",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the location."),
        ("If-None-Match" = Option<String>, Header,
            description = "The ETag of the state that the caller has already."),
    ),
    responses(
        (status = 200, description = "The location.", body = Location, headers(
            ("ETag" = String, description = "The state of the location, for If-Match and If-None-Match."),
        )),
        (status = 304, description = "The caller has this state already.", headers(
            ("ETag" = String, description = "The state of the location."),
        )),
        (status = 404, description = "No location has this id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let location: Location = kept::find(&app, id).await?;
    Ok(unless_known(&headers, location.etag(), &location))
}

/// Puts other values in place of all of a location's, if the caller has seen its present state.
#[utoipa::path(
    put,
    path = "/locations/{id}",
    tag = "content",
    operation_id = "replace_location",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the location."),
        ("If-Match" = String, Header,
            description = "The ETag of the state that the change is based on, or `*`. Without it: 428."),
    ),
    request_body = NewLocation,
    responses(
        (status = 200, description = "The location after the change.", body = Location, headers(
            ("ETag" = String, description = "The new state of the location."),
        )),
        (status = 404, description = "No location has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "The location has changed since.", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn replace(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<NewLocation>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(new) = body?;
    kept::update(&app, &headers, id, |old: Location| new.clone().replace(old)).await
}

/// Removes a location. Content that was generated for it stays; a job that still waits ends
/// as dead and says why.
#[utoipa::path(
    delete,
    path = "/locations/{id}",
    tag = "content",
    operation_id = "delete_location",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the location."),
        ("If-Match" = String, Header,
            description = "The ETag of the state that the change is based on, or `*`. Without it: 428."),
    ),
    responses(
        (status = 204, description = "The location is gone."),
        (status = 404, description = "No location has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "The location has changed since.", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn remove(
    State(app): State<App>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    kept::remove::<Location>(&app, &headers, id).await
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
    /// Only locations with this in their name; with case.
    name_contains: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LocationPage)]
struct Page {
    locations: Vec<Location>,
    #[schema(value_type = Option<String>, required)]
    /// Give it as `cursor` to read on; null on the last page.
    next_cursor: Option<Cursor>,
}

/// A page of the locations that are wanted.
#[utoipa::path(
    get,
    path = "/locations",
    tag = "content",
    operation_id = "list_locations",
    params(ListQuery),
    responses((status = 200, description = "A page of locations.", body = Page)),
)]
async fn list(
    State(app): State<App>,
    Utf8Query(query): Utf8Query<ListQuery>,
) -> Result<Json<Page>, ApiError> {
    let limit = paging::limit(query.limit)?;
    let order = paging::order(query.sort.as_deref())?;
    let place = Place::new(paging::cursor(query.cursor.as_deref())?, order);
    let name = paging::part_of_name(query.name_contains)?;
    let found = app
        .store
        .locations(place, name.as_deref(), limit + 1)
        .await?;
    let (locations, next_cursor) = paging::cut(found, limit);
    Ok(Json(Page {
        locations,
        next_cursor,
    }))
}
