//! A tail: a task that reads a source for ever and delivers its lines in order.

use super::{
    budget::{Budget, back_off},
    outlet::{Gone, Outlet},
    poll::{Poller, Step},
    streams,
};
use crate::platform::{LogAccess, LogPages, PlatformError};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// How long to wait in trouble.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Trouble shorter than this is no gap: it is over before anybody could have noticed.
    gap_after_ms: i64,
    /// A new login, or a log group that appears, is to be noticed soon; asking costs nothing.
    login: Duration,
    /// What only a person can put right elsewhere.
    refused: Duration,
    /// First and longest wait of the doubling back-off.
    back_off: (Duration, Duration),
}

const PACE: Pace = Pace {
    gap_after_ms: 5_000,
    login: Duration::from_secs(3),
    refused: Duration::from_secs(15),
    back_off: (Duration::from_millis(500), Duration::from_secs(30)),
};

/// Where a tail begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailStart {
    /// With the newest lines, so many of them, wherever they are in the last hours.
    LastLines(usize),
    /// At that time, in milliseconds since the epoch.
    At(i64),
}

/// What to read, and how.
#[derive(Clone, Debug)]
pub struct TailOptions {
    /// Where to begin.
    pub start: TailStart,
    /// Where to end, exclusive, in milliseconds since the epoch; goes on for ever when `None`.
    pub end_ms: Option<i64>,
    /// True to end once everything that is there was read, instead of following.
    pub once: bool,
    /// Only these streams (at most 100); all when empty.
    pub streams: Vec<String>,
    /// Pause between two polls when there is nothing more to read.
    pub poll_every: Duration,
}

impl TailOptions {
    /// Follows from `start` on, all streams, a poll a second.
    pub fn from(start: TailStart) -> Self {
        Self {
            start,
            end_ms: None,
            once: false,
            streams: Vec::new(),
            poll_every: Duration::from_secs(1),
        }
    }
}

/// A line in order, on its way to the store. Its text is as received, not yet cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailLine {
    /// The stream it came from.
    pub stream: Arc<str>,
    /// When it happened, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The text as received.
    pub text: String,
    /// True when lines of a later time were out before it.
    pub late: bool,
}

/// What a tail delivers, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TailEvent {
    /// Lines, at most a few thousand at once.
    Lines(Vec<TailLine>),
    /// Nothing could be read from that time on; reading goes on trying.
    GapOpened {
        /// In milliseconds since the epoch.
        from_ms: i64,
    },
    /// Reading works again and is filling the gap up to that time.
    GapEnded {
        /// In milliseconds since the epoch.
        to_ms: i64,
    },
    /// Everything in the gap was read.
    GapFilled,
}

/// What a tail is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum TailPhase {
    /// First answer not yet in.
    Starting,
    /// Reading what is already there.
    CatchingUp,
    /// Everything there was read; waiting for more.
    Following,
    /// The last call failed; trying again.
    Trouble {
        /// Why, with the way out.
        error: PlatformError,
        /// Since when, in milliseconds since the epoch.
        since_ms: i64,
        /// When it is tried again.
        retry_at_ms: i64,
    },
    /// The end of the window was reached; nothing more will come.
    Ended,
}

/// How a tail stands, for the header of a log pane.
#[derive(Clone, Debug, PartialEq)]
pub struct TailState {
    /// What it is doing.
    pub phase: TailPhase,
    /// Read up to that time, in milliseconds since the epoch.
    pub read_to_ms: Option<i64>,
    /// Usual time from a line's timestamp to when it could be read, in milliseconds.
    pub lag_ms: Option<i64>,
    /// Lines delivered.
    pub lines: u64,
    /// Of them, late ones.
    pub late: u64,
    /// Calls made.
    pub calls: u64,
    /// Calls that were throttled.
    pub throttled: u64,
    /// How the sources stand, where each is a stream of its own.
    pub sources: Option<SourceCount>,
}

