//! The load balancer in front of a service: its address, its targets, and the names of its metrics.

use super::{
    EcsPlatform,
    operations::{
        DESCRIBE_LISTENERS, DESCRIBE_LOAD_BALANCERS, DESCRIBE_TARGET_GROUPS, DESCRIBE_TARGET_HEALTH,
    },
    text::clean,
};
use crate::{model::Target, platform::PlatformError};
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancer, TargetHealthDescription};
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;

/// What stands in front of a service. Changes seldom, so it is cached for some minutes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Balancers {
    /// One for each target group.
    pub routes: Vec<Route>,
    /// The load balancers themselves.
    pub balancers: Vec<Balancer>,
    /// Where users reach the service.
    pub url: Option<String>,
}

/// One target group and the load balancer that fills it.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The `TargetGroup` dimension of its metrics: `targetgroup/api/0123`.
    pub target_group: String,
    /// The `LoadBalancer` dimension of its metrics: `app/prod/0123`.
    pub load_balancer: String,
    /// True when no other target group hangs on that load balancer, so that the answers it gives
    /// by itself (503 without a healthy target) are this service's, too.
    pub exclusive: bool,
}

/// A load balancer as the bill needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancer {
    /// Its name.
    pub name: String,
    /// `application`, `network`, `gateway`.
    pub kind: String,
    /// Whether it has public addresses.
    pub internet_facing: bool,
    /// In how many availability zones it is.
    pub zones: usize,
    /// How many target groups share it.
    pub target_groups: usize,
    /// The `LoadBalancer` dimension of its metrics.
    pub dimension: String,
}

impl EcsPlatform {
    /// The load balancers of those target groups.
    pub(super) async fn balancers(
        &self,
        groups: &[String],
    ) -> Result<Arc<Balancers>, PlatformError> {
        if groups.is_empty() {
            return Ok(Arc::default());
        }
        let key = groups.join(" ");
        if let Some(known) = self.caches.balancers.get(&key) {
            return Ok(known);
        }
        let found = Arc::new(self.find_balancers(groups).await?);
        self.caches.balancers.put(key, Arc::clone(&found));
        Ok(found)
    }

    async fn find_balancers(&self, groups: &[String]) -> Result<Balancers, PlatformError> {
        let described = self
            .session
            .read(&DESCRIBE_TARGET_GROUPS, |clients| {
                clients
                    .elb
                    .describe_target_groups()
                    .set_target_group_arns(Some(groups.to_vec()))
                    .send()
            })
            .await?;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for group in described.target_groups() {
            let Some(arn) = group.target_group_arn() else {
                continue;
            };
            for balancer in group.load_balancer_arns() {
                pairs.push((arn.to_owned(), balancer.clone()));
            }
        }
        let mut arns: Vec<String> = pairs.iter().map(|(_, balancer)| balancer.clone()).collect();
        arns.sort();
        arns.dedup();
        if arns.is_empty() {
            return Ok(Balancers::default());
        }
        let answer = self
            .session
            .read(&DESCRIBE_LOAD_BALANCERS, |clients| {
                clients
                    .elb
                    .describe_load_balancers()
                    .set_load_balancer_arns(Some(arns.clone()))
                    .send()
            })
            .await?;
        let mut found = Balancers::default();
        for described in answer.load_balancers() {
            let Some(arn) = described.load_balancer_arn() else {
                continue;
            };
            let target_groups = self.target_groups_of(arn).await.unwrap_or(1);
            found
                .balancers
                .push(balancer(described, arn, target_groups));
            for (group, _) in pairs.iter().filter(|(_, balancer)| balancer == arn) {
                found.routes.push(Route {
                    target_group: dimension(group, "targetgroup/"),
                    load_balancer: dimension(arn, "loadbalancer/")
                        .trim_start_matches("loadbalancer/")
                        .to_owned(),
                    exclusive: target_groups <= 1,
                });
            }
            if found.url.is_none() {
                found.url = self.url_of(described, arn).await;
            }
        }
        Ok(found)
    }

    async fn target_groups_of(&self, balancer: &str) -> Result<usize, PlatformError> {
        let answer = self
            .session
            .read(&DESCRIBE_TARGET_GROUPS, |clients| {
                clients
                    .elb
                    .describe_target_groups()
                    .load_balancer_arn(balancer)
                    .send()
            })
            .await?;
        Ok(answer.target_groups().len())
    }

