//! Following a job by server-sent events
//! (html.spec.whatwg.org/multipage/server-sent-events.html).

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use tokio::time::{Instant, sleep_until};

use super::{Job, JobEvent, JobId};
use crate::app::App;
use crate::problem::ApiError;

/// Where other processes may work on the job, only the database tells.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Below the idle times of proxies; 60 s is the default of an AWS load balancer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After it the caller comes back with the last id, and with a key that is still good.
const TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// Before a caller who was cut off comes back.
const COME_BACK: Duration = Duration::from_secs(1);
const EVENTS_AT_ONCE: u32 = 100;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a follower has seen and what is left to tell.
struct Follower {
    app: App,
    id: JobId,
    /// The position of the last event told.
    seen: i64,
    waiting: std::vec::IntoIter<JobEvent>,
    is_over: bool,
    until: Instant,
    /// Gives the place back when the caller goes.
    _place: tokio::sync::OwnedSemaphorePermit,
}

/// Tells what has happened to a job since the last event that the caller has seen, and goes
/// on until the job has ended. Then a caller who comes back hears 204: do not come again.
pub(super) async fn follow(app: App, job: Job, headers: &HeaderMap) -> Result<Response, ApiError> {
    let seen = match headers.get(LAST_EVENT_ID) {
        None => 0,
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|seen| *seen >= 0)
            .ok_or_else(|| {
                ApiError::BadRequest(
                    "The header Last-Event-ID is not one that this service gave out.".into(),
                )
            })?,
    };
    let place = app
        .signals
        .followers
        .clone()
        .try_acquire_owned()
        .map_err(|_| ApiError::Unavailable {
            cause: "as many callers follow jobs as may at a time".into(),
            retry_after: LOOK_EVERY * 10,
        })?;
    let first = app.store.job_events(job.id, seen, EVENTS_AT_ONCE).await?;
    if first.is_empty() && job.state.is_final() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let follower = Follower {
        id: job.id,
        seen,
        waiting: first.into_iter(),
        is_over: false,
        until: Instant::now() + TIME_MAX,
        _place: place,
        app,
    };
    let events = Sse::new(told_to(follower)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let mut response = events.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would hold events back (nginx.org/en/docs/http/ngx_http_proxy_module.html).
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn told_to(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        follower.seen = event.position;
        follower.is_over = event.state.is_final();
        let told = Event::default()
            .id(event.position.to_string())
            .event(event.state.name())
            .retry(COME_BACK)
            .json_data(&event)
            // Nothing in an event can fail to be written.
            .unwrap_or_default();
        Some((Ok(told), follower))
    })
}

impl Follower {
    /// The next event, as soon as there is one; nothing after the last, when the process
    /// stops, or when the time is over.
    async fn next(&mut self) -> Option<JobEvent> {
        loop {
            if let Some(event) = self.waiting.next() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            // Heard from before the look, so that nothing falls between.
            let changed = self.app.signals.changed.notified();
            let look = self
                .app
                .store
                .job_events(self.id, self.seen, EVENTS_AT_ONCE);
            if let Ok(events) = look.await
                && !events.is_empty()
            {
                self.waiting = events.into_iter();
                continue;
            }
            let now = Instant::now();
            if now >= self.until {
                return None;
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(now + LOOK_EVERY) => {}
                () = self.app.stopping() => return None,
            }
        }
    }
}
