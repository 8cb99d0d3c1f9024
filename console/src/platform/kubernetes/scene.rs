//! What the calls of one look bring: the Deployment with its ReplicaSets, pods and events.

use super::{
    KubernetesPlatform,
    session::{Link, op},
    template,
};
use crate::platform::PlatformError;
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Event, Pod},
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ManagedFieldsEntry, ObjectMeta},
};
use kube::{Api, api::ListParams};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashSet},
    fmt::Debug,
    sync::Arc,
};

/// Set by the Deployment controller; counts up with every rollout.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// Revisions that a ReplicaSet was before it was used again.
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// What the API server gives of a page without a promise to have more.
const EVENTS_MAX: u32 = 500;

/// One look.
pub struct Scene {
    /// When.
    pub at: Timestamp,
    /// The Deployment.
    pub deployment: Deployment,
    /// Its ReplicaSets, oldest revision first.
    pub sets: Vec<ReplicaSet>,
    /// Their pods.
    pub pods: Vec<Arc<Pod>>,
    /// Events of all of these, newest first.
    pub events: Vec<Event>,
}

impl KubernetesPlatform {
    pub(super) async fn deployment(&self, link: &Link) -> Result<Deployment, PlatformError> {
        let api: Api<Deployment> = Api::namespaced(link.client.clone(), &link.namespace);
        if let Some(name) = self.deployment_name() {
            return match self.session.in_time(api.get(&name)).await? {
                Ok(found) => Ok(found),
                Err(error) => {
                    let operation = op("get", "deployments", &name);
                    let error = self.session.sorted(&operation, error).await;
                    Err(self.with_nearest(&api, link, &name, error).await)
                }
            };
        }
        let release = self.config.helm_release.as_deref().unwrap_or_default();
        let all = self
            .list(&api, "deployments", &ListParams::default())
            .await?;
        let mut ours = all.into_iter().filter(|deployment| {
            super::helm::release_of(&deployment.metadata).as_deref() == Some(release)
        });
        match (ours.next(), ours.next()) {
            (Some(found), None) => {
                self.remember_name(found.metadata.name.as_deref().unwrap_or_default());
                Ok(found)
            }
            (None, _) => Err(PlatformError::NotFound {
                what: format!(
                    "a Deployment of the Helm release {release} in the namespace {}",
                    link.namespace
                ),
                hint: Some("`helm list` shows the releases there".to_owned()),
            }),
            (Some(_), Some(_)) => Err(PlatformError::Invalid {
                operation: format!("choosing the Deployment of the Helm release {release}"),
                cause: "it has more than one; name it with `deployment`".to_owned(),
            }),
        }
    }

    async fn with_nearest(
        &self,
        api: &Api<Deployment>,
        link: &Link,
        name: &str,
        error: PlatformError,
    ) -> PlatformError {
        if !matches!(error, PlatformError::NotFound { .. }) {
            return error;
        }
        let Ok(all) = api.list(&ListParams::default()).await else {
            return error;
        };
        let names: Vec<String> = all
            .items
            .into_iter()
            .filter_map(|deployment| deployment.metadata.name)
            .collect();
        let near = crate::config::nearest(name, names.iter().map(String::as_str));
        PlatformError::NotFound {
            what: format!(
                "the Deployment {name} in the namespace {} of {}",
                link.namespace, link.context
            ),
            hint: Some(match near {
                Some(near) => format!("Did you mean {near}?"),
                None if names.is_empty() => "The namespace has no Deployments".to_owned(),
                None => format!("There are: {}", names.join(", ")),
            }),
        }
    }

    /// A whole list, with the error sorted.
    pub(super) async fn list<K>(
        &self,
        api: &Api<K>,
        resource: &str,
        params: &ListParams,
    ) -> Result<Vec<K>, PlatformError>
    where
        K: Clone + serde::de::DeserializeOwned + Debug,
    {
        match self.session.in_time(api.list(params)).await? {
            Ok(list) => Ok(list.items),
            Err(error) => Err(self.session.sorted(&op("list", resource, ""), error).await),
        }
    }

    /// As [`list`](Self::list); nothing where it may not be listed, or where the cluster does not
    /// have its kind.
    pub(super) async fn list_if_allowed<K>(
        &self,
        api: &Api<K>,
        resource: &str,
        params: &ListParams,
    ) -> Result<Vec<K>, PlatformError>
    where
        K: Clone + serde::de::DeserializeOwned + Debug,
    {
        match self.list(api, resource, params).await {
            Err(error @ (PlatformError::Denied { .. } | PlatformError::NotFound { .. })) => {
                tracing::debug!(%error, "left out");
                Ok(Vec::new())
            }
            result => result,
        }
    }

