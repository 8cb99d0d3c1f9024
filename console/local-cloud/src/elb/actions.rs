//! The ELB v2 actions that read what is there.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/>

use std::sync::Arc;

use serde_json::{Value, json};

use super::{LoadBalancer, TargetGroup};
use crate::cloud::Cloud;
use crate::protocol::{ACCOUNT, AwsError, QueryParams, Xml, iso8601};
use crate::proxy::{HealthState, Target};

const VERSION: &str = "2015-12-01";

/// Answers one action with the children of its result element.
///
/// # Errors
/// As the service models them; `InvalidAction` for an action that is not here.
pub async fn handle(
    cloud: &Arc<Cloud>,
    action: &str,
    params: &QueryParams,
) -> Result<Xml, AwsError> {
    let value = match action {
        "DescribeLoadBalancers" => load_balancers(cloud, params)?,
        "DescribeTargetGroups" => target_groups(cloud, params)?,
        "DescribeTargetHealth" => target_health(cloud, params)?,
        "DescribeListeners" => listeners(cloud, params)?,
        "DescribeTags" => tags(params),
        "DescribeTargetGroupAttributes" => target_group_attributes(cloud, params)?,
        "DescribeLoadBalancerAttributes" => load_balancer_attributes(cloud, params)?,
        other => return Err(AwsError::invalid_action(other, VERSION)),
    };
    let mut xml = Xml::new();
    xml.tree(&value);
    Ok(xml)
}

/// One page of a list, whose marker is the place of the next item.
fn page(params: &QueryParams, items: Vec<Value>) -> Result<(Vec<Value>, Value), AwsError> {
    let invalid = |what: &str| AwsError::client("ValidationError", format!("{what} is not valid"));
    let size: usize = match params.get("PageSize") {
        Some(text) => text
            .parse()
            .ok()
            .filter(|size| (1..=400).contains(size))
            .ok_or_else(|| invalid("PageSize"))?,
        None => 400,
    };
    let from: usize = match params.get("Marker").filter(|m| !m.is_empty()) {
        Some(text) => text.parse().map_err(|_| invalid("Marker"))?,
        None => 0,
    };
    let total = items.len();
    let page: Vec<Value> = items.into_iter().skip(from).take(size).collect();
    let next = from + page.len();
    let marker = if next < total && !page.is_empty() {
        Value::String(next.to_string())
    } else {
        Value::Null
    };
    Ok((page, marker))
}

fn load_balancers(cloud: &Cloud, params: &QueryParams) -> Result<Value, AwsError> {
    let (arns, names) = (params.list("LoadBalancerArns"), params.list("Names"));
    let all = cloud.elb.balancers();
    let asked = arns.iter().chain(&names);
    for name in asked {
        if !all.iter().any(|b| b.arn == *name || b.name == *name) {
            return Err(not_found("LoadBalancerNotFound", "Load balancers", name));
        }
    }
    let every = arns.is_empty() && names.is_empty();
    let found = all
        .iter()
        .filter(|b| every || arns.contains(&b.arn.as_str()) || names.contains(&b.name.as_str()))
        .map(load_balancer)
        .collect();
    let (page, marker) = page(params, found)?;
    Ok(json!({ "LoadBalancers": page, "NextMarker": marker }))
}

fn load_balancer(balancer: &LoadBalancer) -> Value {
    json!({
        "LoadBalancerArn": balancer.arn,
        "DNSName": "127.0.0.1",
        "CanonicalHostedZoneId": "Z35SXDOTRQ7X7K",
        "CreatedTime": iso8601(balancer.created_at),
        "LoadBalancerName": balancer.name,
        "Scheme": "internet-facing",
        "VpcId": crate::seed::VPC,
        "State": { "Code": if balancer.port.is_some() { "active" } else { "provisioning" } },
        "Type": "application",
        "AvailabilityZones": crate::seed::SUBNETS
            .iter()
            .map(|(zone, subnet)| json!({ "ZoneName": zone, "SubnetId": subnet }))
            .collect::<Vec<_>>(),
        "SecurityGroups": [crate::seed::SECURITY_GROUP],
        "IpAddressType": "ipv4",
    })
}

