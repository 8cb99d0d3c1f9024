//! What the pods use now, by the metrics API where the cluster has one.

use super::{
    KubernetesPlatform,
    scene::{Scene, selector_text},
};
use k8s_openapi::{api::core::v1::PodTemplateSpec, apimachinery::pkg::api::resource::Quantity};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::Value;

impl KubernetesPlatform {
    /// CPU and memory that the pods use now, in percent of what they may use: of the limit, else
    /// of the request. Empty where the cluster has no metrics API.
    pub(super) async fn usage(&self, scene: &Scene) -> Vec<Usage> {
        let Ok(link) = self.session.link().await else {
            return Vec::new();
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(link.client, &link.namespace, &pod_metrics());
        let selector = scene.deployment.spec.as_ref().map(|spec| &spec.selector);
        let selector = selector.map(selector_text).unwrap_or_default();
        let measured = self
            .list(
                &api,
                "pods.metrics.k8s.io",
                &ListParams::default().labels(&selector),
            )
            .await;
        let measured = match measured {
            Ok(measured) => measured,
            Err(error) => {
                tracing::debug!(%error, "no usage is known");
                return Vec::new();
            }
        };
        let template = super::template::of_deployment(&scene.deployment);
        let most = capacity(&template);
        measured
            .iter()
            .map(|pod| Usage {
                pod: pod.metadata.name.clone().unwrap_or_default(),
                cpu_percent: percent(used(&pod.data, "cpu"), most.0),
                memory_percent: percent(used(&pod.data, "memory"), most.1),
            })
            .collect()
    }
}

/// What one pod uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Which.
    pub pod: String,
    /// In percent of its limit or request.
    pub cpu_percent: Option<f64>,
    /// In percent of its limit or request.
    pub memory_percent: Option<f64>,
}

fn pod_metrics() -> ApiResource {
    let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
    ApiResource::from_gvk_with_plural(&kind, "pods")
}

/// The sum over a pod's containers.
fn used(pod: &Value, what: &str) -> Option<f64> {
    let containers = pod["containers"].as_array()?;
    containers
        .iter()
        .map(|container| {
            let quantity = container["usage"][what].as_str()?;
            super::bill::amount(&Quantity(quantity.to_owned()))
        })
        .sum()
}

/// vCPUs and bytes that one pod may use: its limits, else what it asks for.
fn capacity(template: &PodTemplateSpec) -> (Option<f64>, Option<f64>) {
    let of = |what: &str| -> Option<f64> {
        let containers = &template.spec.as_ref()?.containers;
        containers
            .iter()
            .map(|container| {
                let resources = container.resources.as_ref()?;
                let limit = resources
                    .limits
                    .as_ref()
                    .and_then(|limits| limits.get(what));
                let request = || {
                    resources
                        .requests
                        .as_ref()
                        .and_then(|asked| asked.get(what))
                };
                super::bill::amount(limit.or_else(request)?)
            })
            .sum()
    };
    (of("cpu"), of("memory"))
}

fn percent(used: Option<f64>, most: Option<f64>) -> Option<f64> {
    let (used, most) = (used?, most.filter(|most| *most > 0.0)?);
    Some(used / most * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn usage_is_of_the_limit_else_of_the_request_and_a_hole_where_there_is_neither() {
        let pod = json!({"containers": [
            {"usage": {"cpu": "150m", "memory": "64Mi"}},
            {"usage": {"cpu": "50000000n", "memory": "64Mi"}}
        ]});
        let template: PodTemplateSpec = serde_json::from_value(json!({"spec": {"containers": [
            {"name": "a", "resources": {"limits": {"cpu": "300m"}, "requests": {"cpu": "10m"}}},
            {"name": "b", "resources": {"requests": {"cpu": "100m"}}}
        ]}}))
        .expect("a template");
        let most = capacity(&template);
        let cpu = percent(used(&pod, "cpu"), most.0).expect("known");
        assert!((cpu - 50.0).abs() < 0.01, "{cpu}");
        assert_eq!(percent(used(&pod, "memory"), most.1), None);
    }
}