    /// As the API server says it now: for plans and for our own rollout.
    pub(super) async fn scene(&self) -> Result<Scene, PlatformError> {
        let at = Timestamp::now();
        let link = self.session.link().await?;
        let deployment = self.deployment(&link).await?;
        let selector = deployment
            .spec
            .as_ref()
            .map(|spec| selector_text(&spec.selector))
            .unwrap_or_default();
        let params = ListParams::default().labels(&selector);
        let (set_api, pod_api) = (
            Api::<ReplicaSet>::namespaced(link.client.clone(), &link.namespace),
            Api::<Pod>::namespaced(link.client.clone(), &link.namespace),
        );
        let (sets, pods, events) = futures::join!(
            self.list(&set_api, "replicasets", &params),
            self.list(&pod_api, "pods", &params),
            self.recent_events(&link),
        );
        let pods = pods?.into_iter().map(Arc::new).collect();
        Ok(Scene::of(at, deployment, sets?, pods, events?))
    }

    /// The Deployment itself as it is now, and around it what the watches hold: for every look.
    pub(super) async fn watched(&self) -> Result<Scene, PlatformError> {
        let at = Timestamp::now();
        let link = self.session.link().await?;
        let deployment = self.deployment(&link).await?;
        let (sets, pods, events) = self.mirror.around(self, &link, &deployment).await?;
        Ok(Scene::of(at, deployment, sets, pods, events))
    }

    pub(super) async fn recent_events(&self, link: &Link) -> Result<Vec<Event>, PlatformError> {
        let api = Api::<Event>::namespaced(link.client.clone(), &link.namespace);
        let recent = ListParams::default().limit(EVENTS_MAX);
        self.list_if_allowed(&api, "events", &recent).await
    }
}

impl Scene {
    /// Keeps what is the Deployment's, in order.
    fn of(
        at: Timestamp,
        deployment: Deployment,
        mut sets: Vec<ReplicaSet>,
        mut pods: Vec<Arc<Pod>>,
        mut events: Vec<Event>,
    ) -> Self {
        sets.retain(|set| is_owned_by(&set.metadata, deployment.metadata.uid.as_deref()));
        sets.sort_by_key(revision_number);
        let own: HashSet<&str> = sets
            .iter()
            .filter_map(|set| set.metadata.uid.as_deref())
            .collect();
        pods.retain(|pod| {
            let owners = pod.metadata.owner_references.iter().flatten();
            owners
                .map(|owner| owner.uid.as_str())
                .any(|uid| own.contains(uid))
        });
        pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        let subjects: HashSet<&str> = pods
            .iter()
            .filter_map(|pod| pod.metadata.uid.as_deref())
            .chain(own)
            .chain(deployment.metadata.uid.as_deref())
            .collect();
        events.retain(|event| {
            let of = event.involved_object.uid.as_deref();
            of.is_some_and(|uid| subjects.contains(uid))
        });
        events.sort_by_key(|event| std::cmp::Reverse(event_time(event)));
        Self {
            at,
            deployment,
            sets,
            pods,
            events,
        }
    }

    /// The Deployment's name.
    pub fn name(&self) -> &str {
        self.deployment.metadata.name.as_deref().unwrap_or_default()
    }

    /// The labels that its pods get.
    pub fn pod_labels(&self) -> BTreeMap<String, String> {
        template::of_deployment(&self.deployment)
            .metadata
            .and_then(|metadata| metadata.labels)
            .unwrap_or_default()
    }

    /// Replicas wanted; one when nothing is said (API reference, DeploymentSpec).
    pub fn desired(&self) -> u32 {
        let spec = self.deployment.spec.as_ref();
        spec.and_then(|spec| spec.replicas).map_or(1, count)
    }

    /// The ReplicaSet that the Deployment's own template asks for, once the controller made it.
    pub fn current(&self) -> Option<&ReplicaSet> {
        let wanted = template::fingerprint(&template::of_deployment(&self.deployment));
        self.sets
            .iter()
            .rev()
            .find(|set| template::fingerprint(&template::of_set(set)) == wanted)
    }

    /// A ReplicaSet by its name.
    pub fn set(&self, name: &str) -> Option<&ReplicaSet> {
        self.sets.iter().find(|set| name_of(set) == name)
    }

    /// The pods of one ReplicaSet.
    pub fn pods_of<'a>(&'a self, set: &'a ReplicaSet) -> impl Iterator<Item = &'a Pod> {
        self.pods
            .iter()
            .map(|pod| &**pod)
            .filter(|pod| is_owned_by(&pod.metadata, set.metadata.uid.as_deref()))
    }

    /// A condition of the Deployment: status, reason, message, since.
    pub fn condition(&self, kind: &str) -> Option<Condition<'_>> {
        let conditions = self.deployment.status.as_ref()?.conditions.as_ref()?;
        let found = conditions.iter().find(|known| known.type_ == kind)?;
        Some(Condition {
            is_true: found.status == "True",
            reason: found.reason.as_deref().unwrap_or_default(),
            message: found.message.as_deref().unwrap_or_default(),
            since: found.last_transition_time.as_ref().map(|time| time.0),
        })
    }

    /// True when the controller has looked at the newest spec.
    pub fn is_observed(&self, generation: i64) -> bool {
        self.deployment
            .status
            .as_ref()
            .and_then(|status| status.observed_generation)
            .is_some_and(|seen| seen >= generation)
    }

    /// Who wrote the Deployment's pod template last (`helm`, `kubectl-edit`…), and when, as the API
    /// server keeps it. Its times are whole seconds: of two writers in one second it is the one that
    /// owns an image now, as an update takes a field from its owner
    /// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>).
    pub fn template_writer(&self) -> Option<Writer<'_>> {
        template_writer(self.deployment.metadata.managed_fields.as_deref()?)
    }

    /// The spec's number.
    pub fn generation(&self) -> i64 {
        self.deployment.metadata.generation.unwrap_or_default()
    }

    /// Whether rollouts are held.
    pub fn is_paused(&self) -> bool {
        let spec = self.deployment.spec.as_ref();
        spec.and_then(|spec| spec.paused).unwrap_or_default()
    }
}

