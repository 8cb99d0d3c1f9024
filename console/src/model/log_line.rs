//! Log events as a platform delivers them.

use serde::{Deserialize, Serialize};

/// A longer line is held up to here, with its true size noted. CloudWatch took events of at most
/// 256 KiB until 2025 and takes 1 MiB since; a line that long is data, not a message.
pub const LINE_BYTES_MAX: usize = 256 * 1024;

/// One event as read from a platform, before merge and store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawLogEvent {
    /// Unique in its group (CloudWatch `eventId`).
    pub id: String,
    /// The stream it came from.
    pub stream: String,
    /// When it happened, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// When the platform took it in, in milliseconds since the epoch.
    pub ingested_ms: i64,
    /// The text as received; escape sequences are stripped by the store.
    pub message: String,
}

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Details.
    Trace,
    /// For developers.
    Debug,
    /// Normal, and lines that do not say.
    Info,
    /// Suspicious.
    Warn,
    /// Wrong.
    Error,
}
