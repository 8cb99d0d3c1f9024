//! The bill of resources: the share of nodes that the requests take.

use super::{KubernetesPlatform, scene::Scene, template};
use crate::{
    model::{BillLine, BillOfResources, Schedule},
    platform::{PlatformError, kubernetes::scene::tolerate},
};
use k8s_openapi::{
    api::core::v1::{Node, PodTemplateSpec},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{Api, api::ListParams};

const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

impl KubernetesPlatform {
    pub(super) async fn current_bill(&self) -> Result<BillOfResources, PlatformError> {
        let scene = self.scene().await?;
        let template = template::of_deployment(&scene.deployment);
        self.bill_of(&scene, &template, scene.desired()).await
    }

    pub(super) async fn bill_of(
        &self,
        scene: &Scene,
        template: &PodTemplateSpec,
        desired: u32,
    ) -> Result<BillOfResources, PlatformError> {
        let link = self.session.link().await?;
        let api: Api<Node> = Api::all(link.client.clone());
        let nodes = self
            .list(&api, "nodes", &ListParams::default().limit(100))
            .await;
        let nodes = tolerate("nodes", nodes)?;
        // Where its pods are; else any node stands for the others.
        let own = scene
            .pods
            .iter()
            .find_map(|pod| pod.spec.as_ref()?.node_name.clone());
        let node = nodes
            .iter()
            .find(|node| node.metadata.name == own)
            .or(nodes.first());
        let (cpu, gib) = requests(template);
        let replicas = f64::from(desired);
        let mut lines = Vec::new();
        let kind = node.and_then(|node| node.metadata.labels.as_ref()?.get(INSTANCE_TYPE).cloned());
        match node
            .map(size)
            .filter(|(cpus, memory)| *cpus > 0.0 && *memory > 0.0)
        {
            _ if cpu == 0.0 && gib == 0.0 => lines.push(BillLine {
                what: format!("pods without requests, {desired}"),
                sku: "kubernetes.no-requests".to_owned(),
                quantity: replicas,
                schedule: Schedule::Always,
                basis: "pod template: it requests nothing, so no share of a node is its own"
                    .to_owned(),
            }),
            Some((cpus, memory)) => {
                // What is asked for most decides how many pods fit on a node.
                let share = (cpu / cpus).max(gib / memory);
                let kind = kind.unwrap_or_else(|| "unknown".to_owned());
                lines.push(BillLine {
                    what: format!("share of {kind} nodes, {desired} × {:.1} %", share * 100.0),
                    sku: format!("ec2.{kind}"),
                    quantity: replicas * share,
                    schedule: Schedule::Always,
                    basis: format!("requests ({cpu} vCPU, {gib:.2} GiB) of what a node offers"),
                });
            }
            None => lines.push(BillLine {
                what: format!("pods of {cpu} vCPU and {gib:.2} GiB, {desired}"),
                sku: "kubernetes.unknown-node".to_owned(),
                quantity: replicas,
                schedule: Schedule::Always,
                basis: "requests; the nodes may not be listed".to_owned(),
            }),
        }
        if link.server.contains(".eks.amazonaws.com") {
            lines.push(BillLine {
                what: "EKS control plane, shared by all that runs on the cluster".to_owned(),
                sku: "eks.cluster".to_owned(),
                quantity: 1.0,
                schedule: Schedule::Always,
                basis: "the API server's address".to_owned(),
            });
        }
        lines.extend(self.environment.extra_bill.iter().map(|extra| BillLine {
            what: extra.what.clone(),
            sku: extra.sku.clone(),
            quantity: extra.quantity,
            schedule: Schedule::Always,
            basis: "configured".to_owned(),
        }));
        Ok(BillOfResources {
            region: self.config.region.clone(),
            note: None,
            lines,
        })
    }
}

/// vCPUs and GiB that one pod requests; a limit without a request is one (API reference).
fn requests(template: &PodTemplateSpec) -> (f64, f64) {
    let containers = template
        .spec
        .as_ref()
        .map(|spec| spec.containers.as_slice());
    let of = |name: &str| -> f64 {
        containers
            .unwrap_or_default()
            .iter()
            .filter_map(|container| {
                let resources = container.resources.as_ref()?;
                let get = |map: &Option<std::collections::BTreeMap<String, Quantity>>| {
                    map.as_ref()?.get(name).and_then(amount)
                };
                get(&resources.requests).or_else(|| get(&resources.limits))
            })
            .sum()
    };
    (of("cpu"), of("memory") / GIB)
}

/// vCPUs and GiB that a node offers.
fn size(node: &Node) -> (f64, f64) {
    let offered = node
        .status
        .as_ref()
        .and_then(|status| status.allocatable.as_ref());
    let of = |name: &str| {
        offered
            .and_then(|offered| offered.get(name))
            .and_then(amount)
            .unwrap_or_default()
    };
    (of("cpu"), of("memory") / GIB)
}

/// A quantity as a number: `250m`, `512Mi`, `1e3` (API reference, Quantity).
pub fn amount(quantity: &Quantity) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 14] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", GIB),
        ("Ti", GIB * 1024.0),
        ("Pi", GIB * 1_048_576.0),
        ("Ei", GIB * GIB),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
    ];
    let text = quantity.0.trim();
    for (suffix, factor) in SUFFIXES {
        if let Some(number) = text.strip_suffix(suffix) {
            return number.parse::<f64>().ok().map(|number| number * factor);
        }
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_binary_decimal_and_milli_units() {
        let of = |text: &str| amount(&Quantity(text.to_owned()));
        assert_eq!(of("250m"), Some(0.25));
        assert_eq!(of("512Mi"), Some(536_870_912.0));
        assert_eq!(of("2"), Some(2.0));
        assert_eq!(of("1e3"), Some(1000.0));
        assert_eq!(of("many"), None);
    }
}
