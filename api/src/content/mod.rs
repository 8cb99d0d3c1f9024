//! Where generated content is kept: a directory, or a bucket of S3.

mod directory;
mod s3;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use crate::jobs::JobId;
use crate::settings::ContentPlace;
use crate::vendors::CallSeconds;

/// The largest document that is kept or read: far above what a model writes at once.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A place for documents, each written once and never changed.
#[async_trait]
pub(crate) trait ContentStore: Send + Sync + 'static {
    /// Keeps a document, whole or not at all, unless there is one of this name already.
    async fn put_new(&self, key: &ContentKey, document: Bytes) -> Result<Put, ContentError>;

    /// The document of this name, if there is one.
    async fn get(&self, key: &ContentKey) -> Result<Option<Bytes>, ContentError>;

    /// Removes a document; one that is not there is no error.
    async fn delete(&self, key: &ContentKey) -> Result<(), ContentError>;
}

/// The store that the settings name, without touching it yet.
pub(crate) fn open(place: &ContentPlace, seconds: CallSeconds) -> Box<dyn ContentStore> {
    match place {
        ContentPlace::Directory(path) => Box::new(directory::Directory::new(path)),
        ContentPlace::S3 {
            bucket,
            prefix,
            endpoint,
        } => Box::new(s3::Bucket::new(bucket, prefix, endpoint.clone(), seconds)),
    }
}

/// The name of a document. It is made of ids of ours only, so it cannot lead anywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentKey(String);

impl ContentKey {
    /// The document that a job makes.
    pub(crate) fn of_job(id: JobId) -> Self {
        Self(format!("jobs/{}.json", id.uuid().hyphenated()))
    }

    /// A document to try the store with.
    pub(crate) fn of_check() -> Self {
        Self(format!("checks/{}.txt", Uuid::new_v4().hyphenated()))
    }

    /// Parts with slashes between.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a document that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is kept.
    Stored,
    /// There was one already, and it stays.
    Existed,
}

/// Why a document could not be kept or read. The texts may be shown to callers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContentError {
    /// We may not.
    #[error("the content store refuses it: {0}")]
    Denied(String),
    /// No room is left.
    #[error("the content store is full: {0}")]
    Full(String),
    /// It is larger than what is kept.
    #[error("the document has {bytes} bytes; at most {DOCUMENT_BYTES_MAX} are kept")]
    TooLarge {
        /// How large it is.
        bytes: u64,
    },
    /// No answer, or an error that may pass.
    #[error("the content store does not work now: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
        /// When it asks to be tried again.
        retry_after: Option<Duration>,
    },
}

fn check_size(document: &[u8]) -> Result<(), ContentError> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(ContentError::TooLarge {
            bytes: document.len() as u64,
        });
    }
    Ok(())
}
