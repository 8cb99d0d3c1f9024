//! Entity tags in requests: what a caller has seen of a resource (RFC 9110 §13.1).

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::problem::ApiError;

/// The strong entity tag of a resource's version (RFC 9110 §8.8.3).
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The entity tags of a precondition, several headers taken as one list.
pub(crate) struct Tags(Vec<String>);

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

    /// The tags of `If-Match`, without which nothing is changed.
    pub(crate) fn required(headers: &HeaderMap) -> Result<Self, ApiError> {
        Self::from(headers, &header::IF_MATCH).ok_or(ApiError::PreconditionRequired)
    }

    /// Strong comparison: what a weak tag names is not surely the same state.
    pub(crate) fn must_contain(&self, etag: &str) -> Result<(), ApiError> {
        if self.0.iter().any(|tag| tag == "*" || tag == etag) {
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

/// A resource with its tag, or 304 where the caller has this state already.
pub(crate) fn unless_known(headers: &HeaderMap, etag: String, body: &impl Serialize) -> Response {
    let is_known =
        Tags::from(headers, &header::IF_NONE_MATCH).is_some_and(|tags| tags.contains_weakly(&etag));
    if is_known {
        (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response()
    } else {
        tagged(etag, body)
    }
}

/// A resource with its tag.
pub(crate) fn tagged(etag: String, body: &impl Serialize) -> Response {
    ([(header::ETAG, etag)], axum::Json(body)).into_response()
}
