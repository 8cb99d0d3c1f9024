//! Images: manifests and configs by their real digests, and the tags that point at them.
//!
//! What makes a release behave as it does (its environment) is in the config, the config's
//! digest is in the manifest, and the manifest's digest is the image's: two releases that
//! behave differently cannot share a digest.
//! <https://github.com/opencontainers/image-spec/blob/main/config.md>

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::protocol::{ACCOUNT, REGION, iso8601, now_ms};

/// The media type of the manifests made here.
pub const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// The compressed size of the layers of an image published here: what a release of a small
/// service on a slim base weighs.
const LAYER_BYTES: [u64; 2] = [29_126_484, 11_480_211];

/// The host that images of this registry are named with.
pub fn registry_host() -> String {
    format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com")
}

/// What running an image needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedImage {
    /// The manifest's digest, `sha256:…`.
    pub digest: String,
    /// The environment of the image's config, in order.
    pub config_env: Vec<(String, String)>,
    /// The architecture as the config says it: `amd64`, `arm64`.
    pub architecture: String,
    /// The config's labels.
    pub labels: BTreeMap<String, String>,
}

/// There is no such image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref {image}: {image}: not found"
)]
pub struct ImageNotFound {
    /// What was asked for.
    pub image: String,
}

/// One image of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The manifest's digest.
    pub digest: String,
    /// The manifest as it was pushed, byte for byte.
    pub manifest: String,
    /// The manifest's media type.
    pub media_type: String,
    /// The layers' and the config's sizes together, in bytes.
    pub size_bytes: u64,
    /// When it was pushed, in milliseconds since the epoch.
    pub pushed_ms: i64,
    /// The tags that point at it.
    pub tags: BTreeSet<String>,
}

/// A repository with its images and blobs.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    /// When it was made, in milliseconds since the epoch.
    pub created_ms: i64,
    /// Whether a tag, once set, may not move.
    pub immutable_tags: bool,
    /// By digest.
    pub images: BTreeMap<String, Image>,
    /// Configs by digest.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    /// The image with this tag.
    pub fn by_tag(&self, tag: &str) -> Option<&Image> {
        self.images.values().find(|image| image.tags.contains(tag))
    }

    /// Points a tag at an image, away from any other.
    pub fn set_tag(&mut self, tag: &str, digest: &str) {
        for image in self.images.values_mut() {
            if image.digest == digest {
                image.tags.insert(tag.to_owned());
            } else {
                image.tags.remove(tag);
            }
        }
    }
}

/// All repositories of the cloud.
#[derive(Debug, Default)]
pub struct Registry {
    repositories: RwLock<BTreeMap<String, Repository>>,
}

