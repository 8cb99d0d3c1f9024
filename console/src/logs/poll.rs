//! Reads a paged source again and again without losing or repeating an event.
//!
//! CloudWatch shows events late and out of order, so "everything after the newest one I have"
//! loses lines. Instead: each poll reads again an overlap before the newest time seen, drains
//! every page, drops what was taken already by its event id, and moves on only after a full
//! drain. A sweep goes further back from time to time and finds what came later still.
//!
//! This file has no clock and never sleeps: [`Poller::step`] is told the time.

use super::{seen::SeenIds, tail::TailStart};
use crate::{
    model::RawLogEvent,
    platform::{LogPages, PageRequest, PlatformError},
};
use std::{collections::VecDeque, sync::Arc};

/// Bounds of the overlap, in milliseconds. It is twice the lag seen lately.
pub const OVERLAP_MS_MIN: i64 = 30_000;
/// See [`OVERLAP_MS_MIN`].
pub const OVERLAP_MS_MAX: i64 = 120_000;
/// How far a sweep goes back, in milliseconds.
pub const SWEEP_BACK_MS: i64 = 15 * 60_000;
/// From one sweep to the next, in milliseconds: a line up to ten minutes late is always found.
pub const SWEEP_EVERY_MS: i64 = 5 * 60_000;

/// To find the last lines, so far back and then further, in milliseconds.
const LOOK_BACK_MS: [i64; 4] = [30_000, 5 * 60_000, 60 * 60_000, 6 * 60 * 60_000];
/// Pages read at most to find the last lines: a log this busy has them in the nearest span.
const LOOK_BACK_PAGES: u32 = 40;

/// What one step brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Events not given before, in the platform's order.
    pub events: Vec<RawLogEvent>,
    /// True when everything there is was read: time to pause.
    pub drained: bool,
    /// True when the end of the window is reached and nothing can come any more.
    pub ended: bool,
}

/// One pass over all pages of a stretch of time.
#[derive(Debug)]
struct Drain {
    start_ms: i64,
    end_ms: Option<i64>,
    token: Option<String>,
    begun_ms: i64,
    latest_ms: Option<i64>,
}

impl Drain {
    fn over(start_ms: i64, end_ms: Option<i64>, now_ms: i64) -> Self {
        Self {
            start_ms,
            end_ms,
            token: None,
            begun_ms: now_ms,
            latest_ms: None,
        }
    }
}

/// The search for the last lines.
#[derive(Debug)]
struct LookBack {
    wanted: usize,
    found: VecDeque<RawLogEvent>,
    begun_ms: Option<i64>,
    span: usize,
    pages: u32,
}

impl LookBack {
    fn for_lines(wanted: usize) -> Self {
        Self {
            wanted,
            found: VecDeque::new(),
            begun_ms: None,
            span: 0,
            pages: 0,
        }
    }
}

/// The state of reading one source.
pub struct Poller {
    pages: Arc<dyn LogPages>,
    streams: Vec<String>,
    /// Nothing older is wanted.
    start_ms: i64,
    end_ms: Option<i64>,
    /// Everything up to here was read, bar what comes later than the overlap.
    highwater_ms: Option<i64>,
    look_back: Option<LookBack>,
    live: Option<Drain>,
    sweep: Option<Drain>,
    next_sweep_ms: Option<i64>,
    seen: SeenIds,
    lag: Lag,
}

impl Poller {
    /// Reads `streams` (all when empty) from `start` on, up to `end_ms`.
    pub fn new(
        pages: Arc<dyn LogPages>,
        streams: Vec<String>,
        start: TailStart,
        end_ms: Option<i64>,
    ) -> Self {
        let (start_ms, look_back) = match start {
            TailStart::At(start_ms) => (start_ms, None),
            TailStart::LastLines(wanted) => (i64::MIN, Some(LookBack::for_lines(wanted))),
        };
        Self {
            pages,
            streams,
            start_ms,
            end_ms,
            highwater_ms: None,
            look_back,
            live: None,
            sweep: None,
            next_sweep_ms: None,
            seen: SeenIds::new(),
            lag: Lag::default(),
        }
    }

    /// Everything up to that time was read, in milliseconds since the epoch.
    pub fn read_to_ms(&self) -> Option<i64> {
        self.highwater_ms
    }

    /// How long lines usually take until they can be read, in milliseconds.
    pub fn lag_ms(&self) -> Option<i64> {
        self.lag.usual_ms.map(|lag| lag as i64)
    }

    /// How far before the newest time seen the next poll begins, in milliseconds.
    pub fn overlap_ms(&self) -> i64 {
        (2 * self.lag.worst_ms as i64).clamp(OVERLAP_MS_MIN, OVERLAP_MS_MAX)
    }

