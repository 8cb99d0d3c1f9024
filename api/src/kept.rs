//! Single resources that the store keeps: found by the id in their path, and changed or removed
//! only in the state that the caller has seen (RFC 9110 §13.1.1).

use std::future::Future;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::app::App;
use crate::once::Made;
use crate::preconditions::{Tags, etag, tagged};
use crate::problem::{ApiError, FieldError};
use crate::storage::StoreError;

/// With `If-Match: *` a change is tried again on top of another's this many times.
const OVERTAKEN_MAX: usize = 5;

/// The id as it stands in a path.
pub(crate) type IdInPath = Result<Path<String>, PathRejection>;

/// A resource with an id and a version.
pub(crate) trait Kept: Made + Send + Sync {
    /// What tells it from others of its kind.
    type Id: Copy + Send + Sync;
    /// The answer where none has the id.
    const MISSING: ApiError;

    /// Nothing for a text that no id is written as.
    fn parse(text: &str) -> Option<Self::Id>;

    /// Its id.
    fn key(&self) -> Self::Id;

    /// The present state, where there is one.
    fn load(
        app: &App,
        id: Self::Id,
    ) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send;
}

/// One whose values can be replaced.
pub(crate) trait Changeable: Kept {
    /// Writes this state over the version before it; false where that is no longer the present.
    fn update(&self, app: &App) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// One that can be removed.
pub(crate) trait Removable: Kept {
    /// Removes it in this version; false where that is no longer the present.
    fn delete(&self, app: &App) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// The one that a path names.
///
/// # Errors
/// [`Kept::MISSING`], also for an id that none can have.
pub(crate) async fn find<T: Kept>(app: &App, id: IdInPath) -> Result<T, ApiError> {
    present(app, id_in::<T>(id)?).await
}

/// The id that a path names.
///
/// # Errors
/// [`Kept::MISSING`] for one that none can have.
pub(crate) fn id_in<T: Kept>(id: IdInPath) -> Result<T::Id, ApiError> {
    let Path(text) = id?;
    T::parse(&text).ok_or(T::MISSING)
}

/// The one with this id, as it is now.
///
/// # Errors
/// [`Kept::MISSING`].
pub(crate) async fn present<T: Kept>(app: &App, id: T::Id) -> Result<T, ApiError> {
    T::load(app, id).await?.ok_or(T::MISSING)
}

/// Writes what `change` makes of it, and answers with that.
///
/// # Errors
/// 428 without If-Match, 422 for fields that `change` refuses, 412 where the caller has not seen
/// the present state.
pub(crate) async fn update<T: Changeable>(
    app: &App,
    headers: &HeaderMap,
    id: IdInPath,
    change: impl Fn(T) -> Result<T, Vec<FieldError>>,
) -> Result<Response, ApiError> {
    let tags = Tags::required(headers)?;
    let mut old: T = find(app, id).await?;
    for _ in 0..OVERTAKEN_MAX {
        let (id, seen) = (old.key(), etag(old.version()));
        // Preconditions come after all other checks (RFC 9110 §13.2.1).
        let new = change(old).map_err(ApiError::InvalidFields)?;
        tags.must_contain(&seen)?;
        if new.update(app).await? {
            return Ok(tagged(etag(new.version()), &new));
        }
        old = present(app, id).await?;
    }
    Err(ApiError::PreconditionFailed)
}

/// Removes it.
///
/// # Errors
/// 428 without If-Match, 412 where the caller has not seen the present state.
pub(crate) async fn remove<T: Removable>(
    app: &App,
    headers: &HeaderMap,
    id: IdInPath,
) -> Result<StatusCode, ApiError> {
    let tags = Tags::required(headers)?;
    let mut old: T = find(app, id).await?;
    for _ in 0..OVERTAKEN_MAX {
        tags.must_contain(&etag(old.version()))?;
        if old.delete(app).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
        old = present(app, old.key()).await?;
    }
    Err(ApiError::PreconditionFailed)
}
