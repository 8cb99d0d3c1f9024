//! Helm releases, through the helm program: hooks and its three-way merge are not made again here.

use super::{KubernetesPlatform, session::Link};
use crate::platform::{PlatformError, ecs::text::clean};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use std::{process::Stdio, time::Duration};
use tokio::process::Command;

/// A helm that hangs (an unreachable cluster) must not hang the console.
const HELM_TIMEOUT: Duration = Duration::from_secs(60);
/// Revisions looked at; helm keeps ten unless told otherwise (`--history-max`).
const HISTORY_MAX: &str = "50";

/// Why helm cannot bring a revision back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelmProblem {
    /// The program is not there.
    #[error("the helm program is not on the PATH ({0})")]
    Missing(String),
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
            Self::Missing(_) => {
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

impl KubernetesPlatform {
    /// Which revision of the release has that image.
    pub(super) async fn helm_target(&self, release: &str, image: &str) -> Result<u32, HelmProblem> {
        let link = self
            .session
            .link()
            .await
            .map_err(|error| HelmProblem::Failed(error.to_string()))?;
        let history = self
            .helm(
                &link,
                &["history", release, "--max", HISTORY_MAX, "-o", "json"],
            )
            .await?;
        let history: Vec<HelmRevision> = serde_json::from_str(&history).map_err(|error| {
            HelmProblem::Failed(format!("its history cannot be read ({error})"))
        })?;
        for revision in candidates(history)? {
            let number = revision.to_string();
            let manifest = self
                .helm(&link, &["get", "manifest", release, "--revision", &number])
                .await?;
            if has_image(&manifest, image) {
                return Ok(revision);
            }
        }
        Err(HelmProblem::NoSuchRevision)
    }

    /// Rolls back. Called by `execute` only, which holds the permit.
    pub(super) async fn helm_rollback(
        &self,
        link: &Link,
        release: &str,
        revision: u32,
    ) -> Result<(), PlatformError> {
        let number = revision.to_string();
        self.helm(link, &["rollback", release, &number])
            .await
            .map(|_| ())
            .map_err(|problem| PlatformError::Invalid {
                operation: format!("helm rollback {release} {revision}"),
                cause: format!("{problem}. {}", problem.way_out(release)),
            })
    }

    async fn helm(&self, link: &Link, arguments: &[&str]) -> Result<String, HelmProblem> {
        let mut command = Command::new("helm");
        command
            .args(arguments)
            .args(["--namespace", &link.namespace])
            .args(["--kube-context", &link.context])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(path) = &self.config.kubeconfig {
            command.env("KUBECONFIG", path);
        }
        let output = tokio::time::timeout(HELM_TIMEOUT, command.output())
            .await
            .map_err(|_| HelmProblem::Failed(format!("no answer in {} s", HELM_TIMEOUT.as_secs())))?
            .map_err(|error| HelmProblem::Missing(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(HelmProblem::Failed(clean(said.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
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
}
