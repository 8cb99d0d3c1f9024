//! Releases as far as a cluster knows them: the images that its ReplicaSets name.
//!
//! Kubernetes has no registry of its own, and the one that images come from is asked by the nodes
//! only. A tag that never ran here is taken at its word; whether it exists shows when it is pulled.

use super::{
    KubernetesPlatform,
    revisions::created_at,
    scene::Scene,
    template::{self, Image},
};
use crate::{
    model::{Release, ReleaseDigest, ReleaseRef},
    platform::{PlatformError, text::clean},
};

/// Stands before the reference where the digest is not known; two tags stay two releases.
const UNRESOLVED: &str = "tag:";

impl KubernetesPlatform {
    pub(super) async fn list_releases(&self) -> Result<Vec<Release>, PlatformError> {
        let scene = self.scene().await?;
        Ok(self.known_releases(&scene))
    }

    fn known_releases(&self, scene: &Scene) -> Vec<Release> {
        let mut all: Vec<Release> = Vec::new();
        for set in scene.sets.iter().rev() {
            let image = Image::of(&template::of_set(set), self.config.container.as_deref());
            let digest = self
                .digest_of(scene, set)
                .unwrap_or_else(|| unresolved(&image));
            let tag = image.tag.as_deref().map(clean);
            match all.iter_mut().find(|known| known.digest == digest) {
                Some(known) => known
                    .tags
                    .extend(tag.filter(|tag| !known.tags.contains(tag))),
                None => all.push(Release {
                    repository: clean(&image.repository),
                    tags: tag.into_iter().collect(),
                    digest,
                    pushed_at: Some(created_at(set)),
                    size_bytes: None,
                    architectures: Vec::new(),
                }),
            }
        }
        all
    }

    pub(super) async fn find_release(
        &self,
        reference: &ReleaseRef,
    ) -> Result<Option<Release>, PlatformError> {
        let scene = self.scene().await?;
        let known = self.known_releases(&scene);
        let found = known.into_iter().find(|release| match reference {
            ReleaseRef::Tag(tag) => release.tags.contains(tag),
            ReleaseRef::Digest(digest) => release.digest == *digest,
        });
        if let Some(found) = found {
            return Ok(Some(found));
        }
        let now = template::of_deployment(&scene.deployment);
        let repository = Image::of(&now, self.config.container.as_deref()).repository;
        let (tags, digest) = match reference {
            ReleaseRef::Tag(tag) => {
                let image = Image::parse(&format!("{repository}:{tag}"));
                (vec![tag.clone()], unresolved(&image))
            }
            ReleaseRef::Digest(digest) => (Vec::new(), digest.clone()),
        };
        Ok(Some(Release {
            repository,
            tags,
            digest,
            pushed_at: None,
            size_bytes: None,
            architectures: Vec::new(),
        }))
    }
}

fn unresolved(image: &Image) -> ReleaseDigest {
    ReleaseDigest::new(format!("{UNRESOLVED}{}", image.reference))
}

/// The reference to deploy: by digest where it is known, with the tag for people.
pub fn reference(release: &Release) -> String {
    let tag = release.tags.iter().find(|tag| *tag != "latest");
    let tagged = match tag.or(release.tags.first()) {
        Some(tag) => format!("{}:{tag}", release.repository),
        None => release.repository.clone(),
    };
    if release.digest.as_str().starts_with("sha256:") {
        format!("{tagged}@{}", release.digest)
    } else {
        tagged
    }
}
