//! The bill of resources: the share of nodes that the requests take, what of their idle part falls to
//! it, load balancers, volumes, the control plane.

mod balancers;
mod idle;
mod volumes;

use super::{KubernetesPlatform, scene::Scene, template};
use crate::{
    model::{BillLine, BillOfResources},
    platform::PlatformError,
};
use idle::borne;
use k8s_openapi::{
    api::core::v1::{Node, PodSpec, PodTemplateSpec},
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
            .list_if_allowed(&api, "nodes", &ListParams::default().limit(100))
            .await?;
        // Where its pods are; else any node stands for the others.
        let own = scene
            .pods
            .iter()
            .find_map(|pod| pod.spec.as_ref()?.node_name.clone());
        let node = nodes
            .iter()
            .find(|node| node.metadata.name == own)
            .or(nodes.first());
        let idle = match node {
            Some(node) => self.idle(&link, node).await?,
            None => None,
        };
        let mut lines = compute(template, desired, node, idle);
        for line in &mut lines {
            line.schedule = self.environment.schedule();
        }
        lines.extend(balancers::lines(&self.entrances(scene).await?));
        lines.extend(self.volumes(&link, template).await?);
        if link.server.contains(".eks.amazonaws.com") {
            lines.push(BillLine::always(
                "EKS control plane, shared by all that runs on the cluster".to_owned(),
                "eks.cluster",
                1.0,
                "the API server's address",
            ));
        }
        lines.extend(self.environment.extra_lines());
        Ok(BillOfResources {
            region: self.config.region.clone(),
            note: None,
            lines,
        })
    }
}

/// What the pods take of the nodes. `idle`: how much of one nobody asks for, 0–1.
fn compute(
    template: &PodTemplateSpec,
    desired: u32,
    node: Option<&Node>,
    idle: Option<f64>,
) -> Vec<BillLine> {
    let (cpu, gib) = template.spec.as_ref().map_or((0.0, 0.0), requests);
    let replicas = f64::from(desired);
    if cpu == 0.0 && gib == 0.0 {
        return vec![BillLine::always(
            format!("pods without requests, {desired}"),
            "kubernetes.no-requests",
            replicas,
            "pod template: it requests nothing, so no share of a node is its own",
        )];
    }
    let Some((node, (cpus, memory))) = node
        .map(|node| (node, size(node)))
        .filter(|(_, (cpus, memory))| *cpus > 0.0 && *memory > 0.0)
    else {
        return vec![BillLine::always(
            format!("pods of {cpu} vCPU and {gib:.2} GiB, {desired}"),
            "kubernetes.unknown-node",
            replicas,
            "requests; the nodes may not be listed",
        )];
    };
    let labels = node.metadata.labels.as_ref();
    let kind = labels.and_then(|labels| labels.get(INSTANCE_TYPE));
    let kind = kind.map_or("unknown", String::as_str);
    let sku = format!("ec2.{kind}");
    // What is asked for most decides how many pods fit on a node.
    let share = (cpu / cpus).max(gib / memory);
    let mut lines = vec![BillLine::always(
        format!("share of {kind} nodes, {desired} × {:.1} %", share * 100.0),
        &sku,
        replicas * share,
        &format!("requests ({cpu} vCPU, {gib:.2} GiB) of what a node offers"),
    )];
    if let Some(idle) = idle.filter(|idle| *idle > 0.0) {
        lines.push(BillLine::always(
            format!(
                "idle share of these nodes, {:.0} % asked for by nobody",
                idle * 100.0
            ),
            &sku,
            replicas * borne(share, idle),
            "requests of all pods on a node of its pods, borne in proportion",
        ));
    }
    lines
}

/// vCPUs and GiB that one pod requests; a limit without a request is one (API reference).
fn requests(spec: &PodSpec) -> (f64, f64) {
    let of = |name: &str| -> f64 {
        spec.containers
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