impl Registry {
    /// No repositories.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds an image of the API with this environment and these labels, pushes it, and tags
    /// it; makes the repository when it does not exist. `pushed_ms` is in milliseconds since
    /// the epoch, and is the image's `created` as well, so that the digest is reproducible.
    pub fn publish(
        &self,
        repository: &str,
        tag: &str,
        env: &[(&str, &str)],
        labels: &[(&str, &str)],
        pushed_ms: i64,
    ) -> ResolvedImage {
        let layers: Vec<(String, u64)> = LAYER_BYTES
            .iter()
            .enumerate()
            .map(|(i, bytes)| {
                (
                    digest_of(format!("{repository} layer {i}").as_bytes()),
                    *bytes,
                )
            })
            .collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "created": iso8601(pushed_ms),
            "config": {
                "Env": env.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(),
                "Entrypoint": ["/usr/local/bin/opsconsole-api"],
                "ExposedPorts": {"8080/tcp": {}},
                "Labels": labels.iter().copied().collect::<BTreeMap<_, _>>(),
                "User": "65532:65532",
            },
            "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|(d, _)| d).collect::<Vec<_>>()},
        })
        .to_string()
        .into_bytes();
        let config_digest = digest_of(&config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "size": config.len(), "digest": config_digest},
            "layers": layers.iter().map(|(digest, size)| json!({
                "mediaType": LAYER_TYPE, "size": size, "digest": digest,
            })).collect::<Vec<_>>(),
        })
        .to_string();
        let digest = digest_of(manifest.as_bytes());
        let size_bytes = LAYER_BYTES.iter().sum::<u64>() + config.len() as u64;
        let resolved = resolved_from(&digest, &config);

        let mut repositories = self.write();
        let repository = repositories
            .entry(repository.to_owned())
            .or_insert_with(|| Repository {
                created_ms: pushed_ms.min(now_ms()),
                ..Repository::default()
            });
        repository.blobs.insert(config_digest, config);
        repository.images.entry(digest.clone()).or_insert(Image {
            digest: digest.clone(),
            manifest,
            media_type: MANIFEST_TYPE.to_owned(),
            size_bytes,
            pushed_ms,
            tags: BTreeSet::new(),
        });
        repository.set_tag(tag, &digest);
        resolved
    }

    /// What `image` (`host/repository:tag`, `host/repository@sha256:…`, the host may be left
    /// out) stands for now.
    ///
    /// # Errors
    /// When the repository, the tag or the digest does not exist here.
    pub fn resolve(&self, image: &str) -> Result<ResolvedImage, ImageNotFound> {
        let not_found = || ImageNotFound {
            image: image.to_owned(),
        };
        let (name, reference) = split_image(image);
        let repositories = self.read();
        let repository = repositories.get(name).ok_or_else(not_found)?;
        let found = match reference {
            Reference::Digest(digest) => repository.images.get(digest),
            Reference::Tag(tag) => repository.by_tag(tag),
        }
        .ok_or_else(not_found)?;
        let config = config_digest(&found.manifest)
            .and_then(|digest| repository.blobs.get(&digest))
            .ok_or_else(not_found)?;
        Ok(resolved_from(&found.digest, config))
    }

    /// The repositories, to read.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Repository>> {
        self.repositories
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The repositories, to change.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Repository>> {
        self.repositories
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

enum Reference<'a> {
    Tag(&'a str),
    Digest(&'a str),
}

/// Repository and reference of an image's name; without a tag it means `latest`.
fn split_image(image: &str) -> (&str, Reference<'_>) {
    // As in Docker's reference grammar, a first part with a dot or a colon is a host.
    let name = match image.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => image,
    };
    if let Some((name, digest)) = name.split_once('@') {
        let without_tag = name.split_once(':').map_or(name, |(n, _)| n);
        return (without_tag, Reference::Digest(digest));
    }
    match name.split_once(':') {
        Some((name, tag)) => (name, Reference::Tag(tag)),
        None => (name, Reference::Tag("latest")),
    }
}

fn resolved_from(digest: &str, config: &[u8]) -> ResolvedImage {
    let config: Value = serde_json::from_slice(config).unwrap_or_default();
    let inner = &config["config"];
    ResolvedImage {
        digest: digest.to_owned(),
        config_env: inner["Env"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|pair| pair.as_str()?.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
        architecture: config["architecture"]
            .as_str()
            .unwrap_or("amd64")
            .to_owned(),
        labels: inner["Labels"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
            .collect(),
    }
}

/// The digest of the config that a manifest names.
pub(super) fn config_digest(manifest: &str) -> Option<String> {
    let manifest: Value = serde_json::from_str(manifest).ok()?;
    Some(manifest["config"]["digest"].as_str()?.to_owned())
}

/// `sha256:` and the hash in hexadecimal.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_by_tag_and_by_digest_and_by_nothing_else() {
        let registry = Registry::new();
        let pushed = registry.publish("api", "1.0.0", &[("A", "b=c")], &[("l", "x")], 1_000);
        let by_tag = format!("{}/api:1.0.0", registry_host());
        let by_digest = format!("{}/api@{}", registry_host(), pushed.digest);
        let by_both = format!("{}/api:gone@{}", registry_host(), pushed.digest);
        for image in [&by_tag, &by_digest, &by_both, "api:1.0.0"] {
            let found = registry.resolve(image).expect(image);
            assert_eq!(found.digest, pushed.digest);
            assert_eq!(found.config_env, [("A".to_owned(), "b=c".to_owned())]);
            assert_eq!(found.architecture, "amd64");
        }
        assert!(registry.resolve("api:2.0.0").is_err());
        assert!(registry.resolve("api").is_err(), "no latest");
        assert!(registry.resolve("other:1.0.0").is_err());
    }

    #[test]
    fn an_environment_that_differs_gives_another_digest_and_a_tag_moves() {
        let registry = Registry::new();
        let good = registry.publish("api", "1", &[], &[], 0);
        let again = registry.publish("api", "1", &[], &[], 0);
        let bad = registry.publish("api", "1", &[("FAULT", "on")], &[], 0);
        assert_eq!(good, again);
        assert_ne!(good.digest, bad.digest);
        assert_eq!(registry.resolve("api:1").expect("moved").digest, bad.digest);
        let untagged = registry.resolve(&format!("api@{}", good.digest));
        assert_eq!(untagged.expect("still there").digest, good.digest);
    }
}