/// How many sources are read, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceCount {
    /// Followed live.
    pub followed: usize,
    /// Beyond the number of streams that may be open: read in turns, some seconds late.
    pub in_turns: usize,
    /// Cannot be read now.
    pub failing: usize,
    /// Why, of one of them.
    pub failure: Option<PlatformError>,
}

/// A running tail; dropping it ends the task.
#[derive(Debug)]
pub struct TailHandle {
    /// What it delivers; closed only after [`TailPhase::Ended`].
    pub events: mpsc::Receiver<TailEvent>,
    /// How it stands.
    pub state: watch::Receiver<TailState>,
}

/// Starts tails.
#[derive(Debug)]
pub struct Tail;

impl Tail {
    /// Starts reading on the current tokio runtime. All tails of one account and region share
    /// one budget of calls.
    pub fn start(access: LogAccess, options: TailOptions) -> TailHandle {
        match access {
            // A stream is for what comes; what is past is there to be read whole, in order.
            LogAccess::Streams { streams, .. } if !options.once && options.end_ms.is_none() => {
                streams::start(streams, options, streams::PACE)
            }
            LogAccess::Pages(pages) | LogAccess::Streams { pages, .. } => {
                let budget = Budget::shared(&pages.budget_key());
                Self::poll(pages, options, budget)
            }
        }
    }

    /// As [`start`](Self::start) for a paged source, with a budget of one's own.
    pub fn poll(pages: Arc<dyn LogPages>, options: TailOptions, budget: Arc<Budget>) -> TailHandle {
        Self::poll_at(PACE, pages, options, budget)
    }

    fn poll_at(
        pace: Pace,
        pages: Arc<dyn LogPages>,
        options: TailOptions,
        budget: Arc<Budget>,
    ) -> TailHandle {
        let (out, handle) = Outlet::open();
        let poller = Poller::new(pages, options.streams, options.start, options.end_ms);
        let reader = Reader {
            pace,
            poller,
            budget,
            poll_every: options.poll_every,
            once: options.once,
            out,
            trouble: None,
            gap: GapState::None,
        };
        tokio::spawn(reader.run());
        handle
    }
}

impl TailState {
    /// Nothing is known yet.
    pub(super) fn starting() -> Self {
        Self {
            phase: TailPhase::Starting,
            read_to_ms: None,
            lag_ms: None,
            lines: 0,
            late: 0,
            calls: 0,
            throttled: 0,
            sources: None,
        }
    }
}

/// Calls that fail one after the other.
struct Trouble {
    since_ms: i64,
    tries: u32,
}

#[derive(PartialEq)]
enum GapState {
    None,
    Open,
    Filling,
}

struct Reader {
    pace: Pace,
    poller: Poller,
    budget: Arc<Budget>,
    poll_every: Duration,
    once: bool,
    out: Outlet,
    trouble: Option<Trouble>,
    gap: GapState,
}

impl Reader {
    /// Reads until the window ends or nobody listens.
    async fn run(mut self) {
        if let Ok(()) = self.read().await {
            self.out
                .state
                .send_modify(|state| state.phase = TailPhase::Ended);
        }
    }

