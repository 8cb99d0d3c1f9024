//! What a request or an attempt at a job asks of others: how long it waits for the database,
//! and, where traces are sent, a span for each call.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, TraceId};

/// A request that calls more often than this has a defect; what comes after is not told.
const CALLS_MAX: usize = 128;
/// Of a call that nobody waited for to the end.
const GIVEN_UP: &str = "cancelled";

tokio::task_local! {
    static CURRENT: Calls;
}

/// The calls of one request or attempt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    database_micros: AtomicU64,
    trail: Option<Trail>,
}

/// A span that is kept, and what was called in it.
#[derive(Debug)]
pub(crate) struct Trail {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    ended: Mutex<Vec<Call>>,
}

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: SpanId,
    pub(crate) name: Cow<'static, str>,
    pub(crate) started: SystemTime,
    pub(crate) ended: SystemTime,
    pub(crate) attributes: Vec<KeyValue>,
    /// One of few words for what failed.
    pub(crate) error: Option<&'static str>,
}

impl Trail {
    pub(crate) fn new(trace: TraceId, span: SpanId) -> Self {
        Self {
            trace,
            span,
            ended: Mutex::default(),
        }
    }

    /// The calls that have ended since this was asked last.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Calls {
    /// Calls that are kept as spans.
    pub(crate) fn traced(trail: Trail) -> Self {
        Self(Arc::new(Shared {
            trail: Some(trail),
            ..Shared::default()
        }))
    }

    /// Runs a future whose calls are counted here.
    pub(crate) async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    /// How long was waited for the database so far, waits for a connection included; to the
    /// microsecond.
    pub(crate) fn database_time(&self) -> Duration {
        Duration::from_micros(self.0.database_micros.load(Ordering::Relaxed))
    }

    /// Where traces are sent and this one is kept.
    pub(crate) fn trail(&self) -> Option<&Trail> {
        self.0.trail.as_ref()
    }
}

/// A wait for the database that counts also when it is given up.
pub(crate) struct DatabaseWait(Instant);

impl DatabaseWait {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }
}

impl Drop for DatabaseWait {
    fn drop(&mut self) {
        let micros = u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX);
        // What runs by itself, such as a probe's own look, has nobody to count for.
        let _ = CURRENT.try_with(|calls| {
            calls.0.database_micros.fetch_add(micros, Ordering::Relaxed);
        });
    }
}

/// A call that goes on. It is kept also when it is given up.
pub(crate) struct Open {
    calls: Calls,
    call: Option<Call>,
}

/// Begins a call of the present request or attempt; nothing where it is not traced. `attributes`
/// are those of the semantic conventions (opentelemetry.io/docs/specs/semconv).
pub(crate) fn begin(
    name: impl Into<Cow<'static, str>>,
    attributes: impl FnOnce() -> Vec<KeyValue>,
) -> Option<Open> {
    let calls = CURRENT.try_with(Calls::clone).ok()?;
    calls.trail()?;
    let now = SystemTime::now();
    Some(Open {
        call: Some(Call {
            id: fresh_id(),
            name: name.into(),
            started: now,
            ended: now,
            attributes: attributes(),
            error: Some(GIVEN_UP),
        }),
        calls,
    })
}

/// The `traceparent` of the present request itself, where it is traced.
pub(crate) fn traceparent() -> Option<String> {
    let calls = CURRENT.try_with(Calls::clone).ok()?;
    let trail = calls.trail()?;
    Some(header(trail.trace, trail.span))
}

impl Open {
    /// The `traceparent` to be sent with the call.
    pub(crate) fn traceparent(&self) -> Option<String> {
        let trail = self.calls.trail()?;
        Some(header(trail.trace, self.call.as_ref()?.id))
    }

    /// Something that is known of the call only now.
    pub(crate) fn note(&mut self, attribute: KeyValue) {
        if let Some(call) = &mut self.call {
            call.attributes.push(attribute);
        }
    }

    /// The call has ended, well or with this kind of failure.
    pub(crate) fn end(mut self, error: Option<&'static str>) {
        if let Some(call) = &mut self.call {
            call.error = error;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let (Some(trail), Some(mut call)) = (self.calls.trail(), self.call.take()) else {
            return;
        };
        call.ended = SystemTime::now();
        if let Some(error) = call.error {
            call.attributes.push(KeyValue::new("error.type", error));
        }
        let mut ended = trail.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() < CALLS_MAX {
            ended.push(call);
        }
    }
}

/// Kept traces only get so far.
fn header(trace: TraceId, span: SpanId) -> String {
    format!("00-{trace}-{span}-01")
}

/// An id for a span.
pub(crate) fn fresh_id() -> SpanId {
    let random = uuid::Uuid::new_v4().as_u128() as u64;
    SpanId::from(random.max(1))
}
