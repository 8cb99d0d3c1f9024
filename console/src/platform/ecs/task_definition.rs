//! Task definitions as JSON documents, exactly as ECS sent them.
//!
//! The SDK's types know the fields of the day the SDK was made; a clone made through them would
//! silently lose newer ones. So a task definition is read, compared, cloned and registered as the
//! document that came over the wire, and the SDK's types are used for none of it.

use super::{image::ImageRef, text::clean};
use crate::model::{Architecture, Author, ReleaseDigest, Revision, RevisionId};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Tags that opsconsole writes on what it registers.
pub mod tags {
    /// Who.
    pub const AUTHOR: &str = "opsconsole:author";
    /// From where.
    pub const HOST: &str = "opsconsole:host";
    /// Why.
    pub const REASON: &str = "opsconsole:reason";
    /// Which release, for images that are pinned by digest.
    pub const RELEASE: &str = "opsconsole:release";
    /// The run in opsconsole's audit.
    pub const RUN: &str = "opsconsole:run";
    /// Set to `ignore-changes` where Terraform leaves the task definition alone.
    pub const TERRAFORM: &str = "opsconsole:terraform";
}

/// Fields that DescribeTaskDefinition adds and RegisterTaskDefinition does not take
/// (API reference, TaskDefinition).
const ADDED_BY_ECS: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "deregisteredAt",
    "deleteRequestedAt",
    "registeredBy",
];

/// ECS takes at most so many tags on a resource, and so many characters in a tag's value.
const TAGS_MAX: usize = 50;
const TAG_VALUE_CHARS_MAX: usize = 256;

