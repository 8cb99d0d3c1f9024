//! The lock of an environment: who may change it now, and until when.

use super::{Author, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a lock says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    /// Whose run.
    pub run: RunId,
    /// Who.
    pub owner: Author,
    /// What for: `roll back to 1.4.0`.
    pub purpose: String,
    /// Since when.
    pub taken_at: Timestamp,
    /// It is stale, and may be broken, from then on.
    pub expires_at: Timestamp,
    /// The store's version of it, for compare-and-swap (S3 ETag); set when read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl LockRecord {
    /// True from `expires_at` on.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}
