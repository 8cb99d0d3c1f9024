//! Pod templates: the document that a revision is, and the image in it.

use crate::model::ReleaseDigest;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Container, PodTemplateSpec},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The label that the Deployment controller adds to a ReplicaSet's template.
const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// A Deployment's template.
pub fn of_deployment(deployment: &Deployment) -> PodTemplateSpec {
    let spec = deployment.spec.as_ref();
    without_hash(spec.map(|spec| spec.template.clone()).unwrap_or_default())
}

/// A ReplicaSet's template, as its Deployment had it.
pub fn of_set(set: &ReplicaSet) -> PodTemplateSpec {
    let template = set.spec.as_ref().and_then(|spec| spec.template.clone());
    without_hash(template.unwrap_or_default())
}

fn without_hash(mut template: PodTemplateSpec) -> PodTemplateSpec {
    if let Some(labels) = template
        .metadata
        .as_mut()
        .and_then(|metadata| metadata.labels.as_mut())
    {
        labels.remove(POD_TEMPLATE_HASH);
    }
    template
}

/// The template as a document.
pub fn document(template: &PodTemplateSpec) -> Value {
    serde_json::to_value(template).unwrap_or_default()
}

/// Sixteen digits that two templates share only when they are the same, field by field.
pub fn fingerprint(template: &PodTemplateSpec) -> String {
    let digest = Sha256::digest(document(template).to_string());
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The container that carries the release: the one of that name, else the first.
pub fn container<'a>(template: &'a PodTemplateSpec, wanted: Option<&str>) -> Option<&'a Container> {
    let containers = &template.spec.as_ref()?.containers;
    match wanted {
        Some(name) => containers.iter().find(|container| container.name == name),
        None => containers.first(),
    }
}

/// An image reference, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The whole.
    pub reference: String,
    /// Registry and path.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<ReleaseDigest>,
}

impl Image {
    /// `registry:5000/path:tag@sha256:…`, all but the path optional.
    pub fn parse(reference: &str) -> Self {
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) => (rest, Some(ReleaseDigest::from(digest))),
            None => (reference, None),
        };
        let path_at = rest.rfind('/').map_or(0, |at| at + 1);
        let (repository, tag) = match rest[path_at..].find(':') {
            Some(at) => (
                rest[..path_at + at].to_owned(),
                Some(rest[path_at + at + 1..].to_owned()),
            ),
            None => (rest.to_owned(), None),
        };
        Self {
            reference: reference.to_owned(),
            repository,
            tag,
            digest,
        }
    }

    /// The image of a template's service container.
    pub fn of(template: &PodTemplateSpec, wanted: Option<&str>) -> Self {
        container(template, wanted)
            .and_then(|container| container.image.as_deref())
            .map(Self::parse)
            .unwrap_or_default()
    }

    /// The release's name: the tag.
    pub fn release(&self) -> Option<String> {
        self.tag.clone()
    }
}

/// The JSON merge patch (RFC 7386) that makes `to` of `from`.
pub fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        match before.get(key) {
            Some(known) if known == value => {}
            Some(known) => {
                patch.insert(key.clone(), merge_patch(known, value));
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_image_is_taken_apart_with_and_without_port_tag_and_digest() {
        let image = Image::parse("registry:5000/team/api:1.5.0@sha256:ab");
        assert_eq!(image.repository, "registry:5000/team/api");
        assert_eq!(image.tag.as_deref(), Some("1.5.0"));
        assert_eq!(image.digest, Some(ReleaseDigest::from("sha256:ab")));
        assert_eq!(Image::parse("registry:5000/api").tag, None);
    }

    #[test]
    fn a_merge_patch_removes_what_the_older_template_did_not_have() {
        let from = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1]});
        let to = json!({"a": 1, "b": {"c": 4}, "e": [2]});
        assert_eq!(
            merge_patch(&from, &to),
            json!({"b": {"c": 4, "d": null}, "e": [2]})
        );
    }
}
