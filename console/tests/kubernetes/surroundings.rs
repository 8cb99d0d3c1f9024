//! What stands around a Deployment, with real objects: autoscaler, disruption budget, the way in,
//! and what the pods use.

use super::cluster::{Bench, ROLLOUT_TIME};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use opsconsole::model::Service;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Stands in for the metrics server: the API server then serves what the test writes.
const POD_METRICS: &str = r#"{
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "pods.metrics.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"}
    },
    "spec": {
        "group": "metrics.k8s.io", "scope": "Namespaced",
        "names": {"kind": "PodMetrics", "listKind": "PodMetricsList", "plural": "pods", "singular": "pod"},
        "versions": [{
            "name": "v1beta1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true
            }}
        }]
    }
}"#;

/// The custom resources of the chart's own tests.
const CRDS: &str = include_str!("../../../helm/tests/crds.yaml");

async fn apply(bench: &Bench, object: Value) {
    let version = object["apiVersion"].as_str().expect("a version");
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = object["kind"].as_str().expect("a kind");
    let name = object["metadata"]["name"].as_str().expect("a name");
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> =
        Api::namespaced_with(bench.client.clone(), &bench.namespace, &resource);
    let params = PatchParams::apply("test").force();
    let began = Instant::now();
    // A resource that was just defined is served a moment later.
    while let Err(error) = api.patch(name, &params, &Patch::Apply(&object)).await {
        assert!(began.elapsed() < ROLLOUT_TIME, "{kind}: {error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn define(bench: &Bench, crd: &Value) {
    let name = crd["metadata"]["name"].as_str().expect("a name");
    let api: Api<CustomResourceDefinition> = Api::all(bench.client.clone());
    let params = PatchParams::apply("test").force();
    api.patch(name, &params, &Patch::Apply(crd))
        .await
        .expect("a definition");
}

/// Looks until it is so.
async fn until(bench: &Bench, what: &str, is_so: impl Fn(&Service) -> bool) -> Service {
    let platform = bench.platform().await;
    let began = Instant::now();
    loop {
        let service = platform.observe().await.expect("a look").service;
        if is_so(&service) {
            return service;
        }
        assert!(began.elapsed() < ROLLOUT_TIME, "{what}: {service:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn autoscaler(metric: Value) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "api"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"},
            "minReplicas": 2, "maxReplicas": 4, "metrics": [metric]
        }
    })
}

#[tokio::test]
async fn autoscaler_and_budget_stand_with_the_service_and_say_why_they_cannot() {
    let Some(bench) = Bench::with_api("kept").await else {
        return;
    };
    // Nobody measures that, in any test.
    let metric = json!({"type": "External", "external": {
        "metric": {"name": "queue-length"}, "target": {"type": "AverageValue", "averageValue": "30"}
    }});
    apply(&bench, autoscaler(metric)).await;
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "api"},
        "spec": {"minAvailable": 2, "selector": {"matchExpressions": [
            {"key": "app", "operator": "In", "values": ["api"]}
        ]}}
    });
    apply(&bench, budget).await;
    let seen = until(&bench, "no word of trouble", |service| {
        let scales = service.autoscaler.as_ref();
        scales.is_some_and(|scales| scales.trouble.is_some())
            && service
                .budget
                .as_ref()
                .is_some_and(|budget| budget.needed > 0)
    })
    .await;
    let scales = seen.autoscaler.expect("seen");
    assert_eq!((scales.min, scales.max), (2, 4));
    assert_eq!((scales.current, scales.desired), (Some(2), None));
    assert_eq!(scales.measures, ["queue-length"]);
    let trouble = scales.trouble.expect("seen");
    assert!(trouble.starts_with("FailedGetExternalMetric"), "{trouble}");
    let budget = seen.budget.expect("seen");
    assert_eq!(
        (
            budget.rule.as_str(),
            budget.healthy,
            budget.needed,
            budget.allowed
        ),
        ("min available 2", 2, 2, 0)
    );
    bench.clear().await;
}

