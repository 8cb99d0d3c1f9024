//! What a load balancer and a target group are, and their names.

use serde::{Deserialize, Serialize};

use crate::protocol::{ACCOUNT, REGION};
use crate::proxy::HealthCheck;

/// An application load balancer with one listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its listener's ARN.
    pub listener_arn: String,
    /// Where the listener sends everything.
    pub target_group_arn: String,
    /// The listener's port on 127.0.0.1, once it has listened.
    pub port: Option<u16>,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
}

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// How its targets are probed.
    pub check: HealthCheck,
    /// How long a target may drain.
    pub deregistration_delay_ms: u64,
}

fn arn(resource: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:{resource}")
}

fn id() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..16].to_owned()
}

impl LoadBalancer {
    /// A new one.
    pub fn new(name: &str, target_group_arn: &str, created_at: i64) -> Self {
        let own = id();
        Self {
            name: name.to_owned(),
            arn: arn(&format!("loadbalancer/app/{name}/{own}")),
            listener_arn: arn(&format!("listener/app/{name}/{own}/{}", id())),
            target_group_arn: target_group_arn.to_owned(),
            port: None,
            created_at,
        }
    }

    /// The value of the `LoadBalancer` dimension: `app/dev/0123456789abcdef`.
    pub fn dimension(&self) -> &str {
        self.arn
            .split_once(":loadbalancer/")
            .map_or("", |(_, name)| name)
    }
}

impl TargetGroup {
    /// A new one.
    pub fn new(name: &str, check: HealthCheck, deregistration_delay_ms: u64) -> Self {
        Self {
            name: name.to_owned(),
            arn: arn(&format!("targetgroup/{name}/{}", id())),
            check,
            deregistration_delay_ms,
        }
    }

    /// The value of the `TargetGroup` dimension: `targetgroup/api-dev/0123456789abcdef`.
    pub fn dimension(&self) -> &str {
        dimension_of_group(&self.arn)
    }
}

/// The value of the `TargetGroup` dimension of a target group's ARN.
pub fn dimension_of_group(arn: &str) -> &str {
    arn.find("targetgroup/").map_or("", |at| &arn[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_the_last_part_of_the_arn_as_cloudwatch_has_them() {
        let check = HealthCheck {
            path: "/".into(),
            interval_ms: 1,
            timeout_ms: 1,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
        };
        let group = TargetGroup::new("api-dev", check, 0);
        let balancer = LoadBalancer::new("dev", &group.arn, 0);
        assert!(group.dimension().starts_with("targetgroup/api-dev/"));
        assert!(balancer.dimension().starts_with("app/dev/"));
    }
}
