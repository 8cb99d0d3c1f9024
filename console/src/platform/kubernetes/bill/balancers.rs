//! AWS load balancers that lead to the pods: those of Ingresses (ALB) and of Services (NLB).
//!
//! An Ingress does not say what it costs; that a load balancer of AWS stands behind it is told by the
//! host name that its controller reports.

use crate::{
    model::BillLine,
    platform::{kubernetes::surroundings::Entrances, text::clean},
};
use k8s_openapi::api::{core::v1::Service, networking::v1::Ingress};

/// Host names of AWS load balancers end like this (`NAME.REGION.elb.amazonaws.com` of an ALB,
/// `NAME.elb.REGION.amazonaws.com` of an NLB).
const AWS: &str = ".amazonaws.com";
/// Ingresses with the same group share a load balancer (AWS Load Balancer Controller, Ingress
/// annotations).
const GROUP: &str = "alb.ingress.kubernetes.io/group.name";

/// A line for each load balancer, shared ones included.
pub fn lines(entrances: &Entrances) -> Vec<BillLine> {
    let of_ingresses = entrances.ingresses.iter().map(|ingress| {
        let annotations = ingress.metadata.annotations.as_ref();
        let is_shared = annotations.is_some_and(|known| known.contains_key(GROUP));
        let shared = if is_shared {
            ", shared by its group of Ingresses"
        } else {
            ""
        };
        (
            ingress_host(ingress),
            "alb.hour",
            &ingress.metadata.name,
            shared,
        )
    });
    let of_services = entrances.services.iter().map(|service| {
        (
            service_host(service),
            "nlb.hour",
            &service.metadata.name,
            "",
        )
    });
    let mut seen: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for (host, sku, name, shared) in of_ingresses.chain(of_services) {
        let is_of_aws = |host: &&str| host.ends_with(AWS) && host.contains(".elb.");
        let Some(host) = host.filter(is_of_aws).filter(|host| !seen.contains(host)) else {
            continue;
        };
        seen.push(host);
        let name = name.as_deref().unwrap_or_default();
        lines.push(BillLine::always(
            clean(&format!("load balancer of {name}{shared}")),
            sku,
            1.0,
            "the address that its controller reports",
        ));
    }
    lines
}

fn ingress_host(ingress: &Ingress) -> Option<&str> {
    let status = ingress.status.as_ref()?.load_balancer.as_ref()?;
    status.ingress.as_ref()?.first()?.hostname.as_deref()
}

fn service_host(service: &Service) -> Option<&str> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?;
    status.ingress.as_ref()?.first()?.hostname.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object<T: serde::de::DeserializeOwned>(name: &str, annotations: Value, host: &str) -> T {
        serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": annotations},
            "status": {"loadBalancer": {"ingress": [{"hostname": host}]}}
        }))
        .expect("an object")
    }

    #[test]
    fn a_balancer_counts_once_however_many_lead_to_it_and_only_where_it_is_of_aws() {
        let group = json!({GROUP: "shop"});
        let shop = "k8s-shop-1.eu-central-1.elb.amazonaws.com";
        let found = lines(&Entrances {
            ingresses: vec![
                object("a", group.clone(), shop),
                object("b", group, shop),
                object("c", json!({}), "nginx.example"),
            ],
            services: vec![object(
                "d",
                json!({}),
                "k8s-d-2.elb.eu-central-1.amazonaws.com",
            )],
        });
        let found: Vec<_> = found
            .iter()
            .map(|line| (line.what.as_str(), line.sku.as_str(), line.quantity))
            .collect();
        let shared = "load balancer of a, shared by its group of Ingresses";
        assert_eq!(
            found,
            [
                (shared, "alb.hour", 1.0),
                ("load balancer of d", "nlb.hour", 1.0)
            ]
        );
    }
}
