//! Who else writes a Deployment: Argo CD and Flux put back what Git says.

use crate::model::Change;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::fmt;

/// A GitOps controller that manages an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Argo CD, by its tracking annotation or label; the application.
    ArgoCd(String),
    /// Flux's kustomize-controller; the Kustomization.
    FluxKustomization(String),
    /// Flux's helm-controller; the HelmRelease.
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
    if let Some(name) = label("kustomize.toolkit.fluxcd.io/name") {
        return Some(Owner::FluxKustomization(name));
    }
    label("helm.toolkit.fluxcd.io/name").map(Owner::FluxHelm)
}