    async fn read(&mut self) -> Result<(), Gone> {
        let mut next_poll = Instant::now();
        loop {
            let has_more = self.poller.has_more(now_ms());
            if !has_more && Instant::now() < next_poll {
                self.wait_until(next_poll).await?;
                continue;
            }
            let is_due = Instant::now() >= next_poll;
            match self.call(is_due).await? {
                Ok(step) => {
                    let (drained, ended) = (step.drained, step.ended);
                    self.take(step).await?;
                    self.succeeded(drained).await?;
                    if ended || (self.once && drained) {
                        self.out.flush().await?;
                        return Ok(());
                    }
                    if drained {
                        next_poll = Instant::now() + self.poll_every;
                    }
                    self.out.release().await?;
                }
                Err(error) => {
                    let pause = self.failed(error).await?;
                    self.wait_until(Instant::now() + pause).await?;
                    next_poll = Instant::now();
                }
            }
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), Gone> {
        let lines: Vec<_> = step
            .events
            .into_iter()
            .map(|event| {
                (
                    self.out.name(&event.stream),
                    event.timestamp_ms,
                    event.message,
                )
            })
            .collect();
        self.out.take(lines).await
    }

    /// One call, while lines that are due go on going out.
    async fn call(&mut self, is_due: bool) -> Result<Result<Step, PlatformError>, Gone> {
        let Self {
            poller,
            budget,
            out,
            ..
        } = self;
        let call = async {
            budget.take().await;
            poller.step(now_ms(), is_due).await
        };
        tokio::pin!(call);
        let answer = loop {
            let due = out.due();
            tokio::select! {
                answer = &mut call => break answer,
                () = at(due) => out.release().await?,
                () = out.events.closed() => return Err(Gone),
            }
        };
        out.state.send_modify(|state| state.calls += 1);
        Ok(answer)
    }

    async fn wait_until(&mut self, until: Instant) -> Result<(), Gone> {
        loop {
            let due = self.out.due();
            tokio::select! {
                () = sleep_until(until) => return Ok(()),
                () = at(due) => self.out.release().await?,
                () = self.out.events.closed() => return Err(Gone),
            }
        }
    }

    async fn succeeded(&mut self, drained: bool) -> Result<(), Gone> {
        self.trouble = None;
        if self.gap == GapState::Open {
            self.gap = GapState::Filling;
            self.out
                .tell(TailEvent::GapEnded { to_ms: now_ms() })
                .await?;
        }
        if drained && self.gap == GapState::Filling {
            self.gap = GapState::None;
            // What fills the gap goes out before the word that it is filled.
            self.out.flush().await?;
            self.out.tell(TailEvent::GapFilled).await?;
        }
        let (read_to_ms, lag_ms) = (self.poller.read_to_ms(), self.poller.lag_ms());
        self.out.state.send_modify(|state| {
            state.read_to_ms = read_to_ms;
            state.lag_ms = lag_ms;
            // A sweep or a poll of several pages does not stop the following.
            state.phase = match (&state.phase, drained) {
                (_, true) | (TailPhase::Following, false) => TailPhase::Following,
                _ => TailPhase::CatchingUp,
            };
        });
        Ok(())
    }

    /// Notes the failure and says how long to wait. A tail never gives up.
    async fn failed(&mut self, error: PlatformError) -> Result<Duration, Gone> {
        let (now_ms, pace) = (now_ms(), self.pace);
        let trouble = self.trouble.get_or_insert(Trouble {
            since_ms: now_ms,
            tries: 0,
        });
        trouble.tries += 1;
        let (since_ms, tries) = (trouble.since_ms, trouble.tries);
        let pause = match &error {
            PlatformError::Throttled { retry_after, .. } => {
                let pause = back_off(tries, pace.back_off.0, pace.back_off.1).max(*retry_after);
                self.budget.close_for(pause);
                pause
            }
            PlatformError::Credentials { .. } | PlatformError::NotFound { .. } => pace.login,
            PlatformError::Denied { .. } | PlatformError::Invalid { .. } => pace.refused,
            _ => back_off(tries, pace.back_off.0, pace.back_off.1),
        };
        if self.gap == GapState::None && now_ms - since_ms >= pace.gap_after_ms {
            self.gap = GapState::Open;
            self.out.flush().await?;
            let from_ms = self.poller.read_to_ms().unwrap_or(since_ms);
            self.out.tell(TailEvent::GapOpened { from_ms }).await?;
        }
        let is_throttled = matches!(error, PlatformError::Throttled { .. });
        let retry_at_ms = now_ms + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 2);
        self.out.state.send_modify(|state| {
            state.throttled += u64::from(is_throttled);
            state.phase = TailPhase::Trouble {
                error,
                since_ms,
                retry_at_ms,
            };
        });
        Ok(pause)
    }
}

pub(super) async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests;