    /// True while pages of a stretch are left to read, or a sweep is due: step again at once.
    pub fn has_more(&self, now_ms: i64) -> bool {
        self.look_back.is_some() || self.live.is_some() || self.is_sweep_due(now_ms)
    }

    /// Reads one page. `poll` says that a poll is due; else only what was begun goes on, or a
    /// sweep. After an error the same page is asked for again.
    pub async fn step(&mut self, now_ms: i64, poll: bool) -> Result<Step, PlatformError> {
        if self.look_back.is_some() {
            return self.step_back(now_ms).await;
        }
        if self.live.is_none() && poll {
            let overlap_ms = self.overlap_ms();
            let start_ms = self
                .highwater_ms
                .map_or(self.start_ms, |highwater_ms| highwater_ms - overlap_ms)
                .max(self.oldest_ms());
            self.live = Some(Drain::over(start_ms, self.end_ms, now_ms));
        }
        if self.live.is_some() {
            self.step_live(now_ms).await
        } else if self.is_sweep_due(now_ms) {
            self.step_sweep(now_ms).await
        } else {
            Ok(Step {
                drained: true,
                ..Step::default()
            })
        }
    }

    /// Nothing before may be read: it is not wanted, or nobody knows whether it was taken.
    fn oldest_ms(&self) -> i64 {
        self.start_ms.max(self.seen.floor_ms())
    }

    async fn step_live(&mut self, now_ms: i64) -> Result<Step, PlatformError> {
        let Some(mut drain) = self.live.take() else {
            return Ok(Step::default());
        };
        let mut events = match self.page_of(&mut drain).await {
            Ok(events) => events,
            Err(error) => {
                self.live = Some(drain);
                return Err(error);
            }
        };
        self.keep_new(&mut events, true);
        for event in &events {
            drain.latest_ms = drain.latest_ms.max(Some(event.timestamp_ms));
            self.lag.note(event);
        }
        let mut step = Step {
            events,
            ..Step::default()
        };
        if drain.token.is_some() {
            self.live = Some(drain);
            return Ok(step);
        }
        // A clock ahead of ours must not move us past what is still to come, and a silent log
        // must not make each poll read further back than a sweep does. (SigV4 refuses clocks
        // that differ by more than 15 minutes, the length of a sweep.)
        let seen_to_ms = drain.latest_ms.unwrap_or(i64::MIN).min(drain.begun_ms);
        let quiet_ms = drain.begun_ms - SWEEP_BACK_MS;
        let highwater_ms = seen_to_ms
            .max(quiet_ms)
            .max(self.highwater_ms.unwrap_or(i64::MIN));
        self.highwater_ms = Some(highwater_ms);
        self.next_sweep_ms.get_or_insert(now_ms + SWEEP_EVERY_MS);
        self.forget(now_ms);
        step.drained = true;
        step.ended = self
            .end_ms
            .is_some_and(|end_ms| drain.begun_ms >= end_ms + OVERLAP_MS_MAX);
        Ok(step)
    }

    fn is_sweep_due(&self, now_ms: i64) -> bool {
        self.sweep.is_some() || self.next_sweep_ms.is_some_and(|due_ms| now_ms >= due_ms)
    }

    async fn step_sweep(&mut self, now_ms: i64) -> Result<Step, PlatformError> {
        let mut drain = match self.sweep.take() {
            Some(drain) => drain,
            None => {
                let start_ms = (now_ms - SWEEP_BACK_MS).max(self.oldest_ms());
                // The polls read the rest anyway.
                let end_ms = self.highwater_ms.map(|at| at - OVERLAP_MS_MIN);
                self.next_sweep_ms = Some(now_ms + SWEEP_EVERY_MS);
                if end_ms.is_none_or(|end_ms| end_ms <= start_ms) {
                    return Ok(Step {
                        drained: true,
                        ..Step::default()
                    });
                }
                Drain::over(start_ms, end_ms, now_ms)
            }
        };
        let mut events = match self.page_of(&mut drain).await {
            Ok(events) => events,
            Err(error) => {
                self.sweep = Some(drain);
                return Err(error);
            }
        };
        self.keep_new(&mut events, false);
        if drain.token.is_some() {
            self.sweep = Some(drain);
        }
        Ok(Step {
            events,
            drained: self.sweep.is_none(),
            ended: false,
        })
    }

