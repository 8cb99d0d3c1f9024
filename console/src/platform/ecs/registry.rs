//! Releases: the images of the service's repository in Amazon ECR.

use super::{
    EcsPlatform,
    image::{EcrRepository, ImageRef},
    manifest::{self, Found},
    operations::{BATCH_GET_IMAGE, DESCRIBE_IMAGES, GET_DOWNLOAD_URL_FOR_LAYER},
    service,
    text::clean,
    time::timestamp,
};
use crate::{
    model::{Architecture, Release, ReleaseDigest, ReleaseRef, RevisionId},
    platform::PlatformError,
};
use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier};
use futures::{StreamExt, stream};

/// A list longer than this helps nobody to choose; older images are found by name.
const RELEASES_MAX: usize = 500;
/// For so many of the newest the architecture is looked up while listing.
const ARCHITECTURES_MAX: usize = 50;
const PAGES_MAX: usize = 50;

impl EcsPlatform {
    /// The images of the running service's repository, newest first.
    pub(super) async fn list_releases(&self) -> Result<Vec<Release>, PlatformError> {
        let (uri, repository) = self.repository().await?;
        let mut images: Vec<ImageDetail> = Vec::new();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .session
                .read(&DESCRIBE_IMAGES, |clients| {
                    clients
                        .ecr
                        .describe_images()
                        .registry_id(&repository.account)
                        .repository_name(&repository.name)
                        .max_results(1000)
                        .set_next_token(token.clone())
                        .customize()
                        .config_override(in_region(&repository))
                        .send()
                })
                .await?;
            token = page.next_token().map(str::to_owned);
            images.extend(page.image_details.unwrap_or_default());
            if token.is_none() {
                break;
            }
        }
        images.retain(is_runnable);
        images.sort_by_key(|image| std::cmp::Reverse(timestamp(image.image_pushed_at())));
        images.truncate(RELEASES_MAX);
        let releases: Vec<Release> = images
            .iter()
            .filter_map(|image| release(&uri, image))
            .collect();
        let with_architecture = stream::iter(releases.into_iter().enumerate())
            .map(|(index, mut release)| {
                let repository = &repository;
                async move {
                    if index < ARCHITECTURES_MAX {
                        release.architectures =
                            self.architectures(repository, &release.digest).await;
                    }
                    release
                }
            })
            .buffered(8)
            .collect()
            .await;
        Ok(with_architecture)
    }

    /// One image of the running service's repository.
    pub(super) async fn find_release(
        &self,
        reference: &ReleaseRef,
    ) -> Result<Option<Release>, PlatformError> {
        let (uri, repository) = self.repository().await?;
        let Some(image) = self.describe_image(&repository, reference).await? else {
            return Ok(None);
        };
        let Some(mut release) = release(&uri, &image) else {
            return Ok(None);
        };
        release.architectures = self.architectures(&repository, &release.digest).await;
        if let ReleaseRef::Tag(tag) = reference {
            // Whoever asked by a tag calls it by that tag.
            release.tags.retain(|other| other != tag);
            release.tags.insert(0, tag.clone());
        }
        Ok(Some(release))
    }

    /// An image of any ECR repository; `None` when the repository does not hold it.
    pub(super) async fn describe_image(
        &self,
        repository: &EcrRepository,
        reference: &ReleaseRef,
    ) -> Result<Option<ImageDetail>, PlatformError> {
        let mut id = ImageIdentifier::builder();
        id = match reference {
            ReleaseRef::Tag(tag) => id.image_tag(tag),
            ReleaseRef::Digest(digest) => id.image_digest(digest.as_str()),
        };
        let id = id.build();
        let answer = self
            .session
            .read(&DESCRIBE_IMAGES, |clients| {
                clients
                    .ecr
                    .describe_images()
                    .registry_id(&repository.account)
                    .repository_name(&repository.name)
                    .image_ids(id.clone())
                    .customize()
                    .config_override(in_region(repository))
                    .send()
            })
            .await;
        match answer {
            Ok(answer) => Ok(answer.image_details.unwrap_or_default().pop()),
            // ImageNotFoundException; a repository that does not exist has no images either.
            Err(PlatformError::NotFound { .. }) => Ok(None),
            // A tag that no tag can be (ECR's own pattern) names no image.
            Err(PlatformError::Invalid { cause, .. }) if cause.contains("InvalidParameter") => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The repository that the running service's image comes from.
    async fn repository(&self) -> Result<(String, EcrRepository), PlatformError> {
        let service = self.service().await?;
        let running = service::live(&service)
            .and_then(|deployment| deployment.task_definition())
            .or(service.task_definition())
            .map(RevisionId::from)
            .ok_or_else(|| PlatformError::NotFound {
                what: "a task definition of the service".to_owned(),
                hint: None,
            })?;
        let definition = self.task_definition(&running).await?;
        let image = definition
            .image(self.config.container.as_deref())
            .ok_or_else(|| no_container(self.config.container.as_deref(), &running))?;
        let image = ImageRef::parse(image);
        match image.ecr() {
            Some(repository) => Ok((image.repository, repository)),
            None => Err(PlatformError::NotFound {
                what: format!("an ECR repository behind the image {}", image.repository),
                hint: Some(
                    "opsconsole lists releases of images in Amazon ECR; others can be rolled back \
                     but not chosen from a list"
                        .to_owned(),
                ),
            }),
        }
    }

    /// The tag that the registry has for a digest, other than `latest`.
    pub(super) async fn tag_of(&self, image: &str, digest: &ReleaseDigest) -> Option<String> {
        if let Some(known) = self.caches.tags.get(digest) {
            return known;
        }
        let image = ImageRef::parse(image);
        let repository = image.ecr()?;
        let described = self
            .describe_image(&repository, &ReleaseRef::Digest(digest.clone()))
            .await
            .ok()?;
        let tag = described
            .and_then(|described| release(&image.repository, &described))
            .and_then(|release| release.tags.into_iter().find(|tag| tag != "latest"));
        self.caches.tags.put(digest.clone(), tag.clone());
        tag
    }

    /// What an image runs on; empty where that cannot be read.
    pub(super) async fn architectures(
        &self,
        repository: &EcrRepository,
        digest: &ReleaseDigest,
    ) -> Vec<Architecture> {
        if let Some(known) = self.caches.architectures.get(digest) {
            return known;
        }
        match self.read_architectures(repository, digest).await {
            Ok(found) => {
                self.caches.architectures.put(digest.clone(), found.clone());
                found
            }
            Err(error) => {
                tracing::warn!(%digest, %error, "the image's architecture cannot be read");
                Vec::new()
            }
        }
    }

    pub(super) async fn read_architectures(
        &self,
        repository: &EcrRepository,
        digest: &ReleaseDigest,
    ) -> Result<Vec<Architecture>, PlatformError> {
        let answer = self
            .session
            .read(&BATCH_GET_IMAGE, |clients| {
                clients
                    .ecr
                    .batch_get_image()
                    .registry_id(&repository.account)
                    .repository_name(&repository.name)
                    .image_ids(
                        ImageIdentifier::builder()
                            .image_digest(digest.as_str())
                            .build(),
                    )
                    .set_accepted_media_types(Some(
                        manifest::MEDIA_TYPES.map(str::to_owned).to_vec(),
                    ))
                    .customize()
                    .config_override(in_region(repository))
                    .send()
            })
            .await?;
        let text = answer
            .images()
            .iter()
            .find_map(|image| image.image_manifest())
            .unwrap_or_default();
        match manifest::read(text) {
            Found::Architectures(architectures) => Ok(architectures),
            Found::Config(config) => self.architecture_in_config(repository, &config).await,
            Found::Nothing => Ok(Vec::new()),
        }
    }

    /// A plain image says its architecture only in its config, a blob of the registry.
    async fn architecture_in_config(
        &self,
        repository: &EcrRepository,
        config: &str,
    ) -> Result<Vec<Architecture>, PlatformError> {
        let answer = self
            .session
            .read(&GET_DOWNLOAD_URL_FOR_LAYER, |clients| {
                clients
                    .ecr
                    .get_download_url_for_layer()
                    .registry_id(&repository.account)
                    .repository_name(&repository.name)
                    .layer_digest(config)
                    .customize()
                    .config_override(in_region(repository))
                    .send()
            })
            .await?;
        let url = answer.download_url().unwrap_or_default();
        let blob =
            super::download::blob(url, config)
                .await
                .map_err(|cause| PlatformError::Other {
                    operation: "reading an image's config".to_owned(),
                    cause,
                })?;
        Ok(manifest::architecture_of_config(&blob)
            .into_iter()
            .collect())
    }

    /// Digests of those tags now, for the check whether a tag has moved.
    pub(super) async fn digest_of_tag(
        &self,
        image: &ImageRef,
    ) -> Result<Option<ReleaseDigest>, PlatformError> {
        let (Some(repository), Some(tag)) = (image.ecr(), image.tag.clone()) else {
            return Ok(None);
        };
        let described = self
            .describe_image(&repository, &ReleaseRef::Tag(tag))
            .await?;
        Ok(described
            .and_then(|image| image.image_digest)
            .map(ReleaseDigest::new))
    }
}

/// Says which container is missing, and where.
pub fn no_container(wanted: Option<&str>, revision: &RevisionId) -> PlatformError {
    PlatformError::NotFound {
        what: format!(
            "the container {} in {}",
            wanted.unwrap_or("that carries the release"),
            revision.short()
        ),
        hint: Some("Check `container` in the configuration".to_owned()),
    }
}

fn in_region(repository: &EcrRepository) -> aws_sdk_ecr::config::Builder {
    aws_sdk_ecr::config::Builder::new()
        .region(aws_sdk_ecr::config::Region::new(repository.region.clone()))
}

/// Signatures and attestations are stored beside images and look like them.
fn is_runnable(image: &ImageDetail) -> bool {
    let is_artifact = image
        .artifact_media_type()
        .is_some_and(|kind| !kind.contains("container.image") && !kind.contains("image.config"));
    let only_signature = !image.image_tags().is_empty()
        && image
            .image_tags()
            .iter()
            .all(|tag| tag.starts_with("sha256-"));
    !is_artifact && !only_signature && image.subject_manifest_digest().is_none()
}

fn release(uri: &str, image: &ImageDetail) -> Option<Release> {
    Some(Release {
        repository: uri.to_owned(),
        tags: image.image_tags().iter().map(|tag| clean(tag)).collect(),
        digest: ReleaseDigest::new(clean(image.image_digest()?)),
        pushed_at: timestamp(image.image_pushed_at()),
        size_bytes: image
            .image_size_in_bytes()
            .and_then(|bytes| u64::try_from(bytes).ok()),
        architectures: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_and_attestations_are_no_releases() {
        let image = |tag: &str| {
            ImageDetail::builder()
                .image_digest("sha256:a")
                .image_tags(tag)
        };
        assert!(is_runnable(&image("1.5.0").build()));
        assert!(!is_runnable(&image("sha256-abc.sig").build()));
        assert!(!is_runnable(
            &image("x")
                .artifact_media_type("application/vnd.in-toto+json")
                .build()
        ));
        assert!(is_runnable(
            &image("1.6.0")
                .artifact_media_type("application/vnd.docker.container.image.v1+json")
                .build()
        ));
    }
}
