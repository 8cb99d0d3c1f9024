//! Helm releases, through the helm program: hooks and its three-way merge are not made again here.

use super::{KubernetesPlatform, session::Link};
use crate::{
    model::{DocumentDiff, document_diff},
    platform::{Permit, PlatformError, text::clean},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;
use std::{ffi::OsString, path::PathBuf, process::Stdio, time::Duration};
use tokio::process::Command;

/// A helm that hangs (an unreachable cluster) must not hang the console.
const HELM_TIMEOUT: Duration = Duration::from_secs(60);
/// A rollback runs the chart's hooks; helm itself gives each five minutes.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(360);
/// The first helm without a server of its own in the cluster.
const MAJOR_MIN: u32 = 3;
/// Revisions looked at; helm keeps ten unless told otherwise (`--history-max`).
const HISTORY_MAX: &str = "50";

/// Why helm cannot bring a revision back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelmProblem {
    /// The program is not there.
    #[error("the helm program is not on the PATH ({0})")]
    Missing(String),
    /// It is from another age.
    #[error("the helm program is too old ({0})")]
    TooOld(String),
    /// It answered with an error.
    #[error("helm: {0}")]
    Failed(String),
    /// Another helm is at work, or one was killed.
    #[error("the Helm release is {status} at revision {revision}: helm refuses to touch it")]
    Pending {
        /// `pending-upgrade`…
        status: String,
        /// Which.
        revision: u32,
    },
    /// None of its good revisions has that image.
    #[error("no good revision of the Helm release has that image")]
    NoSuchRevision,
}

impl HelmProblem {
    /// What to do.
    pub fn way_out(&self, release: &str) -> String {
        match self {
            Self::Missing(_) | Self::TooOld(_) => {
                "Install helm 3 or later: the release's record would not be true otherwise"
                    .to_owned()
            }
            Self::Failed(_) => format!("Look at `helm status {release}`"),
            Self::Pending { .. } => format!(
                "If no other helm is running: `helm rollback {release}` by hand, or delete the secret of the pending revision (`kubectl get secret -l owner=helm,name={release}`)"
            ),
            Self::NoSuchRevision => format!("Look at `helm history {release}`"),
        }
    }
}

/// One line of `helm history`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HelmRevision {
    /// Its number.
    pub revision: u32,
    /// `deployed`, `superseded`, `failed`, `pending-upgrade`…
    pub status: String,
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
    manifest.lines().any(|line| {
        let line = line.trim_start().trim_start_matches("- ");
        line.strip_prefix("image:")
            .is_some_and(|value| value.trim().trim_matches(['"', '\'']) == image)
    })
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

    /// Rolls back. Takes the permit, as everything does that changes something.
    pub(super) async fn helm_rollback(
        &self,
        _permit: &Permit,
        link: &Link,
        release: &str,
        revision: u32,
    ) -> Result<(), PlatformError> {
        let number = revision.to_string();
        let mut helm = self.helm(link);
        helm.timeout = ROLLBACK_TIMEOUT;
        helm.run(&["rollback", release, &number])
            .await
            .map(|_| ())
            .map_err(|problem| PlatformError::Invalid {
                operation: format!("helm rollback {release} {revision}"),
                cause: format!("{problem}. {}", problem.way_out(release)),
            })
    }

    fn helm(&self, link: &Link) -> Helm {
        Helm {
            program: OsString::from("helm"),
            namespace: link.namespace.clone(),
            context: link.context.clone(),
            kubeconfig: self.config.kubeconfig.clone(),
            timeout: HELM_TIMEOUT,
        }
    }
}

/// The helm program, pointed at one namespace of one cluster.
struct Helm {
    program: OsString,
    namespace: String,
    context: String,
    kubeconfig: Option<PathBuf>,
    timeout: Duration,
}

impl Helm {
    async fn check_version(&self) -> Result<(), HelmProblem> {
        // helm 2 has no `--template` of this shape and would look for its server.
        let said = self.run(&["version", "--short"]).await;
        let said = match said {
            Err(HelmProblem::Failed(said)) => return Err(HelmProblem::TooOld(said)),
            said => said?,
        };
        match major(&said) {
            Some(major) if major >= MAJOR_MIN => Ok(()),
            _ => Err(HelmProblem::TooOld(clean(said.trim()))),
        }
    }

    async fn manifest(&self, release: &str, revision: u32) -> Result<String, HelmProblem> {
        let number = revision.to_string();
        self.run(&["get", "manifest", release, "--revision", &number])
            .await
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, HelmProblem> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .args(["--namespace", &self.namespace])
            .args(["--kube-context", &self.context])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(path) = &self.kubeconfig {
            command.env("KUBECONFIG", path);
        }
        let output = tokio::time::timeout(self.timeout, command.output())
            .await
            .map_err(|_| HelmProblem::Failed(format!("no answer in {} s", self.timeout.as_secs())))?
            .map_err(|error| HelmProblem::Missing(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(HelmProblem::Failed(clean(said.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// `v3.19.1+g4f953c2` or `Client: v2.17.0+ga690bad`.
fn major(version: &str) -> Option<u32> {
    let at = version.find(|c: char| c.is_ascii_digit())?;
    version[at..].split('.').next()?.parse().ok()
}

/// What differs between two rendered manifests: `Deployment/api.spec.replicas`.
fn manifest_diff(from: &str, to: &str) -> DocumentDiff {
    document_diff(&objects(from), &objects(to))
}

/// A manifest's objects by kind and name. One that cannot be read is left out of the comparison;
/// helm itself has rendered and applied it.
fn objects(manifest: &str) -> Value {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap_or_default();
    let named = documents.into_iter().filter_map(|object| {
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
    fn the_image_is_found_in_a_manifest_quoted_or_not() {
        let manifest = "containers:\n  - image: \"api:1.4.0\"\n    name: api\n";
        assert!(has_image(manifest, "api:1.4.0"));
        assert!(!has_image(manifest, "api:1.4"));
    }

    fn helm(program: &str) -> Helm {
        Helm {
            program: program.into(),
            namespace: "shop".to_owned(),
            context: "kind".to_owned(),
            kubeconfig: None,
            timeout: Duration::from_secs(10),
        }
    }

    /// A helm that answers with that.
    fn script(home: &tempfile::TempDir, body: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = home.path().join("helm");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("rights");
        path.display().to_string()
    }

    #[tokio::test]
    async fn a_helm_that_is_missing_or_too_old_is_said_with_what_to_install() {
        let home = tempfile::tempdir().expect("a directory");
        let missing = helm("/nonexistent/helm").check_version().await;
        let old = script(&home, "echo 'Client: v2.17.0+ga690bad'");
        let old = helm(&old).check_version().await;
        let lost = script(&home, "echo 'Error: could not find tiller' >&2; exit 1");
        let lost = helm(&lost).check_version().await;
        for (problem, words) in [
            (missing, "is not on the PATH"),
            (old, "too old (Client: v2.17.0"),
            (lost, "too old (Error: could not find tiller"),
        ] {
            let problem = problem.expect_err("it will not do");
            assert!(problem.to_string().contains(words), "{problem}");
            assert!(problem.way_out("shop").contains("helm 3"));
        }
        let good = script(&home, "echo v4.0.1+g12500dd");
        assert_eq!(helm(&good).check_version().await, Ok(()));
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
