//! Who else writes a Deployment: Argo CD and Flux put back what Git says.

use crate::model::Change;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::fmt;

/// A GitOps controller that manages an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Argo CD, by its tracking annotation or label; the application.
    ArgoCd(String),
    /// Flux's kustomize-controller; the Kustomization, `name -n namespace`.
    FluxKustomization(String),
    /// Flux's helm-controller; the HelmRelease, `name -n namespace`.
    FluxHelm(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ArgoCd(name) => write!(f, "Argo CD (application {name})"),
            Self::FluxKustomization(name) => write!(f, "Flux (Kustomization {name})"),
            Self::FluxHelm(name) => write!(f, "Flux (HelmRelease {name})"),
        }
    }
}

impl Owner {
    /// Where the change belongs.
    pub fn way_out(&self, change: &Change) -> String {
        let what = match change {
            Change::ToRevision { .. } | Change::StopRollout { .. } => "revert the commit",
            _ => "commit the change",
        };
        match self {
            Self::ArgoCd(name) => format!(
                "In its Git repository {what}; in an emergency `argocd app rollback {name}` (which needs automatic sync switched off)"
            ),
            Self::FluxKustomization(name) => format!(
                "In its Git repository {what}; in an emergency `flux suspend kustomization {name}` first"
            ),
            Self::FluxHelm(name) => format!(
                "In its Git repository {what}; in an emergency `flux suspend helmrelease {name}` first"
            ),
        }
    }
}

/// Who manages an object, by the marks that the controllers leave (their documentation: Argo CD
/// resource tracking; Flux kustomize- and helm-controller labels).
pub fn owner_of(metadata: &ObjectMeta) -> Option<Owner> {
    let annotation = |key: &str| metadata.annotations.as_ref()?.get(key).cloned();
    let label = |key: &str| metadata.labels.as_ref()?.get(key).cloned();
    if let Some(tracking) = annotation("argocd.argoproj.io/tracking-id") {
        let application = tracking.split(':').next().unwrap_or_default();
        return Some(Owner::ArgoCd(application.to_owned()));
    }
    if let Some(application) = label("argocd.argoproj.io/instance") {
        return Some(Owner::ArgoCd(application));
    }
    let flux = |controller: &str| {
        let name = label(&format!("{controller}.toolkit.fluxcd.io/name"))?;
        let namespace = label(&format!("{controller}.toolkit.fluxcd.io/namespace"));
        Some(match namespace {
            Some(namespace) => format!("{name} -n {namespace}"),
            None => name,
        })
    };
    flux("kustomize")
        .map(Owner::FluxKustomization)
        .or_else(|| flux("helm").map(Owner::FluxHelm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn owner(metadata: Value) -> Option<Owner> {
        owner_of(&serde_json::from_value(metadata).expect("metadata"))
    }

    #[test]
    fn each_controller_is_known_by_its_marks_and_says_where_to_go_back_instead() {
        let back = Change::ToRevision {
            revision: "api-1".into(),
        };
        let tracked = json!({"annotations": {
            "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/api"
        }});
        let labelled = json!({"labels": {"argocd.argoproj.io/instance": "shop"}});
        let kustomized = json!({"labels": {
            "kustomize.toolkit.fluxcd.io/name": "apps",
            "kustomize.toolkit.fluxcd.io/namespace": "flux-system"
        }});
        let released = json!({"labels": {
            "app.kubernetes.io/managed-by": "Helm",
            "helm.toolkit.fluxcd.io/name": "shop",
            "helm.toolkit.fluxcd.io/namespace": "shop"
        }});
        for (metadata, words) in [
            (tracked, "argocd app rollback shop"),
            (labelled, "argocd app rollback shop"),
            (kustomized, "flux suspend kustomization apps -n flux-system"),
            (released, "flux suspend helmrelease shop -n shop"),
        ] {
            let owner = owner(metadata).expect("an owner");
            let way = owner.way_out(&back);
            assert!(
                way.contains(words) && way.contains("revert the commit"),
                "{way}"
            );
        }
        let helms_own = json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}});
        assert_eq!(owner(helms_own), None);
    }
}
