//! The query of a request as a handler wants it.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::ApiError;

/// Like axum's `Query`, which puts a replacement character in the place of what is not UTF-8 and
/// would so look for something else than was asked for.
pub(crate) struct Utf8Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Utf8Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if !parts.uri.query().is_none_or(is_utf8) {
            return Err(ApiError::BadRequest(
                "The query is not valid percent-encoded UTF-8.".into(),
            ));
        }
        let Query(query) = Query::from_request_parts(parts, state).await?;
        Ok(Self(query))
    }
}

/// Whether a query is UTF-8 once its percent encoding (RFC 3986 §2.1) is undone.
fn is_utf8(query: &str) -> bool {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = query.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2)));
        match (byte, digits) {
            (b'%', (Some(high), Some(low))) => {
                decoded.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_is_told_from_what_is() {
        for good in ["", "a=b&c=%20", "name=Z%C3%BCrich", "100%", "a=%zz", "a=%2"] {
            assert!(is_utf8(good), "{good}");
        }
        for bad in ["a=%ff", "a=%C3", "a=%C3b", "a=%ed%a0%80"] {
            assert!(!is_utf8(bad), "{bad}");
        }
    }
}
