//! The way users come in to the Deployment's pods: an Ingress, an HTTPRoute, a load balancer.

use super::{KubernetesPlatform, scene::Scene};
use crate::{
    model::Change,
    platform::{PlatformError, text::clean},
};
use k8s_openapi::api::{
    core::v1::Service,
    networking::v1::{Ingress, IngressBackend},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::Value;

impl KubernetesPlatform {
    /// What the operator should know of autoscaler and disruption budget before this change.
    pub(super) async fn guard_rails(
        &self,
        scene: &Scene,
        change: &Change,
        warnings: &mut Vec<String>,
    ) {
        if let Change::Scale { desired } = change
            && let Ok(Some(autoscaler)) = self.autoscaler(scene).await
        {
            warnings.push(format!(
                "a HorizontalPodAutoscaler keeps it between {} and {}: it will move the count from {desired} again",
                autoscaler.min, autoscaler.max
            ));
        }
        if matches!(change, Change::StopInstance { .. })
            && let Ok(Some(budget)) = self.budget(scene).await
            && budget.allowed == 0
        {
            warnings.push(format!(
                "its PodDisruptionBudget allows no disruption now ({} of {} healthy); deleting a pod does not ask it",
                budget.healthy, budget.needed
            ));
        }
    }

    /// Where users reach it: the first Ingress rule, HTTPRoute or load balancer that leads to a
    /// Service of its pods.
    pub(super) async fn url(&self, scene: &Scene) -> Result<Option<String>, PlatformError> {
        let link = self.session.link().await?;
        let routes: Api<DynamicObject> =
            Api::namespaced_with(link.client, &link.namespace, &http_routes());
        let all = ListParams::default();
        let (entrances, routes) = futures::join!(
            self.entrances(scene),
            // The Gateway API is an extension: many clusters do not have it.
            self.list_if_allowed(&routes, "httproutes", &all),
        );
        let (entrances, routes) = (entrances?, routes?);
        let ours = entrances.names();
        let mut ingresses = entrances.ingresses.iter();
        let mut routes = routes.iter();
        Ok(ingresses
            .find_map(|ingress| ingress_url(ingress, &ours))
            .or_else(|| routes.find_map(|route| route_url(&route.data, &ours)))
            .or_else(|| entrances.services.iter().find_map(balancer_url)))
    }

    /// The Services of its pods, and the Ingresses that lead to one of them.
    pub(super) async fn entrances(&self, scene: &Scene) -> Result<Entrances, PlatformError> {
        let link = self.session.link().await?;
        let services: Api<Service> = Api::namespaced(link.client.clone(), &link.namespace);
        let ingresses: Api<Ingress> = Api::namespaced(link.client, &link.namespace);
        let all = ListParams::default();
        let (services, ingresses) = futures::join!(
            self.list_if_allowed(&services, "services", &all),
            self.list_if_allowed(&ingresses, "ingresses", &all),
        );
        let labels = scene.pod_labels();
        let chooses = |service: &Service| {
            let spec = service.spec.as_ref();
            spec.and_then(|spec| spec.selector.as_ref())
                .is_some_and(|wanted| {
                    let has = |(key, value)| labels.get(key) == Some(value);
                    !wanted.is_empty() && wanted.iter().all(has)
                })
        };
        let mut services: Vec<Service> = services?;
        services.retain(chooses);
        let ours = names(&services);
        let mut ingresses = ingresses?;
        ingresses.retain(|ingress| leads_to(ingress, &ours));
        Ok(Entrances {
            services,
            ingresses,
        })
    }
}

/// What leads to the pods.
pub struct Entrances {
    /// The Services that choose them.
    pub services: Vec<Service>,
    /// The Ingresses that lead to one of these.
    pub ingresses: Vec<Ingress>,
}

impl Entrances {
    fn names(&self) -> Vec<&str> {
        names(&self.services)
    }
}

fn names(services: &[Service]) -> Vec<&str> {
    let names = services
        .iter()
        .map(|service| service.metadata.name.as_deref());
    names.flatten().collect()
}

fn is_one_of(ours: &[&str], backend: &IngressBackend) -> bool {
    let service = backend.service.as_ref();
    service.is_some_and(|service| ours.contains(&service.name.as_str()))
}

fn leads_to(ingress: &Ingress, ours: &[&str]) -> bool {
    let Some(spec) = &ingress.spec else {
        return false;
    };
    let rules = spec.rules.iter().flatten();
    let mut backends = rules
        .filter_map(|rule| rule.http.as_ref())
        .flat_map(|http| &http.paths)
        .map(|path| &path.backend)
        .chain(&spec.default_backend);
    backends.any(|backend| is_one_of(ours, backend))
}

fn http_routes() -> ApiResource {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
    ApiResource::from_gvk_with_plural(&kind, "httproutes")
}

/// The first rule's host and path that lead to one of these Services; without a host, the address
/// that the controller reports (an ALB's name on EKS).
fn ingress_url(ingress: &Ingress, ours: &[&str]) -> Option<String> {
    let spec = ingress.spec.as_ref()?;
    let leads_here = |backend: &IngressBackend| is_one_of(ours, backend);
    let balancer = || {
        let status = ingress.status.as_ref()?.load_balancer.as_ref()?;
        let first = status.ingress.as_ref()?.first()?;
        first.hostname.clone().or_else(|| first.ip.clone())
    };
    let by_rule = spec.rules.iter().flatten().find_map(|rule| {
        let mut paths = rule.http.iter().flat_map(|http| &http.paths);
        let path = paths.find(|path| leads_here(&path.backend))?;
        Some((rule.host.clone(), path.path.clone().unwrap_or_default()))
    });
    let (host, path) = match by_rule {
        Some(found) => found,
        None => {
            let default = spec.default_backend.as_ref();
            default
                .is_some_and(leads_here)
                .then(|| (None, String::new()))?
        }
    };
    let host = host.filter(|host| !host.is_empty()).or_else(balancer)?;
    // An entry without hosts is for all of them (API reference, IngressTLS).
    let is_tls = spec.tls.iter().flatten().any(|tls| {
        let hosts = tls.hosts.as_deref().unwrap_or_default();
        hosts.is_empty() || hosts.contains(&host)
    });
    Some(address(is_tls, &host, &path))
}

/// The first host of a route that leads to one of these Services. Whether it is by TLS, its
/// Gateway's listener says; https is what such hosts answer to.
fn route_url(route: &Value, ours: &[&str]) -> Option<String> {
    let rule = route["spec"]["rules"].as_array()?.iter().find(|rule| {
        let backends = rule["backendRefs"].as_array();
        backends
            .into_iter()
            .flatten()
            .filter_map(|backend| backend["name"].as_str())
            .any(|name| ours.contains(&name))
    })?;
    let host = route["spec"]["hostnames"].as_array()?.first()?.as_str()?;
    let path = rule["matches"][0]["path"]["value"].as_str();
    Some(address(true, host, path.unwrap_or_default()))
}

/// The address of a Service of the type LoadBalancer.
fn balancer_url(service: &Service) -> Option<String> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?;
    let first = status.ingress.as_ref()?.first()?;
    let host = first.hostname.as_ref().or(first.ip.as_ref())?;
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?.port;
    Some(match port {
        443 => address(true, host, ""),
        80 => address(false, host, ""),
        port => address(false, &format!("{host}:{port}"), ""),
    })
}