    /// `https` where a listener speaks it; the port only where it is not the protocol's own.
    async fn url_of(&self, balancer: &LoadBalancer, arn: &str) -> Option<String> {
        let host = clean(balancer.dns_name()?);
        let listeners = self
            .session
            .read(&DESCRIBE_LISTENERS, |clients| {
                clients
                    .elb
                    .describe_listeners()
                    .load_balancer_arn(arn)
                    .send()
            })
            .await
            .ok();
        let ports: Vec<(String, i32)> = listeners
            .iter()
            .flat_map(|answer| answer.listeners())
            .filter_map(|listener| {
                let protocol = listener.protocol()?.as_str().to_lowercase();
                Some((protocol, listener.port()?))
            })
            .collect();
        Some(url(&host, &ports))
    }

    /// What the load balancer thinks of each target.
    pub(super) async fn targets(&self, groups: &[String]) -> Result<Vec<Target>, PlatformError> {
        let answers: Vec<Vec<Target>> = stream::iter(groups.to_vec())
            .map(|group| async move {
                let answer = self
                    .session
                    .read(&DESCRIBE_TARGET_HEALTH, |clients| {
                        clients
                            .elb
                            .describe_target_health()
                            .target_group_arn(&group)
                            .send()
                    })
                    .await?;
                Ok::<_, PlatformError>(
                    answer
                        .target_health_descriptions()
                        .iter()
                        .filter_map(target)
                        .collect(),
                )
            })
            .buffered(4)
            .try_collect()
            .await?;
        Ok(answers.into_iter().flatten().collect())
    }
}

fn balancer(described: &LoadBalancer, arn: &str, target_groups: usize) -> Balancer {
    Balancer {
        name: described
            .load_balancer_name()
            .map(clean)
            .unwrap_or_default(),
        kind: described
            .r#type()
            .map_or_else(|| "application".to_owned(), |kind| clean(kind.as_str())),
        internet_facing: described
            .scheme()
            .is_none_or(|scheme| scheme.as_str() != "internal"),
        zones: described.availability_zones().len(),
        target_groups: target_groups.max(1),
        dimension: dimension(arn, "loadbalancer/")
            .trim_start_matches("loadbalancer/")
            .to_owned(),
    }
}

/// The part of an ARN that CloudWatch uses as a dimension (ELB user guide, "CloudWatch metrics").
fn dimension(arn: &str, from: &str) -> String {
    arn.find(from)
        .map_or_else(|| arn.to_owned(), |at| arn[at..].to_owned())
}

fn url(host: &str, ports: &[(String, i32)]) -> String {
    let secure = ports
        .iter()
        .find(|(protocol, _)| matches!(protocol.as_str(), "https" | "tls"));
    let (scheme, port) = match secure.or_else(|| ports.first()) {
        Some((protocol, port)) if matches!(protocol.as_str(), "https" | "tls") => ("https", *port),
        Some((_, port)) => ("http", *port),
        None => return format!("http://{host}"),
    };
    let usual = if scheme == "https" { 443 } else { 80 };
    // A host that names its port already (a balancer of the local cloud) keeps it.
    if port == usual || host.contains(':') {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{port}")
    }
}

fn target(described: &TargetHealthDescription) -> Option<Target> {
    let target = described.target()?;
    let id = clean(target.id()?);
    let health = described.target_health();
    let reason = [
        health
            .and_then(|health| health.reason())
            .map(|reason| clean(reason.as_str())),
        health.and_then(|health| health.description()).map(clean),
    ];
    let reason: Vec<String> = reason.into_iter().flatten().collect();
    Some(Target {
        address: match target.port() {
            Some(port) => format!("{id}:{port}"),
            None => id,
        },
        state: health
            .and_then(|health| health.state())
            .map_or_else(|| "unknown".to_owned(), |state| clean(state.as_str())),
        reason: (!reason.is_empty()).then(|| reason.join(": ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_ends_in_its_metrics_dimension() {
        let group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/01ab";
        assert_eq!(dimension(group, "targetgroup/"), "targetgroup/api/01ab");
    }

    #[test]
    fn the_secure_listener_is_the_address_and_usual_ports_are_left_out() {
        let ports = [("http".to_owned(), 80), ("https".to_owned(), 443)];
        assert_eq!(url("a.example", &ports), "https://a.example");
        assert_eq!(
            url("a.example", &[("http".to_owned(), 8080)]),
            "http://a.example:8080"
        );
        assert_eq!(
            url("127.0.0.1:4000", &[("http".to_owned(), 4000)]),
            "http://127.0.0.1:4000"
        );
    }
}
