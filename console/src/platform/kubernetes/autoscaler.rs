//! The HorizontalPodAutoscaler of the Deployment, in the console's words.

use super::{
    KubernetesPlatform,
    scene::{Scene, count},
};
use crate::{
    model::Autoscaler,
    platform::{PlatformError, text::clean},
};
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus, MetricIdentifier, MetricSpec,
    MetricStatus, MetricTarget,
};
use kube::{Api, api::ListParams};

impl KubernetesPlatform {
    /// The autoscaler that names the Deployment, if there is one.
    pub(super) async fn autoscaler(
        &self,
        scene: &Scene,
    ) -> Result<Option<Autoscaler>, PlatformError> {
        let link = self.session.link().await?;
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(link.client, &link.namespace);
        let all = self
            .list_if_allowed(&api, "horizontalpodautoscalers", &ListParams::default())
            .await?;
        Ok(all
            .iter()
            .find(|autoscaler| {
                autoscaler.spec.as_ref().is_some_and(|spec| {
                    let target = &spec.scale_target_ref;
                    target.kind == "Deployment" && target.name == scene.name()
                })
            })
            .map(told))
    }
}

fn told(autoscaler: &HorizontalPodAutoscaler) -> Autoscaler {
    let spec = autoscaler.spec.as_ref();
    let status = autoscaler.status.clone().unwrap_or_default();
    // The controller writes its first status together with its conditions.
    let has_looked = status.conditions.is_some();
    let trouble = condition(&status, "AbleToScale", "False")
        .or_else(|| condition(&status, "ScalingActive", "False"));
    let wanted = spec.and_then(|spec| spec.metrics.as_deref());
    let measured = status.current_metrics.as_deref().unwrap_or_default();
    Autoscaler {
        name: clean(autoscaler.metadata.name.as_deref().unwrap_or_default()),
        // One when nothing is said (API reference, HorizontalPodAutoscalerSpec).
        min: spec.and_then(|spec| spec.min_replicas).map_or(1, count),
        max: spec.map_or(1, |spec| count(spec.max_replicas)),
        current: status.current_replicas.map(count).filter(|_| has_looked),
        // While nothing can be computed, what stands there is from before, or zero.
        desired: (has_looked && trouble.is_none()).then(|| count(status.desired_replicas)),
        measures: wanted
            .unwrap_or_default()
            .iter()
            .map(|wanted| clean(&measure(wanted, measured)))
            .collect(),
        // Its minimum is where a quiet service belongs; only the other end is worth a word.
        limit: condition(&status, "ScalingLimited", "True")
            .filter(|words| trouble.is_none() && !words.starts_with("TooFewReplicas")),
        trouble,
    }
}

/// `FailedGetResourceMetric: the HPA was unable to …`.
fn condition(status: &HorizontalPodAutoscalerStatus, kind: &str, when: &str) -> Option<String> {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let found = conditions
        .iter()
        .find(|known| known.type_ == kind && known.status == when)?;
    let reason = found.reason.as_deref().unwrap_or(kind);
    Some(clean(&match found.message.as_deref() {
        Some(message) if !message.is_empty() => format!("{reason}: {message}"),
        _ => reason.to_owned(),
    }))
}

/// `cpu 85 % of 80 %`; a question mark where nothing was measured.
fn measure(wanted: &MetricSpec, measured: &[MetricStatus]) -> String {
    let name = |metric: &MetricIdentifier| metric.name.clone();
    if let Some(resource) = &wanted.resource {
        let now = measured
            .iter()
            .filter_map(|status| status.resource.as_ref())
            .find(|status| status.name == resource.name)
            .map(|status| &status.current);
        let now = now.map(|now| (now.average_utilization, now.average_value.clone()));
        return against(&resource.name, &resource.target, now);
    }
    if let Some(resource) = &wanted.container_resource {
        let now = measured
            .iter()
            .filter_map(|status| status.container_resource.as_ref())
            .find(|status| status.name == resource.name && status.container == resource.container)
            .map(|status| &status.current);
        let now = now.map(|now| (now.average_utilization, now.average_value.clone()));
        let label = format!("{} of {}", resource.name, resource.container);
        return against(&label, &resource.target, now);
    }
    // Measures of the cluster's own makers: their names say more than their numbers.
    wanted
        .pods
        .as_ref()
        .map(|source| name(&source.metric))
        .or(wanted.object.as_ref().map(|source| name(&source.metric)))
        .or(wanted.external.as_ref().map(|source| name(&source.metric)))
        .unwrap_or_else(|| wanted.type_.clone())
}

type Measured = (
    Option<i32>,
    Option<k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
);

fn against(label: &str, target: &MetricTarget, now: Option<Measured>) -> String {
    let (percent, value) = now.unwrap_or_default();
    if let Some(wanted) = target.average_utilization {
        let now = percent.map_or_else(|| "?".to_owned(), |now| format!("{now} %"));
        return format!("{label} {now} of {wanted} %");
    }
    let now = value.map_or_else(|| "?".to_owned(), |now| now.0);
    match &target.average_value {
        Some(wanted) => format!("{label} {now} of {}", wanted.0),
        None => format!("{label} {now}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a control plane of Kubernetes 1.34 wrote them.
    fn recorded(text: &str) -> Autoscaler {
        told(&serde_json::from_str(text).expect("an autoscaler"))
    }

    #[test]
    fn without_metrics_it_is_said_why_it_cannot_scale_and_nothing_is_made_up() {
        let seen = recorded(include_str!("samples/hpa-without-metrics.json"));
        assert_eq!((seen.min, seen.max), (2, 4));
        assert_eq!((seen.current, seen.desired), (Some(4), None));
        assert_eq!(seen.limit, None, "that condition is from before");
        assert_eq!(seen.measures, ["cpu ? of 80 %"]);
        let trouble = seen.trouble.expect("a reason");
        assert!(
            trouble.starts_with("FailedGetResourceMetric: ")
                && trouble.contains("unable to fetch metrics from resource metrics API"),
            "{trouble}"
        );
    }

    #[test]
    fn at_its_maximum_it_is_said_that_it_would_go_on() {
        let seen = recorded(include_str!("samples/hpa-at-its-maximum.json"));
        assert_eq!((seen.current, seen.desired), (Some(4), Some(4)));
        assert_eq!(seen.measures, ["cpu 250 % of 80 %"]);
        assert_eq!(seen.trouble, None);
        let limit = seen.limit.expect("a limit");
        assert!(limit.starts_with("TooManyReplicas: "), "{limit}");
    }

    #[test]
    fn before_its_first_look_nothing_is_known() {
        let seen = recorded(
            r#"{"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "api"}}}"#,
        );
        assert_eq!((seen.min, seen.max), (1, 3));
        assert_eq!(
            (seen.current, seen.desired, seen.trouble),
            (None, None, None)
        );
    }
}
