//! Image manifests: what an image runs on, according to the OCI image specification
//! (<https://github.com/opencontainers/image-spec>) and Docker's older form of it.

use crate::model::Architecture;
use serde_json::Value;

/// All forms in which a registry may hold an image.
pub const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// What a manifest tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// An index of images for several architectures, or an old manifest that names its own.
    Architectures(Vec<Architecture>),
    /// One image, whose config, a blob of this digest, names the architecture.
    Config(String),
    /// Not a manifest.
    Nothing,
}

/// Reads a manifest.
pub fn read(text: &str) -> Found {
    let Ok(manifest) = serde_json::from_str::<Value>(text) else {
        return Found::Nothing;
    };
    if let Some(images) = manifest.get("manifests").and_then(Value::as_array) {
        let mut architectures: Vec<Architecture> = images
            .iter()
            .filter(|image| {
                // Attestations are listed with an unknown system; Windows images run elsewhere.
                image.pointer("/platform/os").and_then(Value::as_str) == Some("linux")
            })
            .filter_map(|image| architecture(image.pointer("/platform/architecture")))
            .collect();
        architectures.sort_by_key(|architecture| *architecture as u8);
        architectures.dedup();
        return Found::Architectures(architectures);
    }
    if let Some(digest) = manifest.pointer("/config/digest").and_then(Value::as_str) {
        return Found::Config(digest.to_owned());
    }
    match architecture(manifest.get("architecture")) {
        Some(architecture) => Found::Architectures(vec![architecture]),
        None => Found::Nothing,
    }
}

/// Reads the config of one image.
pub fn architecture_of_config(blob: &[u8]) -> Option<Architecture> {
    let config: Value = serde_json::from_slice(blob).ok()?;
    architecture(config.get("architecture"))
}

fn architecture(name: Option<&Value>) -> Option<Architecture> {
    match name?.as_str()? {
        "amd64" | "x86_64" => Some(Architecture::Amd64),
        "arm64" | "aarch64" => Some(Architecture::Arm64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_index_lists_its_architectures_and_attestations_do_not_count() {
        let platform = |os: &str, name: &str| json!({"platform": {"os": os, "architecture": name}});
        let index = json!({"manifests": [
            platform("linux", "arm64"), platform("linux", "amd64"), platform("unknown", "unknown"),
        ]});
        assert_eq!(
            read(&index.to_string()),
            Found::Architectures(vec![Architecture::Amd64, Architecture::Arm64])
        );
    }

    #[test]
    fn a_single_image_sends_us_to_its_config() {
        let manifest = json!({"schemaVersion": 2, "config": {"digest": "sha256:c"}});
        assert_eq!(
            read(&manifest.to_string()),
            Found::Config("sha256:c".to_owned())
        );
        assert_eq!(
            architecture_of_config(br#"{"architecture":"arm64","os":"linux"}"#),
            Some(Architecture::Arm64)
        );
        assert_eq!(read("not json"), Found::Nothing);
    }
}
