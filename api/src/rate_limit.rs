//! How many requests a caller may send, with the headers that tell it.

use std::num::NonZeroU32;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::app::App;
use crate::auth::Principal;
use crate::problem::ApiError;

// draft-ietf-httpapi-ratelimit-headers, in the form that clients read today.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Counts by principal and never by address: behind a load balancer all share one.
pub(crate) struct RateLimit {
    per_second: NonZeroU32,
    limiter: RateLimiter<
        String,
        DefaultKeyedStateStore<String>,
        DefaultClock,
        StateInformationMiddleware,
    >,
}

impl RateLimit {
    /// A limit of so many requests a second, saved up for at most one second.
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        Self {
            per_second,
            limiter: RateLimiter::keyed(Quota::per_second(per_second))
                .with_middleware::<StateInformationMiddleware>(),
        }
    }
}

/// Around business routes, inside authorization.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(rate) = &app.rate_limit else {
        return next.run(request).await;
    };
    let principal = request.extensions().get::<Principal>();
    let name = principal.map_or("anonymous", |principal| &principal.name);
    let (mut response, remaining, reset_seconds) = match rate.limiter.check_key(&name.to_owned()) {
        Ok(state) => {
            let remaining = state.remaining_burst_capacity();
            (next.run(request).await, remaining, 1)
        }
        Err(until) => {
            let wait = until.wait_time_from(DefaultClock::default().now());
            // Whole seconds, and never so few that the next try fails again.
            let seconds = wait.as_secs() + 1;
            let error = ApiError::TooManyRequests {
                retry_after: std::time::Duration::from_secs(seconds),
            };
            (error.into_response(), 0, seconds)
        }
    };
    let headers = response.headers_mut();
    headers.insert(LIMIT, HeaderValue::from(rate.per_second.get()));
    headers.insert(REMAINING, HeaderValue::from(remaining));
    headers.insert(RESET, HeaderValue::from(reset_seconds));
    response
}