/// Who wrote something, and when, in the API server's whole seconds.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager's name.
    pub manager: &'a str,
    /// Of its last change.
    pub at: Option<Timestamp>,
}

fn template_writer(written: &[ManagedFieldsEntry]) -> Option<Writer<'_>> {
    let templates = written.iter().filter(|entry| entry.subresource.is_none());
    let templates = templates.filter_map(|entry| {
        let template = &entry.fields_v1.as_ref()?.0["f:spec"]["f:template"];
        let writer = Writer {
            manager: entry.manager.as_deref()?,
            at: entry.time.as_ref().map(|time| time.0),
        };
        template.is_object().then_some((writer, template))
    });
    templates
        .max_by_key(|(writer, template)| (writer.at, owns_an_image(template)))
        .map(|(writer, _)| writer)
}

/// Whether these fields of a pod template hold a container's image.
fn owns_an_image(template: &Value) -> bool {
    let containers = template["f:spec"]["f:containers"].as_object();
    containers.is_some_and(|containers| {
        containers
            .values()
            .any(|container| container.get("f:image").is_some())
    })
}

/// One condition.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    /// Its status.
    pub is_true: bool,
    /// In one word.
    pub reason: &'a str,
    /// In words.
    pub message: &'a str,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// A ReplicaSet's name.
pub fn name_of(set: &ReplicaSet) -> &str {
    set.metadata.name.as_deref().unwrap_or_default()
}

/// The rollout's number that made a ReplicaSet current last.
pub fn revision_number(set: &ReplicaSet) -> u64 {
    annotation(&set.metadata, REVISION)
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

/// True when the ReplicaSet was made current more than once.
pub fn was_used_again(set: &ReplicaSet) -> bool {
    annotation(&set.metadata, REVISION_HISTORY).is_some_and(|history| !history.is_empty())
}

/// One annotation.
pub fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// When an event was seen last.
pub fn event_time(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    series
        .and_then(|series| series.last_observed_time.as_ref())
        .map(|time| time.0)
        .or(event.last_timestamp.as_ref().map(|time| time.0))
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0))
}

/// Counts are never negative in what the API server sends.
pub fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

fn is_owned_by(metadata: &ObjectMeta, uid: Option<&str>) -> bool {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    uid.is_some_and(|uid| owners.iter().any(|owner| owner.uid == uid))
}

/// A selector as the API takes it in a query.
pub fn selector_text(selector: &LabelSelector) -> String {
    let equal = selector
        .match_labels
        .iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value}"));
    let sets = selector.match_expressions.iter().flatten().map(|wanted| {
        let values = wanted.values.as_deref().unwrap_or_default().join(",");
        match wanted.operator.as_str() {
            "In" => format!("{} in ({values})", wanted.key),
            "NotIn" => format!("{} notin ({values})", wanted.key),
            "DoesNotExist" => format!("!{}", wanted.key),
            _ => wanted.key.clone(),
        }
    });
    equal.chain(sets).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(manager: &str, at: &str, template: Value) -> ManagedFieldsEntry {
        serde_json::from_value(json!({
            "manager": manager, "operation": "Update", "apiVersion": "apps/v1", "time": at,
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:template": template}}
        }))
        .expect("an entry")
    }

    #[test]
    fn of_two_writers_in_one_second_it_is_the_one_that_owns_the_image() {
        let image = json!({"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {"f:image": {}}}}});
        let rest = json!({"f:metadata": {"f:annotations": {"f:opsconsole.dev/mark": {}}}});
        let second = "2026-11-21T22:41:03Z";
        let helm = entry("helm", second, image.clone());
        let ours = entry("opsconsole", second, rest.clone());
        for both in [[helm.clone(), ours.clone()], [ours, helm.clone()]] {
            let writer = template_writer(&both).expect("a writer");
            assert_eq!(writer.manager, "helm");
        }
        // Who came later wrote last, whatever it wrote.
        let later = entry("kubectl-edit", "2026-11-21T22:41:04Z", rest);
        let mut scaled = entry("hpa", "2026-11-21T22:41:05Z", image);
        scaled.subresource = Some("scale".to_owned());
        let all = [helm, later, scaled];
        let writer = template_writer(&all).expect("a writer");
        assert_eq!(writer.manager, "kubectl-edit");
    }
}
