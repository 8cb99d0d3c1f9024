//! What stands around a Deployment: autoscaler, disruption budget, and the way users come in.

use super::{
    KubernetesPlatform,
    scene::{Scene, selector_text, tolerate},
};
use crate::model::Change;
use k8s_openapi::{
    api::{
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{PodTemplateSpec, Service},
        networking::v1::Ingress,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// What seldom changes is asked for again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(60);

impl KubernetesPlatform {
    /// The autoscaler of the Deployment.
    pub(super) async fn autoscaler(&self, scene: &Scene) -> Option<HorizontalPodAutoscaler> {
        let link = self.session.link().await.ok()?;
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(link.client, &link.namespace);
        let all = self
            .list(&api, "horizontalpodautoscalers", &ListParams::default())
            .await;
        let all = tolerate("autoscalers", all).ok()?;
        all.into_iter().find(|autoscaler| {
            autoscaler.spec.as_ref().is_some_and(|spec| {
                spec.scale_target_ref.kind == "Deployment"
                    && spec.scale_target_ref.name == scene.name()
            })
        })
    }

    /// The disruption budget that covers the Deployment's pods.
    pub(super) async fn budget(&self, scene: &Scene) -> Option<PodDisruptionBudget> {
        let link = self.session.link().await.ok()?;
        let api: Api<PodDisruptionBudget> = Api::namespaced(link.client, &link.namespace);
        let all = self
            .list(&api, "poddisruptionbudgets", &ListParams::default())
            .await;
        let all = tolerate("disruption budgets", all).ok()?;
        let labels = template_labels(scene);
        all.into_iter().find(|budget| {
            budget
                .spec
                .as_ref()
                .and_then(|spec| spec.selector.as_ref())
                .and_then(|selector| selector.match_labels.as_ref())
                .is_some_and(|wanted| {
                    !wanted.is_empty()
                        && wanted
                            .iter()
                            .all(|(key, value)| labels.get(key) == Some(value))
                })
        })
    }

    /// What the operator should know of them before this change.
    pub(super) async fn guard_rails(
        &self,
        scene: &Scene,
        change: &Change,
        warnings: &mut Vec<String>,
    ) {
        if let Change::Scale { desired } = change
            && let Some(spec) = self.autoscaler(scene).await.and_then(|found| found.spec)
        {
            let least = spec.min_replicas.unwrap_or(1);
            warnings.push(format!(
                "a HorizontalPodAutoscaler keeps it between {least} and {}: it will move the count from {desired} again",
                spec.max_replicas
            ));
        }
        if matches!(change, Change::StopInstance { .. })
            && let Some(status) = self.budget(scene).await.and_then(|found| found.status)
            && status.disruptions_allowed == 0
        {
            warnings.push(format!(
                "its PodDisruptionBudget allows no disruption now ({} of {} healthy); deleting a pod does not ask it",
                status.current_healthy, status.desired_healthy
            ));
        }
    }

    /// Where users reach it: the first Ingress rule or HTTPRoute that leads to a Service of its
    /// pods. It seldom changes, so it is asked for once in a while only.
    pub(super) async fn url(&self, scene: &Scene) -> Option<String> {
        let asked = self.asked.lock().await.clone();
        if let Some((at, url)) = asked
            && at.elapsed() < ASK_AGAIN
        {
            return url;
        }
        let url = self.look_for_url(scene).await;
        *self.asked.lock().await = Some((Instant::now(), url.clone()));
        url
    }

    async fn look_for_url(&self, scene: &Scene) -> Option<String> {
        let link = self.session.link().await.ok()?;
        let services: Api<Service> = Api::namespaced(link.client.clone(), &link.namespace);
        let ingresses: Api<Ingress> = Api::namespaced(link.client.clone(), &link.namespace);
        let routes: Api<DynamicObject> =
            Api::namespaced_with(link.client, &link.namespace, &http_routes());
        let all = ListParams::default();
        let (services, ingresses, routes) = futures::join!(
            self.list(&services, "services", &all),
            self.list(&ingresses, "ingresses", &all),
            // The Gateway API is an extension: many clusters do not have it.
            self.list(&routes, "httproutes", &all),
        );
        let labels = template_labels(scene);
        let ours: Vec<String> = tolerate("services", services)
            .ok()?
            .into_iter()
            .filter(|service| {
                let selector = service
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.selector.as_ref());
                selector.is_some_and(|wanted| {
                    !wanted.is_empty()
                        && wanted
                            .iter()
                            .all(|(key, value)| labels.get(key) == Some(value))
                })
            })
            .filter_map(|service| service.metadata.name)
            .collect();
        let by_ingress = tolerate("ingresses", ingresses)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|ingress| ingress.spec)
            .find_map(|spec| {
                let rule = spec.rules.iter().flatten().find(|rule| {
                    rule.http.iter().flat_map(|http| &http.paths).any(|path| {
                        let service = path.backend.service.as_ref();
                        service.is_some_and(|service| ours.contains(&service.name))
                    })
                })?;
                let host = rule.host.as_deref()?;
                let scheme = if spec.tls.is_some() { "https" } else { "http" };
                Some(format!("{scheme}://{}", super::clean(host)))
            });
        by_ingress.or_else(|| {
            let routes = tolerate("httproutes", routes).unwrap_or_default();
            routes
                .iter()
                .find_map(|route| route_url(&route.data, &ours))
        })
    }

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

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

fn http_routes() -> ApiResource {
    resource("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
}

fn pod_metrics() -> ApiResource {
    resource("metrics.k8s.io", "v1beta1", "PodMetrics", "pods")
}

/// The first host of a route that leads to one of these Services. Whether it is by TLS, its
/// Gateway's listener says; https is what such hosts answer to.
fn route_url(route: &Value, ours: &[String]) -> Option<String> {
    let rules = route["spec"]["rules"].as_array()?;
    let leads_here = rules
        .iter()
        .filter_map(|rule| rule["backendRefs"].as_array())
        .flatten()
        .filter_map(|backend| backend["name"].as_str())
        .any(|name| ours.iter().any(|known| known == name));
    let host = route["spec"]["hostnames"].as_array()?.first()?.as_str()?;
    leads_here.then(|| format!("https://{}", super::clean(host)))
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

fn template_labels(scene: &Scene) -> std::collections::BTreeMap<String, String> {
    super::template::of_deployment(&scene.deployment)
        .metadata
        .and_then(|metadata| metadata.labels)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_route_is_ours_when_it_leads_to_a_service_of_our_pods() {
        let route = json!({"spec": {
            "hostnames": ["api.shop.example"],
            "rules": [{"backendRefs": [{"name": "other"}]}, {"backendRefs": [{"name": "api"}]}]
        }});
        let of = |name: &str| route_url(&route, &[name.to_owned()]);
        assert_eq!(of("api"), Some("https://api.shop.example".to_owned()));
        assert_eq!(of("third"), None);
    }

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
