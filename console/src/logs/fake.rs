//! A log source for tests: events become readable late, in pages of any size, with empty pages,
//! repeated events and calls that fail.

use crate::{
    model::RawLogEvent,
    platform::{LogPages, Page, PageRequest, PlatformError},
};
use async_trait::async_trait;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

/// An event, and when it becomes readable.
#[derive(Clone, Debug)]
struct Event {
    raw: RawLogEvent,
    visible_ms: i64,
}

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Event>,
    faults: VecDeque<PlatformError>,
    requests: Vec<PageRequest>,
}

/// The source; its clock is set by the test.
#[derive(Debug)]
pub struct FakeLogPages {
    key: String,
    inner: Mutex<Inner>,
    now_ms: AtomicI64,
    page_size: usize,
    /// Every so many pages an empty one with a token; 0 for none.
    empty_every: u64,
    served: AtomicU64,
    /// Gives the last event of a page again at the head of the next.
    repeats: bool,
}

impl FakeLogPages {
    pub fn new(page_size: usize) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            key: format!("fake/{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            inner: Mutex::default(),
            now_ms: AtomicI64::new(i64::MAX),
            page_size: page_size.max(1),
            empty_every: 0,
            served: AtomicU64::new(0),
            repeats: false,
        }
    }

    pub fn with_empty_pages(self, every: u64) -> Self {
        Self {
            empty_every: every,
            ..self
        }
    }

    pub fn with_repeats(self, repeats: bool) -> Self {
        Self { repeats, ..self }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event of a stream that becomes readable `lateness_ms` after it happened.
    pub fn add(&self, stream: &str, at_ms: i64, lateness_ms: i64, message: &str) {
        let mut inner = self.inner();
        let raw = RawLogEvent {
            id: format!("event-{}", inner.events.len()),
            stream: stream.to_owned(),
            timestamp_ms: at_ms,
            ingested_ms: at_ms + lateness_ms,
            message: message.to_owned(),
        };
        inner.events.push(Event {
            raw,
            visible_ms: at_ms + lateness_ms,
        });
    }

    pub fn set_now(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    /// The next calls fail like this, in order.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = PlatformError>) {
        self.inner().faults.extend(faults);
    }

    /// Faults not yet served.
    pub fn faults_left(&self) -> usize {
        self.inner().faults.len()
    }

    pub fn requests(&self) -> Vec<PageRequest> {
        self.inner().requests.clone()
    }

    pub fn throttled() -> PlatformError {
        PlatformError::Throttled {
            operation: "FilterLogEvents".to_owned(),
            retry_after: std::time::Duration::from_millis(1),
        }
    }

    pub fn expired() -> PlatformError {
        PlatformError::Credentials {
            cause: "ExpiredTokenException".to_owned(),
            remedy: "Run aws sso login".to_owned(),
        }
    }
}

#[async_trait]
impl LogPages for FakeLogPages {
    fn budget_key(&self) -> String {
        self.key.clone()
    }

    async fn page(&self, request: &PageRequest) -> Result<Page, PlatformError> {
        let now_ms = self.now_ms.load(Ordering::Relaxed);
        let served = self.served.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.inner();
        inner.requests.push(request.clone());
        if let Some(fault) = inner.faults.pop_front() {
            return Err(fault);
        }
        // The token is the position after the last event given, in (time, order of arrival).
        let after: Option<(i64, usize)> = match &request.token {
            None => None,
            Some(token) => Some(
                token
                    .split_once('/')
                    .and_then(|(at, number)| Some((at.parse().ok()?, number.parse().ok()?)))
                    .ok_or_else(|| PlatformError::Invalid {
                        operation: "FilterLogEvents".to_owned(),
                        cause: "The specified nextToken is invalid.".to_owned(),
                    })?,
            ),
        };
        let token_of = |(at, number): (i64, usize)| format!("{at}/{number}");
        if self.empty_every > 0 && served.is_multiple_of(self.empty_every) {
            let token = Some(token_of(after.unwrap_or((i64::MIN, 0))));
            return Ok(Page {
                events: Vec::new(),
                token,
            });
        }
        let needle = request
            .filter
            .as_deref()
            .map(|filter| filter.trim_matches('"').to_owned());
        let mut wanted: Vec<_> = inner
            .events
            .iter()
            .enumerate()
            .map(|(number, event)| ((event.raw.timestamp_ms, number), event))
            .filter(|(key, event)| {
                event.visible_ms <= now_ms
                    && key.0 >= request.start_ms
                    && request.end_ms.is_none_or(|end_ms| key.0 < end_ms)
                    && (request.streams.is_empty() || request.streams.contains(&event.raw.stream))
                    && needle
                        .as_ref()
                        .is_none_or(|needle| event.raw.message.contains(needle))
                    && after.is_none_or(|after| {
                        if self.repeats {
                            *key >= after
                        } else {
                            *key > after
                        }
                    })
            })
            .collect();
        wanted.sort_by_key(|(key, _)| *key);
        // With repeats a page must bring at least one event that the one before did not.
        let size = self.page_size.max(1 + usize::from(self.repeats));
        let size = request
            .limit
            .map_or(size, |limit| size.min((limit as usize).max(2)));
        let has_more = wanted.len() > size;
        wanted.truncate(size);
        let token = wanted
            .last()
            .filter(|_| has_more)
            .map(|(key, _)| token_of(*key));
        Ok(Page {
            events: wanted
                .into_iter()
                .map(|(_, event)| event.raw.clone())
                .collect(),
            token,
        })
    }
}

/// The source as a tail takes it.
pub fn access(pages: &Arc<FakeLogPages>) -> crate::platform::LogAccess {
    crate::platform::LogAccess::Pages(pages.clone())
}
