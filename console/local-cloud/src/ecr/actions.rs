//! The actions of ECR on repositories and images.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html>

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::links::BlobLinks;
use super::registry::{
    Image, MANIFEST_TYPE, Registry, Repository, config_digest, digest_of, registry_host,
};
use crate::protocol::members::{integer, list, text, texts};
use crate::protocol::{ACCOUNT, AwsError, REGION, epoch_seconds, now_ms};

/// How long a password for `docker login` is valid.
const TOKEN_LIFETIME_MS: i64 = 12 * 60 * 60 * 1000;

/// Answers one action.
///
/// # Errors
/// The service's own errors; `UnknownOperationException` for an action not offered here.
pub fn handle(
    registry: &Registry,
    links: &BlobLinks,
    action: &str,
    input: &Value,
) -> Result<Value, AwsError> {
    match action {
        "CreateRepository" => create_repository(registry, input),
        "DescribeRepositories" => describe_repositories(registry, input),
        "DescribeImages" => describe_images(registry, input),
        "ListImages" => list_images(registry, input),
        "BatchGetImage" => batch_get_image(registry, input),
        "GetDownloadUrlForLayer" => download_url(registry, links, input),
        "PutImage" => put_image(registry, input),
        "BatchDeleteImage" => batch_delete_image(registry, input),
        "GetAuthorizationToken" => Ok(authorization_token()),
        _ => Err(AwsError::unknown_operation(action)),
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterException", message)
}

fn no_repository(name: &str) -> AwsError {
    AwsError::client(
        "RepositoryNotFoundException",
        format!(
            "The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"
        ),
    )
}

fn repository_name(input: &Value) -> Result<&str, AwsError> {
    text(input, "repositoryName").ok_or_else(|| {
        invalid("Invalid parameter at 'repositoryName' failed to satisfy constraint: 'Member must not be null'")
    })
}

/// Reads a repository that must exist.
fn with_repository<T>(
    registry: &Registry,
    input: &Value,
    read: impl FnOnce(&str, &Repository) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let name = repository_name(input)?;
    let repositories = registry.read();
    let repository = repositories.get(name).ok_or_else(|| no_repository(name))?;
    read(name, repository)
}

fn describe_repository(name: &str, repository: &Repository) -> Value {
    json!({
        "repositoryArn": format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}"),
        "registryId": ACCOUNT,
        "repositoryName": name,
        "repositoryUri": format!("{}/{name}", registry_host()),
        "createdAt": epoch_seconds(repository.created_ms),
        "imageTagMutability": if repository.immutable_tags { "IMMUTABLE" } else { "MUTABLE" },
        "imageScanningConfiguration": { "scanOnPush": false },
        "encryptionConfiguration": { "encryptionType": "AES256" },
    })
}

fn create_repository(registry: &Registry, input: &Value) -> Result<Value, AwsError> {
    let name = repository_name(input)?;
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    if !(2..=256).contains(&name.len()) || !name.split('/').all(word) {
        return Err(invalid(format!(
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*'': {name}"
        )));
    }
    let mut repositories = registry.write();
    if repositories.contains_key(name) {
        return Err(AwsError::client(
            "RepositoryAlreadyExistsException",
            format!(
                "The repository with name '{name}' already exists in the registry with id '{ACCOUNT}'"
            ),
        ));
    }
    let repository = Repository {
        created_ms: now_ms(),
        immutable_tags: text(input, "imageTagMutability") == Some("IMMUTABLE"),
        ..Repository::default()
    };
    let answer = json!({ "repository": describe_repository(name, &repository) });
    repositories.insert(name.to_owned(), repository);
    Ok(answer)
}

fn describe_repositories(registry: &Registry, input: &Value) -> Result<Value, AwsError> {
    let names = texts(input, "repositoryNames");
    let repositories = registry.read();
    if let Some(unknown) = names.iter().find(|name| !repositories.contains_key(**name)) {
        return Err(no_repository(unknown));
    }
    let described: Vec<Value> = repositories
        .iter()
        .filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()))
        .map(|(name, repository)| describe_repository(name, repository))
        .collect();
    page("repositories", described, input)
}

/// A part of a list and the token for the rest: the place where it begins.
fn page(member: &str, items: Vec<Value>, input: &Value) -> Result<Value, AwsError> {
    let max = integer(input, "maxResults").unwrap_or(100);
    if !(1..=1000).contains(&max) {
        return Err(invalid(
            "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value less than or equal to 1000'",
        ));
    }
    let from: usize = match text(input, "nextToken") {
        None => 0,
        Some(token) => BASE64
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok())
            .ok_or_else(|| invalid("Invalid parameter at 'nextToken'"))?,
    };
    let to = from.saturating_add(max as usize);
    let more = to < items.len();
    let items: Vec<Value> = items.into_iter().skip(from).take(max as usize).collect();
    let mut answer = json!({ member: items });
    if more {
        answer["nextToken"] = BASE64.encode(to.to_string()).into();
    }
    Ok(answer)
}

