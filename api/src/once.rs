//! `POST` that makes something: stored once for each `Idempotency-Key`, and answered with
//! the thing and its address.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::auth::Principal;
use crate::preconditions::etag;
use crate::problem::ApiError;
use crate::storage::{IdempotentRequest, New, Once};

/// draft-ietf-httpapi-idempotency-key-header leaves the length open; a UUID has 36.
const KEY_BYTES_MAX: usize = 255;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A kind of thing that `POST` makes.
pub(crate) trait Made: Serialize + DeserializeOwned {
    /// The path of the collection, such as `/items`.
    const PATH: &'static str;

    /// Its id as it stands in its address.
    fn id(&self) -> String;

    /// What its entity tag is made of.
    fn version(&self) -> i64;

    /// What the store is asked to keep.
    fn as_new(&self) -> New<'_>;
}

/// Stores `thing`, which was made from `body`, and answers with it. With a key the same
/// request gets the same answer again and has its effect once. `count` is called where it
/// had one.
pub(crate) async fn create<T: Made>(
    app: &App,
    principal: Option<&Principal>,
    headers: &HeaderMap,
    body: &impl Serialize,
    thing: T,
    count: impl FnOnce(&App),
) -> Result<Response, ApiError> {
    let Some(request) = keyed::<T>(principal, headers, body)? else {
        app.store.insert(thing.as_new()).await?;
        count(app);
        return Ok(created(&thing));
    };
    let answer = serde_json::to_string(&thing).map_err(|error| ApiError::Internal {
        cause: format!("an answer cannot be written: {error}"),
    })?;
    match app
        .store
        .insert_once(thing.as_new(), &request, &answer)
        .await?
    {
        Once::Done => {
            count(app);
            Ok(created(&thing))
        }
        before => replayed::<T>(before),
    }
}

/// The answer that was given to this request before, if it has a key and came before. For
/// things whose making asks what may have changed since.
pub(crate) async fn answered<T: Made>(
    app: &App,
    principal: Option<&Principal>,
    headers: &HeaderMap,
    body: &impl Serialize,
) -> Result<Option<Response>, ApiError> {
    let Some(request) = keyed::<T>(principal, headers, body)? else {
        return Ok(None);
    };
    let before = app.store.answered(&request).await?;
    before.map(replayed::<T>).transpose()
}

fn replayed<T: Made>(before: Once) -> Result<Response, ApiError> {
    let Once::Before(answer) = before else {
        return Err(ApiError::IdempotencyConflict);
    };
    let thing: T = serde_json::from_str(&answer).map_err(|error| ApiError::Internal {
        cause: format!("a stored answer cannot be read: {error}"),
    })?;
    let replayed = [(IDEMPOTENCY_REPLAYED, "true")];
    Ok((replayed, created(&thing)).into_response())
}

/// The request as the store knows it, where it has a key.
fn keyed<T: Made>(
    principal: Option<&Principal>,
    headers: &HeaderMap,
    body: &impl Serialize,
) -> Result<Option<IdempotentRequest>, ApiError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(ApiError::BadRequest(
            "The header Idempotency-Key must be sent once.".into(),
        ));
    }
    let key = key
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()))
        .filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(|| {
            ApiError::BadRequest(format!(
                "The header Idempotency-Key must have 1 to {KEY_BYTES_MAX} visible ASCII \
                 characters."
            ))
        })?;
    Ok(Some(IdempotentRequest {
        principal: principal.map_or_else(|| "anonymous".into(), |found| found.name.clone()),
        key: key.to_owned(),
        fingerprint: fingerprint(T::PATH, body)?,
    }))
}

/// Of the values, so that blanks between them make no difference, and of the path. Items
/// are without it: so are the fingerprints that the releases before this one have stored.
fn fingerprint(path: &str, body: &impl Serialize) -> Result<[u8; 32], ApiError> {
    let mut hash = Sha256::new();
    if path != "/items" {
        hash.update(path);
        hash.update(b"\n");
    }
    hash.update(
        serde_json::to_vec(body).map_err(|error| ApiError::Internal {
            cause: format!("a body that was read cannot be written: {error}"),
        })?,
    );
    Ok(hash.finalize().into())
}

fn created<T: Made>(thing: &T) -> Response {
    let headers = [
        (header::LOCATION, format!("{}/{}", T::PATH, thing.id())),
        (header::ETAG, etag(thing.version())),
    ];
    (StatusCode::CREATED, headers, Json(thing)).into_response()
}
