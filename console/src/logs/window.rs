//! Times as an operator says them: the 0–6 anchors, `13:50–14:05`, `15m`.

use super::tail::TailStart;
use crate::model::Window;
use jiff::{Timestamp, tz::TimeZone};
use std::time::Duration;

/// Where the keys `0`–`6` begin, as in k9s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// `0`: the newest lines.
    Tail,
    /// `1`: from the beginning: of the oldest running task, else a day ago.
    Head,
    /// `2`–`6`: 1, 5, 15, 30 minutes, 1 hour ago.
    Last(Duration),
}

impl Anchor {
    /// The anchor of a key.
    pub fn of_key(key: char) -> Option<Self> {
        let _ = key;
        unimplemented!()
    }
    /// `tail`, `head`, `15m`.
    pub fn label(self) -> String {
        unimplemented!()
    }
    /// Where to begin; `oldest_task` is when the oldest running task started.
    pub fn start(self, now: Timestamp, oldest_task: Option<Timestamp>) -> TailStart {
        let _ = (now, oldest_task);
        unimplemented!()
    }
}

/// A window that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a window of time: {cause}. Write 13:50-14:05, 13:50-14:05 local, 2025-07-01 13:50-14:05, or 15m"
)]
pub struct WindowError {
    /// As typed.
    pub text: String,
    /// Why.
    pub cause: String,
}

/// Reads `13:50–14:05` (also `-`, `..`), with a date before it, `utc` or `local` after it, or a
/// span back from now (`15m`). Without a date it is the last time that it was so.
pub fn parse_window(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Window, WindowError> {
    let _ = (text, now, zone);
    unimplemented!()
}
