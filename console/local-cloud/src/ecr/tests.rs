//! Stories of images that are described, re-tagged and deleted.

use serde_json::{Value, json};

use super::{BlobLinks, Registry, handle, layer_blob};
use crate::protocol::AwsError;

const NAME: &str = "opsconsole-api";

fn registry() -> Registry {
    let registry = Registry::new();
    for (day, tag) in ["1.4.0", "1.4.1", "1.5.0"].into_iter().enumerate() {
        registry.publish(NAME, tag, &[("RELEASE", tag)], &[], day as i64 * 86_400_000);
    }
    registry
}

fn ask(registry: &Registry, action: &str, mut input: Value) -> Result<Value, AwsError> {
    if input.get("repositoryName").is_none() {
        input["repositoryName"] = NAME.into();
    }
    handle(
        registry,
        &BlobLinks::new("http://127.0.0.1:1"),
        action,
        &input,
    )
}

fn code(registry: &Registry, action: &str, input: Value) -> String {
    ask(registry, action, input)
        .expect_err(action)
        .code
        .into_owned()
}

#[test]
fn from_a_tag_to_the_configs_architecture_every_digest_is_true() {
    let registry = registry();
    let links = BlobLinks::new("http://127.0.0.1:1");
    let ids = json!({"imageIds": [{"imageTag": "1.4.1"}]});
    let described = ask(&registry, "DescribeImages", ids.clone()).expect("described");
    let digest = &described["imageDetails"][0]["imageDigest"];
    assert_eq!(described["imageDetails"][0]["imagePushedAt"], 86_400.0);

    let got = ask(&registry, "BatchGetImage", ids).expect("got");
    let manifest = got["images"][0]["imageManifest"]
        .as_str()
        .expect("manifest");
    assert_eq!(&json!(super::digest_of(manifest.as_bytes())), digest);
    let manifest: Value = serde_json::from_str(manifest).expect("JSON");
    let config = manifest["config"]["digest"].as_str().expect("config");

    let input = json!({"repositoryName": NAME, "layerDigest": config});
    let url = handle(&registry, &links, "GetDownloadUrlForLayer", &input).expect("url");
    let url = url["downloadUrl"].as_str().expect("url");
    let (path, query) = url
        .strip_prefix("http://127.0.0.1:1/_ecr/blobs/")
        .and_then(|rest| rest.split_once('?'))
        .expect("a link");
    let (repository, blob) = links.follow(path, query).expect("valid");
    let blob = layer_blob(&registry, &repository, &blob).expect("blob");
    assert_eq!(super::digest_of(&blob), config);
    let blob: Value = serde_json::from_slice(&blob).expect("JSON");
    assert_eq!(blob["architecture"], "amd64");

    let forged = query.replace("expires=1", "expires=2");
    assert_eq!(links.follow(path, &forged), None);
    assert_eq!(
        BlobLinks::new("").follow(path, query),
        None,
        "another instance's link"
    );
}

#[test]
fn what_is_not_there_is_said_by_name() {
    let registry = registry();
    let gone = json!({"imageIds": [{"imageTag": "9.9.9"}]});
    assert_eq!(
        code(&registry, "DescribeImages", gone.clone()),
        "ImageNotFoundException"
    );
    let got = ask(&registry, "BatchGetImage", gone).expect("answered");
    assert_eq!(got["failures"][0]["failureCode"], "ImageNotFound");
    let other = json!({"repositoryName": "other"});
    for action in ["DescribeImages", "ListImages", "BatchGetImage"] {
        assert_eq!(
            code(&registry, action, other.clone()),
            "RepositoryNotFoundException"
        );
    }
    assert_eq!(
        code(&registry, "StartImageScan", json!({})),
        "UnknownOperationException"
    );
}

#[test]
fn images_are_listed_by_pages() {
    let registry = registry();
    let mut input = json!({"maxResults": 2});
    let first = ask(&registry, "ListImages", input.clone()).expect("page");
    assert_eq!(first["imageIds"].as_array().map(Vec::len), Some(2));
    input["nextToken"] = first["nextToken"].clone();
    let second = ask(&registry, "ListImages", input).expect("page");
    assert_eq!(second["imageIds"].as_array().map(Vec::len), Some(1));
    assert!(second.get("nextToken").is_none());
}

#[test]
fn a_tag_is_moved_by_a_push_and_an_image_goes_with_its_last_tag() {
    let registry = registry();
    let ids = json!({"imageIds": [{"imageTag": "1.4.0"}]});
    let got = ask(&registry, "BatchGetImage", ids).expect("got");
    let put = json!({"imageManifest": got["images"][0]["imageManifest"], "imageTag": "1.5.0"});
    ask(&registry, "PutImage", put.clone()).expect("moved");
    assert_eq!(
        code(&registry, "PutImage", put),
        "ImageAlreadyExistsException"
    );
    let old = registry.resolve("opsconsole-api:1.4.0").expect("old");
    let new = registry.resolve("opsconsole-api:1.5.0").expect("new");
    assert_eq!(old.digest, new.digest);

    let delete = |id: Value| ask(&registry, "BatchDeleteImage", json!({"imageIds": [id]}));
    delete(json!({"imageTag": "1.5.0"})).expect("untagged");
    assert!(registry.resolve("opsconsole-api:1.4.0").is_ok());
    delete(json!({"imageTag": "1.4.0"})).expect("deleted");
    assert!(
        registry
            .resolve(&format!("opsconsole-api@{}", old.digest))
            .is_err()
    );
    let unknown = json!({"imageManifest": "{\"config\": {\"digest\": \"sha256:0\"}}"});
    assert_eq!(
        code(&registry, "PutImage", unknown),
        "LayersNotFoundException"
    );
}
