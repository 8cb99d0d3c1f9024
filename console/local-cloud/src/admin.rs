//! The local cloud's own door beside the services: faults to inject, and what was written.
//!
//! Signed like any other request, with any service's name in the scope:
//! - `GET|POST|DELETE /_opsconsole/faults[/{id}]`
//! - `GET|DELETE /_opsconsole/journal`

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Method;
use hyper::http::request::Parts;
use serde::Serialize;
use serde_json::json;

use crate::faults::{FaultKind, FaultRequest};
use crate::http::{Answer, Served, Wire};
use crate::logs::Lateness;
use crate::protocol::{AwsError, iso8601, now_ms};

/// What the paths of this door begin with; no bucket's name begins with an underscore.
pub(crate) const PREFIX: &str = "/_opsconsole/";

/// Entries kept of the journal.
const JOURNAL_MAX: usize = 10_000;

/// A mutating call that arrived, whether or not it succeeded.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    time: String,
    service: &'static str,
    operation: String,
    access_key_id: String,
}

/// The mutating calls that arrived, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Mutex<VecDeque<Entry>>,
}

impl Journal {
    /// Notes a mutating call.
    pub fn write(&self, service: &'static str, operation: &str, access_key_id: &str) {
        let mut entries = self.lock();
        if entries.len() >= JOURNAL_MAX {
            entries.pop_front();
        }
        entries.push_back(Entry {
            time: iso8601(now_ms()),
            service,
            operation: operation.to_owned(),
            access_key_id: access_key_id.to_owned(),
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a signed request to this door.
///
/// # Errors
/// `ValidationException` for a fault that is not one, `ResourceNotFoundException` for a path
/// that leads nowhere.
pub(crate) fn handle(wire: &Wire, head: &Parts, body: &Bytes) -> Served {
    let cloud = &wire.cloud;
    let path = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let (room, id) = match path.split_once('/') {
        Some((room, id)) => (room, Some(id)),
        None => (path, None),
    };
    let answer = match (&head.method, room, id) {
        (&Method::GET, "faults", None) => json!({ "faults": cloud.faults.list() }),
        (&Method::POST, "faults", None) => {
            let request: FaultRequest = serde_json::from_slice(body).map_err(|error| {
                AwsError::client(
                    "ValidationException",
                    format!("This is not a fault: {error}. Send {{\"kind\": \"throttle\", \"service\": \"ecs\", \"count\": 3}}"),
                )
            })?;
            let fault = cloud.faults.add(request);
            if fault.request.kind == FaultKind::LateEvents {
                cloud.logs.set_lateness(Some(Lateness {
                    delay_ms: fault.request.value.as_i64().unwrap_or(10_000).max(0),
                    percent: fault.request.percent.unwrap_or(30),
                    until_ms: fault.until_ms,
                }));
            }
            json!({ "fault": fault })
        }
        (&Method::DELETE, "faults", id) => {
            let id = id
                .map(str::parse)
                .transpose()
                .map_err(|_| AwsError::client("ValidationException", "A fault's id is a number"))?;
            let cleared = cloud.faults.clear(id);
            let still_late = cloud
                .faults
                .list()
                .iter()
                .any(|fault| fault.request.kind == FaultKind::LateEvents);
            if !still_late {
                cloud.logs.set_lateness(None);
            }
            json!({ "cleared": cleared })
        }
        (&Method::GET, "journal", None) => json!({ "calls": &*wire.journal.lock() }),
        (&Method::DELETE, "journal", None) => {
            wire.journal.lock().clear();
            json!({})
        }
        _ => {
            return Err(AwsError::client(
                "ResourceNotFoundException",
                format!("There is nothing at {} {}", head.method, head.uri.path()),
            )
            .with_status(404));
        }
    };
    Ok(Answer::Tree(answer))
}
