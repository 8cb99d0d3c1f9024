//! Links that give a blob without a signature for an hour, as ECR's links into S3 do.

use sha2::{Digest, Sha256};

use crate::protocol::now_ms;
use crate::sigv4::same;

/// What the path of such a link begins with.
pub const BLOB_PREFIX: &str = "/_ecr/blobs/";

const LINK_LIFETIME_MS: i64 = 60 * 60 * 1000;

/// Makes links and checks them.
#[derive(Debug)]
pub struct BlobLinks {
    base_url: String,
    secret: String,
}

impl BlobLinks {
    /// Links under the endpoint's URL; those of another instance do not work here.
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            secret: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// A link to a blob.
    pub fn link(&self, repository: &str, digest: &str) -> String {
        let expires = now_ms() + LINK_LIFETIME_MS;
        let signature = self.sign(repository, digest, expires);
        format!(
            "{}{BLOB_PREFIX}{repository}@{digest}?expires={expires}&signature={signature}",
            self.base_url
        )
    }

    /// The repository and the digest of a link that was made here and has not expired.
    pub fn follow(&self, path: &str, query: &str) -> Option<(String, String)> {
        let (repository, digest) = path.rsplit_once('@')?;
        let (expires, signature) = query.strip_prefix("expires=")?.split_once("&signature=")?;
        let expires: i64 = expires.parse().ok()?;
        let valid = same(&self.sign(repository, digest, expires), signature);
        (valid && expires > now_ms()).then(|| (repository.to_owned(), digest.to_owned()))
    }

    /// The secret stands on both sides, so that the hash of a longer text cannot be derived.
    fn sign(&self, repository: &str, digest: &str, expires: i64) -> String {
        let secret = &self.secret;
        hex::encode(Sha256::digest(format!(
            "{secret}\n{repository}\n{digest}\n{expires}\n{secret}"
        )))
    }
}
