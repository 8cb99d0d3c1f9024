//! ECR: repositories of images whose digests are real, and the actions that read them.

mod actions;
mod links;
mod registry;

pub use actions::handle;
pub use links::{BLOB_PREFIX, BlobLinks};
pub use registry::{ImageNotFound, Registry, ResolvedImage, digest_of, registry_host};

/// A config of an image, as its link gives it.
pub(crate) fn layer_blob(
    registry: &Registry,
    repository: &str,
    digest: &str,
) -> Option<bytes::Bytes> {
    let repositories = registry.read();
    let blob = repositories.get(repository)?.blobs.get(digest)?;
    Some(blob.clone().into())
}

#[cfg(test)]
mod tests;