#[tokio::test]
async fn what_the_pods_use_comes_from_the_metrics_api_and_moves_the_autoscaler() {
    let Some(bench) = Bench::with_api("used").await else {
        return;
    };
    define(&bench, &serde_json::from_str(POD_METRICS).expect("JSON")).await;
    let metric = json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}
    }});
    apply(&bench, autoscaler(metric)).await;
    let measure = async |pod: &str| {
        let measured = json!({
            "apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics",
            "metadata": {"name": pod, "labels": {"app": "api"}},
            // A young pod counts only by what was measured a window after it became ready.
            "timestamp": (jiff::Timestamp::now() + Duration::from_secs(60)).to_string(),
            "window": "15s",
            // The Deployment asks for 20m and 32Mi.
            "containers": [{"name": "api", "usage": {"cpu": "50m", "memory": "8Mi"}}]
        });
        let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
        let resource = ApiResource::from_gvk_with_plural(&kind, "pods");
        let api: Api<DynamicObject> =
            Api::namespaced_with(bench.client.clone(), &bench.namespace, &resource);
        let params = PatchParams::apply("test").force();
        let began = Instant::now();
        while let Err(error) = api.patch(pod, &params, &Patch::Apply(&measured)).await {
            assert!(began.elapsed() < ROLLOUT_TIME, "{error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let before = until(&bench, "no pods", |service| service.instances.len() == 2).await;
    for pod in &before.instances {
        measure(pod.id.as_str()).await;
    }
    let seen = until(&bench, "no usage", |service| {
        let measured = |pod: &&opsconsole::model::Instance| pod.cpu_percent.is_some();
        service.instances.iter().filter(measured).count() >= 2
    })
    .await;
    let measured = seen.instances.iter().find(|pod| pod.cpu_percent.is_some());
    let measured = measured.expect("one is measured");
    assert_eq!(
        (measured.cpu_percent, measured.memory_percent),
        (Some(250.0), Some(25.0))
    );
    let seen = until(&bench, "it does not scale", |service| {
        let scales = service.autoscaler.as_ref();
        scales.is_some_and(|scales| scales.limit.is_some()) && service.desired == 4
    })
    .await;
    let scales = seen.autoscaler.expect("seen");
    assert_eq!(scales.trouble, None);
    assert_eq!(scales.measures, ["cpu 250 % of 80 %"]);
    assert!(
        scales
            .limit
            .is_some_and(|words| words.contains("TooManyReplicas"))
    );
    bench.clear().await;
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"},
        "spec": {"selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": 8080}]}
    })
}

#[tokio::test]
async fn the_address_is_that_of_the_route_and_an_ingress_comes_before_it() {
    let Some(bench) = Bench::with_api("address").await else {
        return;
    };
    let crds: Vec<Value> = serde_saphyr::from_multiple(CRDS).expect("definitions");
    let routes = crds
        .iter()
        .find(|crd| crd["spec"]["names"]["kind"] == "HTTPRoute");
    define(&bench, routes.expect("HTTPRoute is defined")).await;
    apply(&bench, service()).await;
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "api"},
        "spec": {
            "parentRefs": [{"name": "public"}],
            "hostnames": ["api.shop.example"],
            "rules": [{"backendRefs": [{"name": "front", "port": 80}]}]
        }
    });
    apply(&bench, route).await;
    let seen = until(&bench, "no address", |service| service.url.is_some()).await;
    assert_eq!(seen.url.as_deref(), Some("https://api.shop.example"));
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "api"},
        "spec": {"rules": [{"host": "shop.example", "http": {"paths": [
            {"path": "/api", "pathType": "Prefix",
             "backend": {"service": {"name": "front", "port": {"number": 80}}}}
        ]}}]}
    });
    apply(&bench, ingress).await;
    let seen = until(&bench, "no address", |service| service.url.is_some()).await;
    assert_eq!(seen.url.as_deref(), Some("http://shop.example/api"));
    bench.clear().await;
}

#[tokio::test]
async fn load_balancer_volume_and_the_idle_part_of_the_nodes_are_on_the_bill() {
    let Some(bench) = Bench::with_api("bill").await else {
        return;
    };
    let mut balanced = service();
    balanced["spec"]["type"] = json!("LoadBalancer");
    apply(&bench, balanced).await;
    let services: Api<k8s_openapi::api::core::v1::Service> =
        Api::namespaced(bench.client.clone(), &bench.namespace);
    let host = "k8s-front-1.elb.eu-central-1.amazonaws.com";
    let status = json!({"status": {"loadBalancer": {"ingress": [{"hostname": host}]}}});
    services
        .patch_status("front", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .expect("a status");
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
            "resources": {"requests": {"storage": "20Gi"}}
        }
    });
    apply(&bench, claim).await;
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
        Api::namespaced(bench.client.clone(), &bench.namespace);
    let claims = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    let claiming = json!({"spec": {"template": {"spec": {"volumes": claims}}}});
    deployments
        .patch("api", &PatchParams::default(), &Patch::Merge(&claiming))
        .await
        .expect("patched");
    let bill = bench.platform().await.bill().await.expect("a bill");
    let quantity = |what: &str| {
        let line = bill.lines.iter().find(|line| line.what.starts_with(what));
        let line = line.unwrap_or_else(|| panic!("no {what}: {:?}", bill.lines));
        (line.sku.clone(), line.quantity)
    };
    assert_eq!(quantity("load balancer of front"), ("nlb.hour".into(), 1.0));
    assert_eq!(quantity("volume data, 20 GiB"), ("ebs.gp3".into(), 20.0));
    // How much is idle depends on the other tests; that it is told, does not.
    let (_, own) = quantity("share of ");
    let (_, idle) = quantity("idle share of ");
    assert!(own > 0.0 && idle > 0.0, "{:?}", bill.lines);
    bench.clear().await;
}