/// A registered task definition.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskDefinition {
    /// Its ARN.
    pub id: RevisionId,
    /// What was registered; nothing that ECS added.
    pub document: Value,
    /// `ACTIVE`, `INACTIVE`, `DELETE_IN_PROGRESS`.
    pub status: String,
    /// When it was registered.
    pub registered_at: Option<Timestamp>,
    /// The ARN of the principal that registered it.
    pub registered_by: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl TaskDefinition {
    /// Reads the body of a DescribeTaskDefinition or RegisterTaskDefinition answer.
    pub fn from_answer(body: &[u8]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let described = answer.get("taskDefinition")?.as_object()?;
        let text = |field: &str| described.get(field).and_then(Value::as_str);
        let mut document = described.clone();
        for field in ADDED_BY_ECS {
            document.shift_remove(field);
        }
        Some(Self {
            id: RevisionId::new(text("taskDefinitionArn")?),
            status: text("status").unwrap_or("ACTIVE").to_owned(),
            registered_at: described.get("registeredAt").and_then(timestamp),
            registered_by: text("registeredBy").map(str::to_owned),
            tags: answer
                .get("tags")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|tag| {
                    let field = |name: &str| tag.get(name)?.as_str();
                    Some((field("key")?.to_owned(), field("value")?.to_owned()))
                })
                .collect(),
            document: Value::Object(document),
        })
    }

    /// True when a service can be updated to it.
    pub fn is_active(&self) -> bool {
        self.status == "ACTIVE"
    }

    /// The container that carries the release: the one of that name, else the first essential
    /// one, else the first.
    pub fn container(&self, wanted: Option<&str>) -> Option<&Value> {
        container_index(&self.document, wanted).and_then(|index| self.containers().get(index))
    }

    /// All containers.
    pub fn containers(&self) -> &[Value] {
        self.document
            .get("containerDefinitions")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// That container's name.
    pub fn container_name(&self, wanted: Option<&str>) -> Option<&str> {
        self.container(wanted)?.get("name")?.as_str()
    }

    /// That container's image as written.
    pub fn image(&self, wanted: Option<&str>) -> Option<&str> {
        self.container(wanted)?.get("image")?.as_str()
    }

    /// The release's name as far as the task definition tells it: the image's tag unless that is
    /// `latest` or missing; then the one that opsconsole recorded.
    pub fn release(&self, wanted: Option<&str>) -> Option<String> {
        let tag = self
            .image(wanted)
            .and_then(|image| ImageRef::parse(image).tag);
        tag.clone()
            .filter(|tag| tag != "latest")
            .or_else(|| self.tags.get(tags::RELEASE).cloned())
            .or(tag)
            .map(|release| clean(&release))
    }

    /// The digest that it is pinned to, if it is.
    pub fn pinned_digest(&self, wanted: Option<&str>) -> Option<ReleaseDigest> {
        ImageRef::parse(self.image(wanted)?).digest
    }

    /// Who registered it: from opsconsole's tags, else the last part of the principal's ARN.
    pub fn author(&self) -> Option<Author> {
        if let Some(name) = self.tags.get(tags::AUTHOR) {
            return Some(Author {
                name: clean(name),
                host: self.tags.get(tags::HOST).map(|host| clean(host)),
            });
        }
        let principal = self.registered_by.as_deref()?;
        let name = principal.rsplit(['/', ':']).next()?;
        (!name.is_empty()).then(|| Author {
            name: clean(name),
            host: None,
        })
    }

    /// CPU units of the whole task (1,024 are one vCPU).
    pub fn cpu_units(&self) -> Option<f64> {
        number(self.document.get("cpu")?)
    }

    /// Memory of the whole task in MiB.
    pub fn memory_mib(&self) -> Option<f64> {
        number(self.document.get("memory")?)
    }

    /// Ephemeral storage in GiB; Fargate gives 20 unless asked for more.
    pub fn ephemeral_gib(&self) -> f64 {
        self.document
            .pointer("/ephemeralStorage/sizeInGiB")
            .and_then(Value::as_f64)
            .unwrap_or(20.0)
    }

    /// The architecture it runs on; X86_64 is ECS's default.
    pub fn architecture(&self) -> Architecture {
        match self
            .document
            .pointer("/runtimePlatform/cpuArchitecture")
            .and_then(Value::as_str)
        {
            Some("ARM64") => Architecture::Arm64,
            _ => Architecture::Amd64,
        }
    }

    /// The container's awslogs options, when it uses that driver.
    pub fn awslogs(&self, wanted: Option<&str>) -> Option<AwsLogs> {
        let configuration = self.container(wanted)?.get("logConfiguration")?;
        if configuration.get("logDriver")?.as_str()? != "awslogs" {
            return None;
        }
        let option = |name: &str| {
            configuration
                .pointer(&format!("/options/{name}"))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Some(AwsLogs {
            group: option("awslogs-group")?,
            region: option("awslogs-region"),
            stream_prefix: option("awslogs-stream-prefix"),
        })
    }

    /// The port that the container listens on, for services without a load balancer.
    pub fn container_port(&self, wanted: Option<&str>) -> Option<i32> {
        self.container(wanted)?
            .pointer("/portMappings/0/containerPort")?
            .as_i64()
            .and_then(|port| i32::try_from(port).ok())
    }

    /// False when the container opts out of ECS pinning its tag to a digest.
    pub fn keeps_versions_consistent(&self, wanted: Option<&str>) -> bool {
        self.container(wanted)
            .and_then(|container| container.get("versionConsistency"))
            .and_then(Value::as_str)
            != Some("disabled")
    }

    /// The model's view of it.
    pub fn to_revision(&self, wanted: Option<&str>, digest: Option<ReleaseDigest>) -> Revision {
        Revision {
            id: self.id.clone(),
            image: clean(self.image(wanted).unwrap_or_default()),
            release: self.release(wanted),
            digest: self.pinned_digest(wanted).or(digest),
            active: self.is_active(),
            registered_at: self.registered_at,
            author: self.author(),
            reason: self.tags.get(tags::REASON).map(|reason| clean(reason)),
            document: self.document.clone(),
        }
    }

    /// The same document with another image for that container, and nothing else changed.
    /// `None` when there is no such container.
    pub fn with_image(&self, wanted: Option<&str>, image: &str) -> Option<Value> {
        let mut document = self.document.clone();
        let index = container_index(&document, wanted)?;
        let container = document
            .get_mut("containerDefinitions")?
            .get_mut(index)?
            .as_object_mut()?;
        container.insert("image".to_owned(), Value::String(image.to_owned()));
        Some(document)
    }

    /// Tags for a clone of it: what people put there, without what AWS and opsconsole did.
    pub fn inherited_tags(&self) -> BTreeMap<String, String> {
        let ours = [
            tags::AUTHOR,
            tags::HOST,
            tags::REASON,
            tags::RELEASE,
            tags::RUN,
        ];
        self.tags
            .iter()
            .filter(|(key, _)| !key.starts_with("aws:") && !ours.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// Where a container writes its logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsLogs {
    /// The log group.
    pub group: String,
    /// Its region, when it is another.
    pub region: Option<String>,
    /// Streams are `prefix/container/task id`.
    pub stream_prefix: Option<String>,
}

impl AwsLogs {
    /// The stream of one task; not known without a prefix.
    pub fn stream(&self, container: &str, task_id: &str) -> Option<String> {
        let prefix = self.stream_prefix.as_ref()?;
        Some(format!("{prefix}/{container}/{task_id}"))
    }
}

/// The body of a RegisterTaskDefinition request.
pub fn register_request(document: &Value, wanted_tags: &BTreeMap<String, String>) -> Value {
    let mut request: Map<String, Value> = document.as_object().cloned().unwrap_or_default();
    for field in ADDED_BY_ECS {
        request.shift_remove(field);
    }
    if !wanted_tags.is_empty() {
        let list = wanted_tags
            .iter()
            .map(|(key, value)| json!({"key": key, "value": tag_value(value)}))
            .collect();
        request.insert("tags".to_owned(), Value::Array(list));
    }
    Value::Object(request)
}

/// Adds opsconsole's tags; of the inherited ones so many are left out that ECS takes the rest.
pub fn with_our_tags(
    mut inherited: BTreeMap<String, String>,
    ours: &[(&str, Option<&str>)],
) -> BTreeMap<String, String> {
    let ours: Vec<(&str, &str)> = ours
        .iter()
        .filter_map(|(key, value)| Some((*key, (*value)?)))
        .filter(|(_, value)| !value.trim().is_empty())
        .collect();
    while inherited.len() + ours.len() > TAGS_MAX {
        inherited.pop_last();
    }
    for (key, value) in ours {
        inherited.insert(key.to_owned(), tag_value(value));
    }
    inherited
}

/// Tag values are letters, digits, spaces and `+ - = . _ : / @`, at most 256 of them.
fn tag_value(text: &str) -> String {
    let value: String = clean(text)
        .chars()
        .map(|c| match c {
            ' ' | '+' | '-' | '=' | '.' | '_' | ':' | '/' | '@' => c,
            c if c.is_alphanumeric() => c,
            _ => '_',
        })
        .take(TAG_VALUE_CHARS_MAX)
        .collect();
    value.trim().to_owned()
}

fn container_index(document: &Value, wanted: Option<&str>) -> Option<usize> {
    let containers = document.get("containerDefinitions")?.as_array()?;
    if let Some(wanted) = wanted {
        return containers
            .iter()
            .position(|container| container.get("name").and_then(Value::as_str) == Some(wanted));
    }
    // Essential unless said otherwise.
    let essential =
        |container: &Value| container.get("essential").and_then(Value::as_bool) != Some(false);
    containers
        .iter()
        .position(essential)
        .or((!containers.is_empty()).then_some(0))
}

/// ECS sends cpu and memory as text at task level and as numbers at container level.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| {
        let text = value.as_str()?.trim();
        let (digits, scale) = match text.to_ascii_lowercase() {
            lower if lower.ends_with("vcpu") || lower.ends_with("gb") => {
                let end = text.len() - if lower.ends_with("gb") { 2 } else { 4 };
                (text[..end].trim().to_owned(), 1024.0)
            }
            _ => (text.to_owned(), 1.0),
        };
        digits.parse::<f64>().ok().map(|number| number * scale)
    })
}

