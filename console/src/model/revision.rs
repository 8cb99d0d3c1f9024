//! A revision: the service's definition at one point of its history.

use super::{Author, ReleaseDigest, RevisionId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A revision with the document that defines it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The platform's id.
    pub id: RevisionId,
    /// The service container's image reference, as written.
    pub image: String,
    /// The release's name: the image's tag, or the tag recorded when it was deployed by digest.
    pub release: Option<String>,
    /// The image's digest as recorded or resolved.
    pub digest: Option<ReleaseDigest>,
    /// False where the platform no longer runs it as it is (an INACTIVE task definition).
    pub active: bool,
    /// When it was registered.
    pub registered_at: Option<Timestamp>,
    /// Who registered it, from its tags.
    pub author: Option<Author>,
    /// Why, from its tags.
    pub reason: Option<String>,
    /// The whole definition in the platform's own shape, without what the platform adds to it
    /// (ARN, number, status, times), so that two of them can be compared. NOT masked: pass it through
    /// [`mask_document`](super::mask_document) before it is shown or stored.
    pub document: serde_json::Value,
}

/// What is live, as the environments table tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// The revision in service.
    pub revision: RevisionId,
    /// The image reference of the service's container.
    pub image: String,
    /// The release's name, where it is known.
    pub release: Option<String>,
    /// The image's digest, where it is known.
    pub digest: Option<ReleaseDigest>,
    /// When it went out.
    pub deployed_at: Option<Timestamp>,
    /// Who sent it out.
    pub author: Option<Author>,
}

impl Deployed {
    /// What people call it: the release, else the short digest, else the revision.
    pub fn name(&self) -> &str {
        self.release.as_deref().unwrap_or_else(|| {
            self.digest
                .as_ref()
                .map_or_else(|| self.revision.short(), ReleaseDigest::short)
        })
    }
}
