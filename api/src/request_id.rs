//! The id that ties a request, its log lines, its answer and its error together.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// Read from the request and written on every answer.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Long enough for every tracer's ids, short enough to copy.
const LENGTH_MAX: usize = 128;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The caller's own id if it is harmless, else a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes the id from the headers. Ids with other than plain characters are replaced:
    /// they end up in logs, headers and terminals.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        headers
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|text| is_harmless(text))
            .map_or_else(Self::new, |text| Self(text.into()))
    }

    /// One of our own.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header's value.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
    }

    /// Runs what makes an answer at once; [`current`] answers this id in it.
    pub fn sync_scope<R>(self, make: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, make)
    }

    /// Runs a future in which [`current`] answers this id.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The id of the request that the calling task works on, if it works on one.
#[must_use]
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok()
}

fn is_harmless(text: &str) -> bool {
    (1..=LENGTH_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(value).expect("a header"));
        RequestId::from_headers(&headers)
    }

    #[test]
    fn a_callers_id_is_kept() {
        assert_eq!(with(b"Root=1-67891233-abc").as_str(), "Root=1-67891233-abc");
    }

    #[test]
    fn an_id_that_could_harm_a_log_or_a_terminal_is_replaced() {
        for bad in [&b"a b"[..], b"", b"\xff\xfe", b"x\"y", &[b'a'; 129]] {
            let id = with(bad);
            assert!(Uuid::parse_str(id.as_str()).is_ok(), "{bad:?} gave {id}");
        }
    }
}