fn address(is_tls: bool, host: &str, path: &str) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    let path = path.trim_end_matches(['*', '/']);
    clean(&format!("{scheme}://{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_route_is_ours_when_it_leads_to_a_service_of_our_pods() {
        let route = json!({"spec": {
            "hostnames": ["api.shop.example"],
            "rules": [
                {"backendRefs": [{"name": "other"}]},
                {"matches": [{"path": {"value": "/v1"}}], "backendRefs": [{"name": "api"}]}
            ]
        }});
        assert_eq!(
            route_url(&route, &["api"]).as_deref(),
            Some("https://api.shop.example/v1")
        );
        assert_eq!(route_url(&route, &["third"]), None);
    }

    fn ingress(spec: Value, status: Value) -> Ingress {
        serde_json::from_value(json!({"spec": spec, "status": status})).expect("an Ingress")
    }

    #[test]
    fn an_ingress_is_told_by_its_rule_and_by_https_only_where_the_host_has_a_certificate() {
        let path = |name: &str, path: &str| {
            json!({"path": path, "pathType": "Prefix",
                   "backend": {"service": {"name": name, "port": {"number": 80}}}})
        };
        let spec = json!({
            "rules": [
                {"host": "old.example", "http": {"paths": [path("other", "/")]}},
                {"host": "shop.example", "http": {"paths": [path("web", "/"), path("api", "/api")]}}
            ],
            "tls": [{"hosts": ["old.example"], "secretName": "x"}]
        });
        let plain = ingress(spec.clone(), json!({}));
        assert_eq!(
            ingress_url(&plain, &["api"]).as_deref(),
            Some("http://shop.example/api")
        );
        let mut safe = spec;
        safe["tls"] = json!([{"secretName": "x"}]);
        let safe = ingress(safe, json!({}));
        assert_eq!(
            ingress_url(&safe, &["web"]).as_deref(),
            Some("https://shop.example")
        );
        assert_eq!(ingress_url(&safe, &["third"]), None);
    }

    #[test]
    fn without_a_host_it_is_the_balancers_address() {
        let status = json!({"loadBalancer": {"ingress": [{"hostname": "k8s-shop.elb.example"}]}});
        let spec = json!({"defaultBackend": {"service": {"name": "api", "port": {"number": 80}}}});
        let found = ingress_url(&ingress(spec.clone(), status.clone()), &["api"]);
        assert_eq!(found.as_deref(), Some("http://k8s-shop.elb.example"));
        assert_eq!(ingress_url(&ingress(spec, json!({})), &["api"]), None);
        let service = json!({"spec": {"ports": [{"port": 8080}]}, "status": status});
        let service: Service = serde_json::from_value(service).expect("a Service");
        assert_eq!(
            balancer_url(&service).as_deref(),
            Some("http://k8s-shop.elb.example:8080")
        );
    }
}