fn target_groups(cloud: &Cloud, params: &QueryParams) -> Result<Value, AwsError> {
    let (arns, names) = (params.list("TargetGroupArns"), params.list("Names"));
    let of_balancer = params.get("LoadBalancerArn");
    let balancers = cloud.elb.balancers();
    if let Some(arn) = of_balancer
        && !balancers.iter().any(|b| b.arn == arn)
    {
        return Err(not_found("LoadBalancerNotFound", "Load balancers", arn));
    }
    let all = cloud.elb.groups();
    for name in arns.iter().chain(&names) {
        if !all.iter().any(|g| g.arn == *name || g.name == *name) {
            return Err(not_found("TargetGroupNotFound", "Target groups", name));
        }
    }
    let every = arns.is_empty() && names.is_empty();
    let found = all
        .iter()
        .filter(|g| every || arns.contains(&g.arn.as_str()) || names.contains(&g.name.as_str()))
        .filter_map(|group| {
            let owners: Vec<&str> = balancers
                .iter()
                .filter(|b| b.target_group_arn == group.arn)
                .map(|b| b.arn.as_str())
                .collect();
            let wanted = of_balancer.is_none_or(|arn| owners.contains(&arn));
            wanted.then(|| target_group(group, &owners))
        })
        .collect();
    let (page, marker) = page(params, found)?;
    Ok(json!({ "TargetGroups": page, "NextMarker": marker }))
}

fn target_group(group: &TargetGroup, owners: &[&str]) -> Value {
    let check = &group.check;
    json!({
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": "HTTP",
        "Port": 8080,
        "VpcId": crate::seed::VPC,
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckEnabled": true,
        "HealthCheckIntervalSeconds": check.interval_ms.div_ceil(1000),
        "HealthCheckTimeoutSeconds": check.timeout_ms.div_ceil(1000),
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path,
        "Matcher": { "HttpCode": "200-299" },
        "LoadBalancerArns": owners,
        "TargetType": "ip",
        "ProtocolVersion": "HTTP1",
        "IpAddressType": "ipv4",
    })
}

fn group_of(cloud: &Cloud, params: &QueryParams) -> Result<TargetGroup, AwsError> {
    let arn = params.required("TargetGroupArn")?;
    cloud
        .elb
        .groups()
        .into_iter()
        .find(|g| g.arn == arn)
        .ok_or_else(|| not_found("TargetGroupNotFound", "Target groups", arn))
}

fn target_health(cloud: &Cloud, params: &QueryParams) -> Result<Value, AwsError> {
    let group = group_of(cloud, params)?;
    let targets = cloud
        .elb
        .targets(&group.arn)
        .map(|targets| targets.all())
        .unwrap_or_default();
    let tree = params.to_tree();
    let asked: Vec<(String, Option<u16>)> = crate::protocol::members::list(&tree, "Targets")
        .iter()
        .map(|target| {
            let id = crate::protocol::members::text(target, "Id").unwrap_or_default();
            let port = crate::protocol::members::integer(target, "Port");
            (id.to_owned(), port.and_then(|p| u16::try_from(p).ok()))
        })
        .collect();
    if asked.is_empty() {
        let all: Vec<Value> = targets.iter().map(description).collect();
        return Ok(json!({ "TargetHealthDescriptions": all }));
    }
    let found: Vec<Value> = asked
        .iter()
        .flat_map(|(id, port)| {
            let matching: Vec<Value> = targets
                .iter()
                .filter(|t| id == "127.0.0.1" && port.is_none_or(|p| p == t.port))
                .map(description)
                .collect();
            if matching.is_empty() {
                vec![json!({
                    "Target": { "Id": id, "Port": port.unwrap_or(8080) },
                    "TargetHealth": {
                        "State": "unused",
                        "Reason": "Target.NotRegistered",
                        "Description": "Target is not registered to the target group",
                    },
                })]
            } else {
                matching
            }
        })
        .collect();
    Ok(json!({ "TargetHealthDescriptions": found }))
}

