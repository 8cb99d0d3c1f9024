//! How far this machine's clock is off the API server's, by the `Date` of its answers.
//!
//! Ages, and the ends of locks, are reckoned from times that others wrote.

use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response, header};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// `Date` has whole seconds, and an answer is on its way for a moment: less than this is nothing.
const OFF_MIN_S: i64 = 5;

/// How far our clock is ahead of the server's. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    ahead_s: Arc<AtomicI64>,
}

impl ServerClock {
    /// Our time less theirs, in seconds; `None` while they agree.
    pub fn ahead_s(&self) -> Option<i64> {
        let ahead_s = self.ahead_s.load(Ordering::Relaxed);
        (ahead_s.abs() >= OFF_MIN_S).then_some(ahead_s)
    }

    /// Our time less theirs.
    fn ahead(&self) -> SignedDuration {
        SignedDuration::from_secs(self.ahead_s().unwrap_or_default())
    }

    /// A time of ours as the server's clock has it.
    pub fn theirs(&self, ours: Timestamp) -> Timestamp {
        ours.saturating_sub(self.ahead()).unwrap_or(ours)
    }

    /// A time of the server's clock as ours has it.
    pub fn ours(&self, theirs: Timestamp) -> Timestamp {
        theirs.saturating_add(self.ahead()).unwrap_or(theirs)
    }

    fn read<B>(&self, answer: &Response<B>, now: Timestamp) {
        let date = answer.headers().get(header::DATE);
        let date = date.and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| rfc2822::parse(date).ok());
        if let Some(date) = date {
            let ahead = now.duration_since(date.timestamp()).as_secs();
            self.ahead_s.store(ahead, Ordering::Relaxed);
        }
    }
}

impl<S> Layer<S> for ServerClock {
    type Service = Reading<S>;

    fn layer(&self, inner: S) -> Reading<S> {
        Reading {
            inner,
            clock: self.clone(),
        }
    }
}

/// A client whose answers are read for their date.
#[derive(Clone, Debug)]
pub struct Reading<S> {
    inner: S,
    clock: ServerClock,
}

impl<S, B, A> Service<Request<B>> for Reading<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Future: Send + 'static,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<A>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clock = self.clock.clone();
        self.inner
            .call(request)
            .map(move |answer| answer.inspect(|answer| clock.read(answer, Timestamp::now())))
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(date: &str) -> ServerClock {
        let clock = ServerClock::default();
        let answer = Response::builder().header(header::DATE, date);
        let now = "2026-11-21T20:20:26Z".parse().expect("a time");
        clock.read(&answer.body(()).expect("an answer"), now);
        clock
    }

    #[test]
    fn a_clock_that_is_off_is_known_by_how_much_and_one_second_is_nothing() {
        assert_eq!(read("Sat, 21 Nov 2026 20:20:25 GMT").ahead_s(), None);
        assert_eq!(read("not a date").ahead_s(), None);
        let ahead = read("Sat, 21 Nov 2026 20:10:26 GMT");
        assert_eq!(ahead.ahead_s(), Some(600));
        assert_eq!(read("Sat, 21 Nov 2026 20:21:26 GMT").ahead_s(), Some(-60));
        let ours: Timestamp = "2026-11-21T20:20:26Z".parse().expect("a time");
        let theirs = ahead.theirs(ours);
        assert_eq!(theirs.to_string(), "2026-11-21T20:10:26Z");
        assert_eq!(ahead.ours(theirs), ours);
    }
}