/// The image that an `imageId` names, by its digest and its tag when both are given.
fn find<'a>(repository: &'a Repository, id: &Value) -> Option<&'a Image> {
    let digest = text(id, "imageDigest");
    let tag = text(id, "imageTag");
    match (digest, tag) {
        (Some(digest), tag) => repository
            .images
            .get(digest)
            .filter(|image| tag.is_none_or(|tag| image.tags.contains(tag))),
        (None, Some(tag)) => repository.by_tag(tag),
        (None, None) => None,
    }
}

fn not_found_words(name: &str, id: &Value) -> String {
    format!(
        "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the repository with name '{name}' in the registry with id '{ACCOUNT}'",
        text(id, "imageDigest").unwrap_or("null"),
        text(id, "imageTag").unwrap_or("null"),
    )
}

fn describe_image(name: &str, image: &Image) -> Value {
    let mut value = json!({
        "registryId": ACCOUNT,
        "repositoryName": name,
        "imageDigest": image.digest,
        "imageSizeInBytes": image.size_bytes,
        "imagePushedAt": epoch_seconds(image.pushed_ms),
        "imageManifestMediaType": image.media_type,
    });
    if let Ok(manifest) = serde_json::from_str::<Value>(&image.manifest) {
        value["artifactMediaType"] = manifest["config"]["mediaType"].clone();
    }
    if !image.tags.is_empty() {
        value["imageTags"] = json!(image.tags);
    }
    value
}

fn tag_status_fits(input: &Value, image: &Image) -> bool {
    match input["filter"]["tagStatus"].as_str() {
        Some("TAGGED") => !image.tags.is_empty(),
        Some("UNTAGGED") => image.tags.is_empty(),
        _ => true,
    }
}

fn describe_images(registry: &Registry, input: &Value) -> Result<Value, AwsError> {
    with_repository(registry, input, |name, repository| {
        let ids = list(input, "imageIds");
        let described: Vec<Value> = if ids.is_empty() {
            repository
                .images
                .values()
                .filter(|image| tag_status_fits(input, image))
                .map(|image| describe_image(name, image))
                .collect()
        } else {
            ids.iter()
                .map(|id| match find(repository, id) {
                    Some(image) => Ok(describe_image(name, image)),
                    None => Err(AwsError::client(
                        "ImageNotFoundException",
                        not_found_words(name, id),
                    )),
                })
                .collect::<Result<_, _>>()?
        };
        page("imageDetails", described, input)
    })
}

fn list_images(registry: &Registry, input: &Value) -> Result<Value, AwsError> {
    with_repository(registry, input, |_, repository| {
        let mut ids = Vec::new();
        for image in repository.images.values() {
            if !tag_status_fits(input, image) {
                continue;
            }
            if image.tags.is_empty() {
                ids.push(json!({ "imageDigest": image.digest }));
            }
            for tag in &image.tags {
                ids.push(json!({ "imageDigest": image.digest, "imageTag": tag }));
            }
        }
        page("imageIds", ids, input)
    })
}

fn failure(name: &str, id: &Value) -> Value {
    json!({
        "imageId": id,
        "failureCode": "ImageNotFound",
        "failureReason": not_found_words(name, id),
    })
}

fn batch_get_image(registry: &Registry, input: &Value) -> Result<Value, AwsError> {
    with_repository(registry, input, |name, repository| {
        let accepted = texts(input, "acceptedMediaTypes");
        let mut images = Vec::new();
        let mut failures = Vec::new();
        for id in list(input, "imageIds") {
            let found = find(repository, id);
            match found {
                // ECR converts manifests to an accepted type where it can; these are all of the
                // one type that everything accepts.
                Some(image)
                    if accepted.is_empty() || accepted.contains(&image.media_type.as_str()) =>
                {
                    let mut value = json!({
                        "registryId": ACCOUNT,
                        "repositoryName": name,
                        "imageId": { "imageDigest": image.digest },
                        "imageManifest": image.manifest,
                        "imageManifestMediaType": image.media_type,
                    });
                    if let Some(tag) = text(id, "imageTag") {
                        value["imageId"]["imageTag"] = tag.into();
                    }
                    images.push(value);
                }
                _ => failures.push(failure(name, id)),
            }
        }
        Ok(json!({ "images": images, "failures": failures }))
    })
}

fn download_url(registry: &Registry, links: &BlobLinks, input: &Value) -> Result<Value, AwsError> {
    with_repository(registry, input, |name, repository| {
        let digest = text(input, "layerDigest").unwrap_or_default();
        if !repository.blobs.contains_key(digest) {
            return Err(AwsError::client(
                "LayersNotFoundException",
                format!(
                    "The layer with digest '{digest}' does not exist in the repository with name '{name}'"
                ),
            ));
        }
        Ok(json!({ "downloadUrl": links.link(name, digest), "layerDigest": digest }))
    })
}

