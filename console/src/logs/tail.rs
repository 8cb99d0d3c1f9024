//! A tail: a task that reads a source for ever and delivers its lines in order.

use crate::platform::{LogAccess, PlatformError};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};

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
    /// Starts reading on the current tokio runtime.
    pub fn start(access: LogAccess, options: TailOptions) -> TailHandle {
        let _ = (access, options);
        unimplemented!()
    }
}