fn description(target: &Target) -> Value {
    let state = match target.state {
        HealthState::Initial => "initial",
        HealthState::Healthy => "healthy",
        HealthState::Unhealthy => "unhealthy",
        HealthState::Draining => "draining",
    };
    json!({
        "Target": { "Id": "127.0.0.1", "Port": target.port, "AvailabilityZone": "us-east-1a" },
        "HealthCheckPort": target.port.to_string(),
        "TargetHealth": {
            "State": state,
            "Reason": target.reason,
            "Description": target.description,
        },
    })
}

fn listeners(cloud: &Cloud, params: &QueryParams) -> Result<Value, AwsError> {
    let all = cloud.elb.balancers();
    let arns = params.list("ListenerArns");
    let of_balancer = params.get("LoadBalancerArn");
    if let Some(arn) = of_balancer
        && !all.iter().any(|b| b.arn == arn)
    {
        return Err(not_found("LoadBalancerNotFound", "Load balancers", arn));
    }
    for arn in &arns {
        if !all.iter().any(|b| b.listener_arn == *arn) {
            return Err(not_found("ListenerNotFound", "Listeners", arn));
        }
    }
    if of_balancer.is_none() && arns.is_empty() {
        return Err(AwsError::client(
            "ValidationError",
            "You must specify either listener ARNs or a load balancer ARN",
        ));
    }
    let found = all
        .iter()
        .filter(|b| of_balancer == Some(b.arn.as_str()) || arns.contains(&b.listener_arn.as_str()))
        .map(|balancer| {
            json!({
                "ListenerArn": balancer.listener_arn,
                "LoadBalancerArn": balancer.arn,
                "Port": balancer.port,
                "Protocol": "HTTP",
                "DefaultActions": [{
                    "Type": "forward",
                    "TargetGroupArn": balancer.target_group_arn,
                    "ForwardConfig": {
                        "TargetGroups": [{
                            "TargetGroupArn": balancer.target_group_arn,
                            "Weight": 1,
                        }],
                        "TargetGroupStickinessConfig": { "Enabled": false },
                    },
                }],
            })
        })
        .collect();
    let (page, marker) = page(params, found)?;
    Ok(json!({ "Listeners": page, "NextMarker": marker }))
}

fn tags(params: &QueryParams) -> Value {
    let described: Vec<Value> = params
        .list("ResourceArns")
        .iter()
        .map(|arn| json!({ "ResourceArn": arn, "Tags": [] }))
        .collect();
    json!({ "TagDescriptions": described })
}

fn target_group_attributes(cloud: &Cloud, params: &QueryParams) -> Result<Value, AwsError> {
    let group = group_of(cloud, params)?;
    let seconds = group.deregistration_delay_ms.div_ceil(1000).to_string();
    Ok(attributes(&[
        ("deregistration_delay.timeout_seconds", &seconds),
        ("stickiness.enabled", "false"),
        ("load_balancing.algorithm.type", "round_robin"),
        ("slow_start.duration_seconds", "0"),
    ]))
}

fn load_balancer_attributes(cloud: &Cloud, params: &QueryParams) -> Result<Value, AwsError> {
    let arn = params.required("LoadBalancerArn")?;
    if !cloud.elb.balancers().iter().any(|b| b.arn == arn) {
        return Err(not_found("LoadBalancerNotFound", "Load balancers", arn));
    }
    Ok(attributes(&[
        ("idle_timeout.timeout_seconds", "60"),
        ("deletion_protection.enabled", "false"),
        ("access_logs.s3.enabled", "false"),
    ]))
}

fn attributes(pairs: &[(&str, &str)]) -> Value {
    let list: Vec<Value> = pairs
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    json!({ "Attributes": list })
}

fn not_found(code: &'static str, what: &str, name: &str) -> AwsError {
    AwsError::client(
        code,
        format!("{what} '[{name}]' not found in account {ACCOUNT}"),
    )
}