    /// Reads further and further back until the wanted lines are found, and gives them at once.
    async fn step_back(&mut self, now_ms: i64) -> Result<Step, PlatformError> {
        let Some(mut look) = self.look_back.take() else {
            return Ok(Step::default());
        };
        let begun_ms = *look.begun_ms.get_or_insert(now_ms);
        let end_ms = self.end_ms.unwrap_or(i64::MAX).min(begun_ms);
        let mut drain = self.live.take().unwrap_or_else(|| {
            let nearer = look
                .span
                .checked_sub(1)
                .map_or(0, |nearer| LOOK_BACK_MS[nearer]);
            // Nothing ends the nearest span: a clock behind the platform's must not hide lines.
            let until_ms = if nearer == 0 {
                self.end_ms
            } else {
                Some(end_ms - nearer)
            };
            Drain::over(end_ms - LOOK_BACK_MS[look.span], until_ms, now_ms)
        });
        let mut events = match self.page_of(&mut drain).await {
            Ok(events) => events,
            Err(error) => {
                (self.live, self.look_back) = (Some(drain), Some(look));
                return Err(error);
            }
        };
        look.pages += 1;
        self.keep_new(&mut events, true);
        look.found.extend(events);
        let is_span_read = drain.token.is_none();
        let is_last_span = look.span + 1 == LOOK_BACK_MS.len();
        let is_enough = is_span_read && (look.found.len() >= look.wanted || is_last_span);
        if !is_enough && look.pages < LOOK_BACK_PAGES {
            if is_span_read {
                look.span += 1;
            } else {
                self.live = Some(drain);
            }
            self.look_back = Some(look);
            return Ok(Step::default());
        }
        let mut events: Vec<_> = look.found.into();
        events.sort_by_key(|event| event.timestamp_ms);
        events.drain(..events.len().saturating_sub(look.wanted));
        for event in &events {
            self.lag.note(event);
        }
        // From here on nothing older than the oldest line given is wanted.
        let oldest_ms = events
            .first()
            .map_or(end_ms - LOOK_BACK_MS[look.span], |e| e.timestamp_ms);
        self.start_ms = oldest_ms.min(end_ms);
        if is_span_read {
            let latest_ms = events.last().map_or(i64::MIN, |event| event.timestamp_ms);
            self.highwater_ms = Some(latest_ms.min(begun_ms).max(begun_ms - SWEEP_BACK_MS));
        }
        // Asked for the last ten lines once, nobody wants an eleventh that came meanwhile.
        Ok(Step {
            events,
            drained: is_span_read,
            ..Step::default()
        })
    }

    /// Asks for the next page of a drain and moves the drain on.
    async fn page_of(&self, drain: &mut Drain) -> Result<Vec<RawLogEvent>, PlatformError> {
        let request = PageRequest {
            start_ms: drain.start_ms.max(0),
            end_ms: drain.end_ms,
            streams: self.streams.clone(),
            token: drain.token.clone(),
            ..PageRequest::default()
        };
        match self.pages.page(&request).await {
            Ok(page) => {
                drain.token = page.token;
                Ok(page.events)
            }
            // A token that is refused (it expires after 24 hours): read the stretch again from
            // its beginning. What was taken already is known by its id.
            Err(PlatformError::Invalid { .. }) if drain.token.is_some() => {
                drain.token = None;
                drain.start_ms = drain.start_ms.max(self.oldest_ms());
                let start_ms = drain.start_ms.max(0);
                let again = PageRequest {
                    start_ms,
                    token: None,
                    ..request
                };
                let page = self.pages.page(&again).await?;
                drain.token = page.token;
                Ok(page.events)
            }
            Err(error) => Err(error),
        }
    }

    /// Drops what was taken already. Events whose minute was forgotten within this very pass are
    /// new to a poll, which began above the floor; a sweep cannot know, so it leaves them.
    fn keep_new(&mut self, events: &mut Vec<RawLogEvent>, is_poll: bool) {
        events.retain(|event| {
            self.seen
                .insert(&event.id, event.timestamp_ms)
                .unwrap_or(is_poll)
        });
    }

    /// Forgets ids that no poll and no sweep can meet again.
    fn forget(&mut self, now_ms: i64) {
        let mut keep_ms = now_ms - SWEEP_BACK_MS - 60_000;
        if let Some(highwater_ms) = self.highwater_ms {
            keep_ms = keep_ms.min(highwater_ms - OVERLAP_MS_MAX);
        }
        if let Some(sweep) = &self.sweep {
            keep_ms = keep_ms.min(sweep.start_ms);
        }
        self.seen.forget_before(keep_ms);
    }
}

/// How long events take from their timestamp until the platform had them.
#[derive(Debug, Default)]
struct Lag {
    usual_ms: Option<f64>,
    /// The worst seen lately: falls by half in about 700 events.
    worst_ms: f64,
}

impl Lag {
    fn note(&mut self, event: &RawLogEvent) {
        // A timestamp ahead of the ingestion is a wrong clock, hours of lag an imported file.
        let lag_ms = (event.ingested_ms - event.timestamp_ms).clamp(0, SWEEP_BACK_MS) as f64;
        self.usual_ms = Some(
            self.usual_ms
                .map_or(lag_ms, |usual| usual * 0.95 + lag_ms * 0.05),
        );
        self.worst_ms = (self.worst_ms * 0.999).max(lag_ms);
    }
}

#[cfg(test)]
mod tests;
