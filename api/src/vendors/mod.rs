//! The services that jobs call over HTTP, and what all calls to them have in common: limits
//! of time and size, errors in few kinds, a trace that goes on, a measure of each call.

mod call;
mod gemini;
mod tavily;

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec};

pub(crate) use gemini::{Gemini, Written};
pub(crate) use tavily::{Found, Tavily};

use crate::trace::TraceId;

/// From 10 ms to two minutes: a search takes a second, a long text half a minute.
const SECONDS_BUCKETS: [f64; 12] = [
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// Why a call to another service brought nothing. The text names the service and says what
/// happened in words that may be shown to callers: no address, no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{peer} {what}")]
pub(crate) struct CallError {
    pub(crate) peer: &'static str,
    pub(crate) kind: Failure,
    /// To be read after the name of the service.
    pub(crate) what: String,
    /// When the service asks to be called again, counted from now.
    pub(crate) retry_after: Option<Duration>,
}

/// The kinds of failure that are treated alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// 429, or a quota that is used up: the service asks for a pause.
    RateLimited,
    /// Our key is not accepted; an operator can mend it, so another attempt is worth it.
    Unauthorized,
    /// The request itself is refused: the same again would be too.
    Rejected,
    /// The content is refused: safety, recitation, a blocked prompt.
    Blocked,
    /// 5xx.
    ServerError,
    /// No answer in time.
    TimedOut,
    /// No connection.
    Unreachable,
    /// An answer that is not in the documented shape, or too large.
    Garbage,
}

impl Failure {
    /// Whether the same call may succeed later.
    pub(crate) fn is_worth_a_retry(self) -> bool {
        !matches!(self, Self::Rejected | Self::Blocked)
    }

    /// The value of the label `outcome`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Unauthorized => "unauthorized",
            Self::Rejected => "rejected",
            Self::Blocked => "blocked",
            Self::ServerError => "server_error",
            Self::TimedOut => "timeout",
            Self::Unreachable => "unreachable",
            Self::Garbage => "garbage",
        }
    }
}

/// How long calls to other services took, by service and outcome.
#[derive(Clone)]
pub(crate) struct CallSeconds(HistogramVec);

impl CallSeconds {
    /// # Errors
    /// Never: the names are constants.
    pub(crate) fn new() -> prometheus::Result<Self> {
        HistogramVec::new(
            HistogramOpts::new(
                "http_client_request_duration_seconds",
                "Time from a request to another service to the end of its answer.",
            )
            .buckets(SECONDS_BUCKETS.to_vec()),
            &["peer", "outcome"],
        )
        .map(Self)
    }

    /// What the registry is given.
    pub(crate) fn collector(&self) -> Box<dyn prometheus::core::Collector> {
        Box::new(self.0.clone())
    }

    /// Waits for a call and measures it.
    pub(crate) async fn measure<T>(
        &self,
        peer: &str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let started = std::time::Instant::now();
        let result = call.await;
        let outcome = match &result {
            Ok(_) => "ok",
            Err(error) => error.kind.label(),
        };
        self.0
            .with_label_values(&[peer, outcome])
            .observe(started.elapsed().as_secs_f64());
        result
    }
}

/// On whose behalf a call is made.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    /// The trace that the call belongs to.
    pub(crate) trace: TraceId,
}
