//! The part of the nodes that nobody asks for: paid for all the same, and borne in proportion.

use super::{requests, size};
use crate::platform::{
    PlatformError,
    kubernetes::{KubernetesPlatform, session::Link},
};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, api::ListParams};

impl KubernetesPlatform {
    /// How much of that node no pod asks for, 0–1; `None` where pods of other namespaces may not be
    /// listed.
    pub(super) async fn idle(
        &self,
        link: &Link,
        node: &Node,
    ) -> Result<Option<f64>, PlatformError> {
        let api: Api<Pod> = Api::all(link.client.clone());
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let on_it = format!("spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed");
        let pods = self
            .list_if_allowed(
                &api,
                "pods of all namespaces",
                &ListParams::default().fields(&on_it),
            )
            .await?;
        Ok(idle_share(node, &pods))
    }
}

/// What is asked for most decides how much more fits. A node of ours has pods: where none is seen,
/// they may not be.
fn idle_share(node: &Node, pods: &[Pod]) -> Option<f64> {
    let (cpus, memory) = size(node);
    let (mut cpu, mut gib) = (0.0, 0.0);
    for spec in pods.iter().filter_map(|pod| pod.spec.as_ref()) {
        let asked = requests(spec);
        cpu += asked.0;
        gib += asked.1;
    }
    let taken = (cpu / cpus).max(gib / memory);
    (taken.is_finite() && taken > 0.0).then(|| (1.0 - taken).max(0.0))
}

/// What of the idle part falls to those who ask for `share` of a node.
pub fn borne(share: f64, idle: f64) -> f64 {
    if idle < 1.0 {
        share * idle / (1.0 - idle)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nobody_asks_for_falls_to_those_who_ask_in_proportion() {
        let node: Node = serde_json::from_value(json!({
            "status": {"allocatable": {"cpu": "2", "memory": "8Gi"}}
        }))
        .expect("a node");
        let pod = |cpu: &str| -> Pod {
            serde_json::from_value(json!({"spec": {"containers": [
                {"name": "a", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
            ]}}))
            .expect("a pod")
        };
        // 1.5 of 2 vCPUs and 2 of 8 GiB: a quarter is idle.
        let idle = idle_share(&node, &[pod("1"), pod("500m")]).expect("seen");
        assert!((idle - 0.25).abs() < 1e-9, "{idle}");
        // Three quarters pay for the whole node.
        let whole = 0.75 + borne(0.75, idle);
        assert!((whole - 1.0).abs() < 1e-9, "{whole}");
        assert_eq!(idle_share(&node, &[]), None);
        assert_eq!(idle_share(&node, &[pod("4")]), Some(0.0));
    }
}