/// ECS sends times as seconds since the epoch with a fraction.
fn timestamp(value: &Value) -> Option<Timestamp> {
    let milliseconds = value.as_f64()? * 1000.0;
    if !milliseconds.is_finite() || milliseconds.abs() > 1e15 {
        return None;
    }
    Timestamp::from_millisecond(milliseconds.round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Value {
        json!({
            "taskDefinition": {
                "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/api:7",
                "family": "api", "revision": 7, "status": "INACTIVE",
                "registeredAt": 1_785_000_000.5, "registeredBy": "arn:aws:sts::123456789012:assumed-role/ci/run-42",
                "compatibilities": ["FARGATE"], "requiresAttributes": [{"name": "x"}],
                "cpu": "256", "memory": "0.5 GB", "runtimePlatform": {"cpuArchitecture": "ARM64"},
                "aFieldOfNextYear": {"kept": [1, 2, {"deep": true}]},
                "containerDefinitions": [
                    {"name": "proxy", "image": "envoy:1", "essential": false},
                    {"name": "api", "image": "r/api:1.5.0", "essential": true, "anotherNewField": 1.5,
                     "logConfiguration": {"logDriver": "awslogs", "options":
                        {"awslogs-group": "/ecs/api", "awslogs-stream-prefix": "api"}}},
                ],
            },
            "tags": [{"key": "team", "value": "core"}, {"key": "aws:x", "value": "y"}],
        })
    }

    fn definition() -> TaskDefinition {
        TaskDefinition::from_answer(answer().to_string().as_bytes()).expect("an answer")
    }

    #[test]
    fn a_clone_differs_from_the_original_in_the_image_and_in_nothing_else() {
        let definition = definition();
        let mut clone = definition
            .with_image(None, "r/api@sha256:ab")
            .expect("a container");
        assert_eq!(clone["containerDefinitions"][1]["image"], "r/api@sha256:ab");
        clone["containerDefinitions"][1]["image"] = "r/api:1.5.0".into();
        let mut expected = answer()["taskDefinition"].clone();
        for field in ADDED_BY_ECS {
            expected.as_object_mut().expect("an object").remove(field);
        }
        assert_eq!(clone, expected);
        assert_eq!(clone["aFieldOfNextYear"]["kept"][2]["deep"], true);
    }

    #[test]
    fn a_registration_carries_tags_and_nothing_that_ecs_added() {
        let definition = definition();
        let tags = with_our_tags(
            definition.inherited_tags(),
            &[
                (tags::AUTHOR, Some("ana")),
                (tags::REASON, Some("fix \"x\"; (urgent)")),
            ],
        );
        let request = register_request(&definition.document, &tags);
        for field in ADDED_BY_ECS {
            assert!(request.get(field).is_none(), "{field}");
        }
        assert_eq!(
            request["tags"],
            json!([
                {"key": "opsconsole:author", "value": "ana"},
                {"key": "opsconsole:reason", "value": "fix _x__ _urgent_"},
                {"key": "team", "value": "core"},
            ])
        );
    }

    #[test]
    fn fifty_tags_are_the_most_and_ours_are_among_them() {
        let many = (0..60)
            .map(|n| (format!("t{n:02}"), "v".to_owned()))
            .collect();
        let tags = with_our_tags(many, &[(tags::RUN, Some("r"))]);
        assert_eq!(tags.len(), 50);
        assert!(tags.contains_key(tags::RUN));
    }

    #[test]
    fn the_release_container_is_the_first_essential_one() {
        let definition = definition();
        assert_eq!(definition.container_name(None), Some("api"));
        assert_eq!(definition.container_name(Some("proxy")), Some("proxy"));
        assert_eq!(definition.container_name(Some("missing")), None);
        assert_eq!(definition.release(None).as_deref(), Some("1.5.0"));
        assert_eq!(
            definition.author().map(|author| author.name).as_deref(),
            Some("run-42")
        );
        assert!(!definition.is_active());
    }

    #[test]
    fn sizes_are_read_in_both_spellings() {
        let definition = definition();
        assert_eq!(definition.cpu_units(), Some(256.0));
        assert_eq!(definition.memory_mib(), Some(512.0));
        assert_eq!(definition.architecture(), Architecture::Arm64);
        let logs = definition.awslogs(None).expect("awslogs");
        assert_eq!(logs.stream("api", "t1").as_deref(), Some("api/api/t1"));
    }
}
