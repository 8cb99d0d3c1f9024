//! One HTTP call: sent, bounded, and its failure put into one of few kinds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use opentelemetry::KeyValue;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Request, RequestBuilder, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::{CallError, CallSeconds, Errand, Failure};
use crate::calls::{self, Open};
use crate::trace;

/// Far above any answer that we ask for.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How much of what a service says of an error is kept.
const SAID_CHARS_MAX: usize = 300;

/// A service as a client of it sees it.
pub(super) struct Peer {
    /// What people call it; also the label in metrics, in lower case.
    pub(super) name: &'static str,
    pub(super) key: SecretString,
    time_max: Duration,
    seconds: CallSeconds,
    /// Made at the first call: it reads the certificates of the system, which a process that
    /// never calls does not need to hold.
    http: OnceCell<reqwest::Client>,
}

/// An answer that is not an error.
pub(super) struct Answer(Bytes);

impl Peer {
    pub(super) fn new(
        name: &'static str,
        key: SecretString,
        time_max: Duration,
        seconds: CallSeconds,
    ) -> Self {
        Self {
            name,
            key,
            time_max,
            seconds,
            http: OnceCell::new(),
        }
    }

    pub(super) fn error(&self, kind: Failure, what: impl Into<String>) -> CallError {
        CallError {
            peer: self.name,
            kind,
            what: what.into(),
            retry_after: None,
        }
    }

    /// Sends a request and hands its answer to `read`; measures both as one call. `explain`
    /// finds in the body of an error answer what the service says, and what else its status
    /// means than usual.
    pub(super) async fn call<T>(
        &self,
        errand: &Errand,
        build: impl FnOnce(&reqwest::Client) -> RequestBuilder,
        explain: impl FnOnce(StatusCode, &[u8]) -> Explanation,
        read: impl FnOnce(&Answer) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let label = self.name.to_ascii_lowercase();
        let exchange = async {
            let (client, request) = build(self.http().await?).build_split();
            let mut request = request.map_err(|error| self.broken(&error))?;
            let mut span = span(&request);
            let parent = span.as_ref().and_then(Open::traceparent);
            let parent = parent.unwrap_or_else(|| errand.trace.child());
            if let Ok(value) = parent.try_into() {
                request.headers_mut().insert(trace::HEADER, value);
            }
            let exchange = self.exchange(&client, request, &mut span, explain);
            let answer = tokio::time::timeout(self.time_max, exchange).await;
            let outcome = answer
                .unwrap_or_else(|_| Err(self.timed_out()))
                .and_then(|answer| read(&answer));
            if let Some(span) = span {
                span.end(outcome.as_ref().err().map(|error| error.kind.label()));
            }
            outcome
        };
        self.seconds.measure(&label, exchange).await
    }

    async fn http(&self) -> Result<&reqwest::Client, CallError> {
        let made = self.http.get_or_try_init(async || {
            // Reads and parses all certificates, which would hold up requests.
            tokio::task::spawn_blocking(client)
                .await
                .map_err(|_| "the process is stopping".to_owned())?
                .map_err(|error| innermost(&error))
        });
        made.await.map_err(|reason| {
            self.error(Failure::Unreachable, format!("cannot be called: {reason}"))
        })
    }

    async fn exchange(
        &self,
        client: &reqwest::Client,
        request: Request,
        span: &mut Option<Open>,
        explain: impl FnOnce(StatusCode, &[u8]) -> Explanation,
    ) -> Result<Answer, CallError> {
        let sent = client.execute(request).await;
        let mut response = sent.map_err(|error| self.broken(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if let Some(span) = span {
            let status = i64::from(status.as_u16());
            span.note(KeyValue::new("http.response.status_code", status));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.broken(&error))?
        {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.error(
                    Failure::Garbage,
                    format!("answered with more than {} MiB", ANSWER_BYTES_MAX >> 20),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(Answer(body.freeze()));
        }
        let explanation = explain(status, &body);
        let kind = explanation.kind.unwrap_or(match status.as_u16() {
            401 | 403 => Failure::Unauthorized,
            408 => Failure::TimedOut,
            429 => Failure::RateLimited,
            400..=499 => Failure::Rejected,
            500..=599 => Failure::ServerError,
            _ => Failure::Garbage,
        });
        let said = self.harmless(&explanation.said);
        let what = if said.is_empty() {
            format!("answered {}", status.as_u16())
        } else {
            format!("answered {}: {said}", status.as_u16())
        };
        Err(CallError {
            retry_after: retry_after(&headers).or(explanation.retry_after),
            ..self.error(kind, what)
        })
    }

    fn timed_out(&self) -> CallError {
        let what = format!("gave no answer within {} s", self.time_max.as_secs());
        self.error(Failure::TimedOut, what)
    }

    fn broken(&self, error: &reqwest::Error) -> CallError {
        if error.is_timeout() {
            return self.timed_out();
        }
        let reason = self.harmless(&innermost(error));
        if error.is_connect() {
            let what = format!("cannot be reached: {reason}");
            self.error(Failure::Unreachable, what)
        } else {
            self.error(Failure::Unreachable, format!("broke off: {reason}"))
        }
    }

    /// Text from outside: cut short, without control characters, and without our key, which
    /// some services repeat.
    fn harmless(&self, text: &str) -> String {
        text.replace(self.key.expose_secret(), "[key]")
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(SAID_CHARS_MAX)
            .collect::<String>()
            .trim()
            .to_owned()
    }
}

/// Without the query, where some services want their keys.
fn span(request: &Request) -> Option<Open> {
    calls::begin(request.method().to_string(), || {
        let mut url = request.url().clone();
        url.set_query(None);
        vec![
            KeyValue::new("http.request.method", request.method().to_string()),
            KeyValue::new(
                "server.address",
                url.host_str().unwrap_or_default().to_owned(),
            ),
            KeyValue::new(
                "server.port",
                i64::from(url.port_or_known_default().unwrap_or_default()),
            ),
            KeyValue::new("url.full", url.to_string()),
        ]
    })
}

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("opsconsole-api/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIME_MAX)
        // A key must not follow to where an answer points.
        .redirect(redirect::Policy::none())
        .build()
}

impl Answer {
    /// The answer in its documented shape.
    pub(super) fn json<T: DeserializeOwned>(&self, peer: &Peer) -> Result<T, CallError> {
        serde_json::from_slice(&self.0).map_err(|error| {
            let what = format!("answered in a shape that is not documented: {error}");
            peer.error(Failure::Garbage, peer.harmless(&what))
        })
    }
}

/// What the body of an error answer tells.
#[derive(Default)]
pub(super) struct Explanation {
    /// What the service says.
    pub(super) said: String,
    /// Where the status alone would be misread.
    pub(super) kind: Option<Failure>,
    /// Where the body and no header tells when to come again.
    pub(super) retry_after: Option<Duration>,
}

/// Seconds, or a time (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A time that has passed means now.
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
}

/// The last error of the chain: what happened, without the address that the first repeats.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_until_a_time() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a header"));
            retry_after(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let later = read("Sat, 06 Nov 2094 08:49:37 GMT").expect("a time");
        assert!(later > Duration::from_secs(365 * 24 * 3600));
        assert_eq!(read("soon"), None);
    }
}
