//! A release: an image that can be deployed.

use super::{Architecture, ReleaseDigest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One image in the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The registry's repository URI, without tag.
    pub repository: String,
    /// Tags that point to it now, in the registry's order.
    pub tags: Vec<String>,
    /// What it is, whatever the tags say.
    pub digest: ReleaseDigest,
    /// When it was pushed.
    pub pushed_at: Option<Timestamp>,
    /// Compressed size in bytes.
    pub size_bytes: Option<u64>,
    /// What it runs on; empty when the registry does not say.
    pub architectures: Vec<Architecture>,
}

impl Release {
    /// What people call it: its first tag other than `latest`, else the short digest.
    pub fn name(&self) -> &str {
        self.tags
            .iter()
            .find(|tag| *tag != "latest")
            .map_or_else(|| self.digest.short(), String::as_str)
    }
}
