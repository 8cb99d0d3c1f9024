//! Image references, taken apart: `registry/repository:tag@digest`.

use crate::model::ReleaseDigest;

/// An image reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    /// Registry and repository: `123456789012.dkr.ecr.us-east-1.amazonaws.com/api`.
    pub repository: String,
    /// `1.5.0`.
    pub tag: Option<String>,
    /// `sha256:…`.
    pub digest: Option<ReleaseDigest>,
}

impl ImageRef {
    /// Takes a reference apart. A colon before the last slash belongs to the registry's port.
    pub fn parse(text: &str) -> Self {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(ReleaseDigest::new(digest))),
            None => (text, None),
        };
        let after_slash = name.rfind('/').map_or(0, |at| at + 1);
        let (repository, tag) = match name[after_slash..].rfind(':') {
            Some(at) => (
                &name[..after_slash + at],
                Some(name[after_slash + at + 1..].to_owned()),
            ),
            None => (name, None),
        };
        Self {
            repository: repository.to_owned(),
            tag: tag.filter(|tag| !tag.is_empty()),
            digest,
        }
    }

    /// The ECR repository, if it is one.
    pub fn ecr(&self) -> Option<EcrRepository> {
        EcrRepository::parse(&self.repository)
    }
}

/// A repository in Amazon ECR.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EcrRepository {
    /// The account that owns it.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its name.
    pub name: String,
}

impl EcrRepository {
    /// `<account>.dkr.ecr[-fips].<region>.amazonaws.com[.cn]/<name>`.
    fn parse(repository: &str) -> Option<Self> {
        let (host, name) = repository.split_once('/')?;
        let mut parts = host.split('.');
        let account = parts.next()?;
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let is_ecr =
            parts.next() == Some("dkr") && matches!(parts.next(), Some("ecr" | "ecr-fips"));
        let region = parts.next()?;
        let is_aws = parts.next() == Some("amazonaws");
        (is_account && is_ecr && is_aws && !name.is_empty()).then(|| Self {
            account: account.to_owned(),
            region: region.to_owned(),
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/api";

    #[test]
    fn a_reference_has_repository_tag_and_digest() {
        let image = ImageRef::parse(&format!("{ECR}:1.5.0@sha256:ab"));
        assert_eq!(image.repository, ECR);
        assert_eq!(image.tag.as_deref(), Some("1.5.0"));
        assert_eq!(image.digest, Some(ReleaseDigest::from("sha256:ab")));
        let repository = image.ecr().expect("an ECR repository");
        assert_eq!(
            (repository.region.as_str(), repository.name.as_str()),
            ("eu-west-1", "team/api")
        );
    }

    #[test]
    fn a_registry_port_is_not_a_tag() {
        let image = ImageRef::parse("localhost:5000/api");
        assert_eq!(
            (image.repository.as_str(), image.tag),
            ("localhost:5000/api", None)
        );
        assert_eq!(ImageRef::parse("nginx:1.27").tag.as_deref(), Some("1.27"));
        assert_eq!(ImageRef::parse("nginx:1.27").ecr(), None);
    }
}
