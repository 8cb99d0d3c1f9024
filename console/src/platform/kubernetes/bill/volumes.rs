//! Volumes that the pods claim.

use super::{GIB, amount};
use crate::{
    model::BillLine,
    platform::{
        PlatformError,
        kubernetes::{KubernetesPlatform, session::Link},
        text::clean,
    },
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
use kube::{Api, api::ListParams};

impl KubernetesPlatform {
    /// A line for each claim of the template's. Asked for only where there is one.
    pub(super) async fn volumes(
        &self,
        link: &Link,
        template: &PodTemplateSpec,
    ) -> Result<Vec<BillLine>, PlatformError> {
        let names = claims(template);
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let api: Api<PersistentVolumeClaim> = Api::namespaced(link.client.clone(), &link.namespace);
        let all = ListParams::default();
        let listed = self
            .list_if_allowed(&api, "persistentvolumeclaims", &all)
            .await?;
        Ok(names
            .into_iter()
            .map(|name| {
                let found = listed
                    .iter()
                    .find(|claim| claim.metadata.name.as_deref() == Some(name));
                volume(name, found)
            })
            .collect())
    }
}

fn claims(template: &PodTemplateSpec) -> Vec<&str> {
    let volumes = template
        .spec
        .iter()
        .filter_map(|spec| spec.volumes.as_ref());
    volumes
        .flatten()
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .map(|claim| claim.claim_name.as_str())
        .collect()
}

/// A class that is named after its EBS type is of that type: what a class is made of, only its
/// parameters say, which belong to the cluster and not to the namespace.
fn volume(name: &str, claim: Option<&PersistentVolumeClaim>) -> BillLine {
    let Some(spec) = claim.and_then(|claim| claim.spec.as_ref()) else {
        return BillLine::always(
            clean(&format!("volume {name}")),
            "kubernetes.unknown-volume",
            1.0,
            "pod template; the claim is not there or may not be read",
        );
    };
    let held = claim
        .and_then(|claim| claim.status.as_ref()?.capacity.as_ref()?.get("storage"))
        .or_else(|| spec.resources.as_ref()?.requests.as_ref()?.get("storage"));
    let gib = held.and_then(amount).unwrap_or_default() / GIB;
    let class = spec.storage_class_name.as_deref().unwrap_or("default");
    let sku = match class {
        _ if class.contains("gp3") => "ebs.gp3".to_owned(),
        _ if class.contains("gp2") => "ebs.gp2".to_owned(),
        _ => format!("kubernetes.volume.{class}"),
    };
    BillLine::always(
        clean(&format!("volume {name}, {gib:.0} GiB of class {class}")),
        &sku,
        gib,
        "PersistentVolumeClaim",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_costs_its_gibibytes_at_the_price_of_the_type_that_its_class_is_named_after() {
        let template: PodTemplateSpec = serde_json::from_value(json!({"spec": {
            "containers": [],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "api-data"}}
            ]
        }}))
        .expect("a template");
        assert_eq!(claims(&template), ["api-data"]);
        let claim = |class: &str| -> PersistentVolumeClaim {
            serde_json::from_value(json!({
                "spec": {"storageClassName": class, "resources": {"requests": {"storage": "20Gi"}}}
            }))
            .expect("a claim")
        };
        let fast = volume("api-data", Some(&claim("ebs-gp3")));
        assert_eq!((fast.sku.as_str(), fast.quantity), ("ebs.gp3", 20.0));
        let shared = volume("api-data", Some(&claim("efs")));
        assert_eq!(shared.sku, "kubernetes.volume.efs");
        assert_eq!(volume("gone", None).sku, "kubernetes.unknown-volume");
    }
}