fn put_image(registry: &Registry, input: &Value) -> Result<Value, AwsError> {
    let name = repository_name(input)?;
    let manifest = text(input, "imageManifest").ok_or_else(|| {
        invalid("Invalid parameter at 'imageManifest' failed to satisfy constraint: 'Member must not be null'")
    })?;
    let digest = digest_of(manifest.as_bytes());
    if text(input, "imageDigest").is_some_and(|given| given != digest) {
        return Err(AwsError::client(
            "ImageDigestDoesNotMatchException",
            "The specified image digest does not match the digest that Amazon ECR calculated for the image.",
        ));
    }
    let parsed: Value = serde_json::from_str(manifest)
        .map_err(|error| invalid(format!("Invalid parameter at 'imageManifest': {error}")))?;
    let mut repositories = registry.write();
    let repository = repositories
        .get_mut(name)
        .ok_or_else(|| no_repository(name))?;
    // The config decides how a task behaves, so it must be here; layers are only counted.
    if !config_digest(manifest).is_some_and(|config| repository.blobs.contains_key(&config)) {
        return Err(AwsError::client(
            "LayersNotFoundException",
            "The manifest's config does not exist in this repository: re-tag a manifest that BatchGetImage gave",
        ));
    }
    let tag = text(input, "imageTag");
    if let Some(tag) = tag {
        let holder = repository.by_tag(tag).map(|image| image.digest.clone());
        if holder.as_deref() == Some(&digest) {
            return Err(AwsError::client(
                "ImageAlreadyExistsException",
                format!(
                    "Image with digest '{digest}' and tag '{tag}' already exists in the repository with name '{name}' in registry with id '{ACCOUNT}'"
                ),
            ));
        }
        if holder.is_some() && repository.immutable_tags {
            return Err(AwsError::client(
                "ImageTagAlreadyExistsException",
                format!(
                    "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the tag is immutable."
                ),
            ));
        }
    }
    let size_bytes = list(&parsed, "layers")
        .iter()
        .chain([&parsed["config"]])
        .filter_map(|part| part["size"].as_u64())
        .sum();
    let media_type = text(input, "imageManifestMediaType")
        .or(parsed["mediaType"].as_str())
        .unwrap_or(MANIFEST_TYPE);
    repository.images.entry(digest.clone()).or_insert(Image {
        digest: digest.clone(),
        manifest: manifest.to_owned(),
        media_type: media_type.to_owned(),
        size_bytes,
        pushed_ms: now_ms(),
        tags: Default::default(),
    });
    let mut id = json!({ "imageDigest": digest });
    if let Some(tag) = tag {
        repository.set_tag(tag, &digest);
        id["imageTag"] = tag.into();
    }
    Ok(json!({ "image": {
        "registryId": ACCOUNT, "repositoryName": name, "imageId": id,
        "imageManifest": manifest, "imageManifestMediaType": media_type,
    }}))
}

fn batch_delete_image(registry: &Registry, input: &Value) -> Result<Value, AwsError> {
    let name = repository_name(input)?;
    let mut repositories = registry.write();
    let repository = repositories
        .get_mut(name)
        .ok_or_else(|| no_repository(name))?;
    let mut deleted = Vec::new();
    let mut failures = Vec::new();
    for id in list(input, "imageIds") {
        let Some(digest) = find(repository, id).map(|image| image.digest.clone()) else {
            failures.push(failure(name, id));
            continue;
        };
        // By a tag only the tag goes, and the image with its last one; by a digest the image.
        let Some(image) = repository.images.get_mut(&digest) else {
            continue;
        };
        let by_tag = text(id, "imageDigest")
            .is_none()
            .then(|| text(id, "imageTag"))
            .flatten();
        let tags: Vec<String> = match by_tag {
            Some(tag) => vec![tag.to_owned()],
            None => image.tags.iter().cloned().collect(),
        };
        for tag in &tags {
            image.tags.remove(tag);
            deleted.push(json!({ "imageDigest": digest, "imageTag": tag }));
        }
        if tags.is_empty() {
            deleted.push(json!({ "imageDigest": digest }));
        }
        if image.tags.is_empty() {
            repository.images.remove(&digest);
        }
    }
    Ok(json!({ "imageIds": deleted, "failures": failures }))
}

fn authorization_token() -> Value {
    let password = uuid::Uuid::new_v4().simple();
    json!({ "authorizationData": [{
        "authorizationToken": BASE64.encode(format!("AWS:{password}")),
        "expiresAt": epoch_seconds(now_ms() + TOKEN_LIFETIME_MS),
        "proxyEndpoint": format!("https://{}", registry_host()),
    }]})
}
