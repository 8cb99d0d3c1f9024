//! Helm releases: which revision of one to go back to, and what that changes.

use super::{
    KubernetesPlatform,
    helm_program::{Helm, HelmProblem},
    session::Link,
};
use crate::model::{DocumentDiff, document_diff};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

/// Revisions looked at; helm keeps ten unless told otherwise (`--history-max`).
const HISTORY_MAX: &str = "50";

/// One line of `helm history`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HelmRevision {
    /// Its number.
    pub revision: u32,
    /// `deployed`, `superseded`, `failed`, `pending-upgrade`…
    pub status: String,
    /// When that was written.
    pub updated: Option<Timestamp>,
}

/// The Helm release that an object belongs to (helm's own label and annotation).
pub fn release_of(metadata: &ObjectMeta) -> Option<String> {
    let labels = metadata.labels.as_ref()?;
    if labels.get("app.kubernetes.io/managed-by")? != "Helm" {
        return None;
    }
    let annotations = metadata.annotations.as_ref()?;
    annotations.get("meta.helm.sh/release-name").cloned()
}

/// The revisions that may be gone back to, newest first: those that were live once.
///
/// # Errors
/// [`HelmProblem::Pending`] when the newest one is.
pub fn candidates(mut history: Vec<HelmRevision>) -> Result<Vec<u32>, HelmProblem> {
    history.sort_by_key(|entry| std::cmp::Reverse(entry.revision));
    if let Some(newest) = history.first()
        && newest.status.starts_with("pending-")
    {
        return Err(HelmProblem::Pending {
            status: newest.status.clone(),
            revision: newest.revision,
            for_s: newest
                .updated
                .map(|at| Timestamp::now().duration_since(at).as_secs().max(0)),
        });
    }
    Ok(history
        .into_iter()
        .filter(|entry| matches!(entry.status.as_str(), "deployed" | "superseded"))
        .map(|entry| entry.revision)
        .collect())
}

/// Whether a rendered manifest has a container with that image.
pub fn has_image(manifest: &str, image: &str) -> bool {
    fn holds(value: &Value, image: &str) -> bool {
        match value {
            Value::Object(fields) => fields
                .iter()
                .any(|(key, value)| (key == "image" && value == image) || holds(value, image)),
            Value::Array(values) => values.iter().any(|value| holds(value, image)),
            _ => false,
        }
    }
    holds(&objects(manifest), image)
}

/// A revision of a release to go back to.
#[derive(Clone, Debug, PartialEq)]
pub struct HelmTarget {
    /// Its number.
    pub revision: u32,
    /// The one that is deployed now.
    pub from: u32,
    /// What differs between their rendered manifests, object by object.
    pub diff: DocumentDiff,
}

impl KubernetesPlatform {
    /// Which revision of the release has that image, and what going there changes.
    pub(super) async fn helm_target(
        &self,
        release: &str,
        image: &str,
    ) -> Result<HelmTarget, HelmProblem> {
        let link = self
            .session
            .link()
            .await
            .map_err(|error| HelmProblem::Failed(error.to_string()))?;
        let helm = self.helm(&link);
        helm.check_version().await?;
        let history = helm
            .run(&["history", release, "--max", HISTORY_MAX, "-o", "json"])
            .await?;
        let history: Vec<HelmRevision> = serde_json::from_str(&history).map_err(|error| {
            HelmProblem::Failed(format!("its history cannot be read ({error})"))
        })?;
        let from = history.iter().map(|entry| entry.revision).max();
        let from = from.unwrap_or_default();
        let now = helm.manifest(release, from).await?;
        for revision in candidates(history)? {
            let then = helm.manifest(release, revision).await?;
            if has_image(&then, image) {
                return Ok(HelmTarget {
                    revision,
                    from,
                    diff: manifest_diff(&now, &then),
                });
            }
        }
        Err(HelmProblem::NoSuchRevision)
    }

    /// The helm program, for this cluster and namespace.
    pub(super) fn helm(&self, link: &Link) -> Helm {
        Helm {
            program: "helm".into(),
            namespace: link.namespace.clone(),
            context: link.context.clone(),
            kubeconfig: self.config.kubeconfig.clone(),
        }
    }
}

/// What differs between two rendered manifests: `Deployment/api.spec.replicas`.
fn manifest_diff(from: &str, to: &str) -> DocumentDiff {
    document_diff(&objects(from), &objects(to))
}

/// A manifest's objects by kind and name. One that cannot be read is left out of the comparison;
/// helm itself has rendered and applied it.
fn objects(manifest: &str) -> Value {
    let documents = manifest.split("\n---");
    let named = documents.filter_map(|document| {
        let object: Value = serde_saphyr::from_str(document.trim_start_matches("---")).ok()?;
        let kind = object["kind"].as_str()?;
        let name = object["metadata"]["name"].as_str()?;
        Some((format!("{kind}/{name}"), object))
    });
    Value::Object(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(revision: u32, status: &str) -> HelmRevision {
        HelmRevision {
            revision,
            status: status.to_owned(),
            updated: None,
        }
    }

    #[test]
    fn a_release_with_an_upgrade_pending_is_refused_and_failed_revisions_are_passed_over() {
        let pending = vec![entry(1, "deployed"), entry(2, "pending-upgrade")];
        assert!(matches!(
            candidates(pending),
            Err(HelmProblem::Pending { revision: 2, .. })
        ));
        let history = vec![
            entry(1, "superseded"),
            entry(2, "failed"),
            entry(3, "deployed"),
        ];
        assert_eq!(candidates(history), Ok(vec![3, 1]));
    }

    #[test]
    fn the_image_is_found_in_a_manifest_however_it_is_written() {
        let head = "---\n# Source: x\nkind: Deployment\nmetadata: {name: api}\nspec:\n";
        for body in [
            "  containers:\n  - image: \"api:1.4.0\"\n    name: api\n",
            "  containers:\n  - name: api\n    image: api:1.4.0 # pinned\n",
            "  containers: [{name: api, image: 'api:1.4.0'}]\n",
        ] {
            let manifest = format!("{head}{body}");
            assert!(has_image(&manifest, "api:1.4.0"), "{manifest}");
            assert!(!has_image(&manifest, "api:1.4"), "{manifest}");
        }
    }

    #[test]
    fn manifests_are_compared_object_by_object() {
        let from = "---\nkind: Deployment\nmetadata: {name: api}\nspec: {replicas: 3}\n---\nkind: ConfigMap\nmetadata:\n  name: new\ndata: {a: b}\n";
        let to = "# Source: x\nkind: Deployment\nmetadata: {name: api}\nspec: {replicas: 2}\n";
        let diff = manifest_diff(from, to);
        let lines: Vec<(&str, Option<&str>, Option<&str>)> = diff
            .lines
            .iter()
            .map(|line| (line.path.as_str(), line.from.as_deref(), line.to.as_deref()))
            .collect();
        assert!(
            lines.contains(&("Deployment/api.spec.replicas", Some("3"), Some("2"))),
            "{lines:?}"
        );
        assert!(
            lines
                .iter()
                .any(|line| line.0.starts_with("ConfigMap/new") && line.2.is_none())
        );
    }
}
