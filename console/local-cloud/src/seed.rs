//! The first world: three environments with releases to deploy, good and bad, brought up by the
//! same rollouts as everybody's.

use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::cloudwatch::{
    AlarmDefinition, AlarmMetric, Comparison, MetricDataQuery, MetricId, MissingData, Statistic,
};
use crate::ecr::registry_host;
use crate::ecs;
use crate::elb::{LoadBalancer, TargetGroup};
use crate::protocol::{ACCOUNT, AwsError, REGION, now_ms};
use crate::proxy::HealthCheck;
use crate::settings::write_whole;

/// The virtual private cloud that everything says it is in.
pub const VPC: &str = "vpc-0a1b2c3d4e5f60718";

/// Availability zones and the subnet in each.
pub const SUBNETS: [(&str, &str); 3] = [
    ("us-east-1a", "subnet-0a11111111111111a"),
    ("us-east-1b", "subnet-0b22222222222222b"),
    ("us-east-1c", "subnet-0c33333333333333c"),
];

/// The security group of load balancers and tasks.
pub const SECURITY_GROUP: &str = "sg-0123456789abcdef0";

/// The repository of the releases.
pub const REPOSITORY: &str = "opsconsole-api";

/// The bucket for locks.
pub const LOCK_BUCKET: &str = "opsconsole-locks";

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Alarms look at periods of this length, the shortest that CloudWatch has for high-resolution
/// metrics.
const ALARM_PERIOD_S: i64 = 10;

struct Environment {
    name: &'static str,
    cpu: &'static str,
    memory: &'static str,
    desired: u32,
    /// Deployed one after the other.
    releases: [&'static str; 2],
    alarms_roll_back: bool,
}

const ENVIRONMENTS: [Environment; 3] = [
    Environment {
        name: "dev",
        cpu: "256",
        memory: "512",
        desired: 2,
        releases: ["1.4.1", "1.5.0"],
        alarms_roll_back: false,
    },
    Environment {
        name: "staging",
        cpu: "512",
        memory: "1024",
        desired: 2,
        releases: ["1.4.0", "1.4.1"],
        alarms_roll_back: true,
    },
    Environment {
        name: "prod",
        cpu: "1024",
        memory: "2048",
        desired: 4,
        releases: ["1.4.0", "1.4.1"],
        alarms_roll_back: true,
    },
];

/// The API's fault switches, which a bad release's image carries.
mod faults {
    pub const CRASH: &str = "OPSCONSOLE_API_FAULT_CRASH_AFTER_MS";
    pub const NEVER_READY: &str = "OPSCONSOLE_API_FAULT_NEVER_READY";
    pub const FAIL: &str = "OPSCONSOLE_API_FAULT_FAIL_PERCENT";
    pub const LATENCY: &str = "OPSCONSOLE_API_FAULT_LATENCY_MS";
    pub const LEAK: &str = "OPSCONSOLE_API_FAULT_LEAK_KB_PER_REQUEST";
}

struct Release {
    version: &'static str,
    git_sha: &'static str,
    age_days: i64,
    change: &'static str,
    /// What is wrong with it, in its own configuration and so in its digest.
    fault: Option<(&'static str, &'static str)>,
}

const RELEASES: [Release; 9] = [
    Release {
        version: "1.3.0",
        git_sha: "3f9c1d7a52b08e64c1f7d90ab3e25c8841d6f0a2",
        age_days: 42,
        change: "List items page by page",
        fault: None,
    },
    Release {
        version: "1.4.0",
        git_sha: "8a61e0f4c97d2b35a0c4ee1b7f58d3926b0a7e1c",
        age_days: 30,
        change: "Answer errors as problem+json",
        fault: None,
    },
    Release {
        version: "1.4.1",
        git_sha: "c27b5e93d81f4a60972e6c0d35ab18f4e9d7203b",
        age_days: 24,
        change: "Wait for a busy database instead of failing",
        fault: None,
    },
    Release {
        version: "1.5.0",
        git_sha: "e5d04a7b16c3f982087da4be9c61f53720e8ab94",
        age_days: 16,
        change: "Histogram of request latency by route",
        fault: None,
    },
    Release {
        version: "1.5.1",
        git_sha: "19b7f3c8e2a64d05bb81c97e40fd26a35c8e7d16",
        age_days: 12,
        change: "Read the item limit from the environment",
        fault: Some((faults::CRASH, "0")),
    },
    Release {
        version: "1.6.0",
        git_sha: "72ce8d1f09a5b3467ed2c0f81b94a6e35d70f8c9",
        age_days: 9,
        change: "Check the downstream inventory before reporting ready",
        fault: Some((faults::NEVER_READY, "on")),
    },
    Release {
        version: "1.6.1",
        git_sha: "a04f6b29c5e71d38f0b92ae46c83d7150e9bf4d2",
        age_days: 6,
        change: "Validate item names against the new schema",
        fault: Some((faults::FAIL, "8")),
    },
    Release {
        version: "1.6.2",
        git_sha: "5d83e9a1f7c0462b8ae5d31f96c07b284fe1a0d7",
        age_days: 4,
        change: "Enrich items from the catalogue",
        fault: Some((faults::LATENCY, "700")),
    },
    Release {
        version: "1.7.0",
        git_sha: "f12a7c5de8093b64a1d7e50c2b96f84ed35a0c71",
        age_days: 1,
        change: "Keep recent items in memory",
        fault: Some((faults::LEAK, "256")),
    },
];

/// A release of the seeded registry, for people who want to know what they are about to rehearse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeededRelease {
    /// Its tag.
    pub tag: &'static str,
    /// What changed in it, as its image's label says.
    pub change: &'static str,
    /// How it behaves.
    pub behaviour: &'static str,
}

/// The seeded releases, oldest first.
pub fn releases() -> impl Iterator<Item = SeededRelease> {
    RELEASES.iter().map(|release| SeededRelease {
        tag: release.version,
        change: release.change,
        behaviour: match release.fault.map(|(setting, _)| setting) {
            None => "well",
            Some(faults::CRASH) => "exits at start",
            Some(faults::NEVER_READY) => "starts and never becomes ready",
            Some(faults::FAIL) => "becomes ready, then answers 8 % of requests with 500",
            Some(faults::LATENCY) => "answers slowly",
            Some(_) => "leaks memory",
        },
    })
}

/// Makes what is not there yet. What is kept over restarts is left as its users made it; what
/// lives in memory is made again, the same each time.
///
/// # Errors
/// When something cannot be kept on disk, or an action of the cloud refuses the seed.
pub async fn plant(cloud: &Arc<Cloud>) -> io::Result<()> {
    let born = birthday(cloud)?;
    publish_releases(cloud, born);
    cloud.s3.ensure_bucket(LOCK_BUCKET);
    let finished = cloud.settings.data.world().join(FINISHED).exists();
    cloud.ecs.hurry(!finished);
    for environment in &ENVIRONMENTS {
        let check = HealthCheck {
            path: "/readyz".to_owned(),
            interval_ms: u64::try_from(cloud.settings.pace.health_interval.as_millis())
                .unwrap_or(u64::MAX),
            timeout_ms: 1000,
            healthy_threshold: 2,
            unhealthy_threshold: 3,
        };
        let (balancer, group) = cloud.elb.ensure(
            environment.name,
            &format!("api-{}", environment.name),
            check,
            cloud.settings.pace.deregistration_delay,
            born,
        )?;
        cloud.logs.ensure_group(&log_group(environment.name));
        put_alarms(cloud, environment.name, &balancer, &group)?;
        if finished {
            continue;
        }
        call(
            cloud,
            "CreateCluster",
            &json!({ "clusterName": environment.name }),
        )
        .await?;
        let deployments = cloud.ecs.read(|world| {
            let service = world.service(environment.name, "api");
            service.map_or(0, |service| service.service_deployments.len())
        });
        if deployments == 0 {
            deploy_first(cloud, environment, &group).await?;
        }
    }
    if !finished {
        tokio::spawn(finish(Arc::clone(cloud)));
    }
    Ok(())
}

/// When this world began, which the ages of releases count from.
fn birthday(cloud: &Cloud) -> io::Result<i64> {
    let file = cloud.settings.data.world().join("born.json");
    match fs::read(&file) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let now = now_ms();
            write_whole(&file, now.to_string().as_bytes())?;
            Ok(now)
        }
        Err(error) => Err(error),
    }
}

fn publish_releases(cloud: &Cloud, born: i64) {
    for release in &RELEASES {
        let mut env = vec![
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            ("OPSCONSOLE_API_RELEASE", release.version),
            ("OPSCONSOLE_API_GIT_SHA", release.git_sha),
        ];
        env.extend(release.fault);
        let labels = [
            ("org.opencontainers.image.title", REPOSITORY),
            ("org.opencontainers.image.version", release.version),
            ("org.opencontainers.image.revision", release.git_sha),
            ("org.opencontainers.image.description", release.change),
        ];
        let pushed = born - release.age_days * DAY_MS;
        cloud
            .ecr
            .publish(REPOSITORY, release.version, &env, &labels, pushed);
    }
}

fn log_group(environment: &str) -> String {
    format!("/ecs/{environment}/api")
}

/// Alarms on what the load balancer measures: the share of failed requests, the slowest twentieth,
/// targets that do not answer their probes.
fn put_alarms(
    cloud: &Cloud,
    environment: &str,
    balancer: &LoadBalancer,
    group: &TargetGroup,
) -> io::Result<()> {
    let dimensions = [
        ("LoadBalancer", balancer.dimension()),
        ("TargetGroup", group.dimension()),
    ];
    let id = |name: &str| MetricId::new("AWS/ApplicationELB", name, &dimensions);
    let wire_dimensions: Vec<Value> = dimensions
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    let sum = |id: &str, name: &str| {
        json!({
            "Id": id,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": name,
                    "Dimensions": wire_dimensions,
                },
                "Period": ALARM_PERIOD_S,
                "Stat": "Sum",
            },
            "ReturnData": false,
        })
    };
    let queries = MetricDataQuery::read_all(&[
        sum("errors", "HTTPCode_Target_5XX_Count"),
        sum("requests", "RequestCount"),
        json!({
            "Id": "percent",
            "Expression": "100 * FILL(errors, 0) / requests",
            "Label": "Failed requests in percent",
            "ReturnData": true,
        }),
    ])
    .map_err(refused)?;
    let two_of_three = |alarm: AlarmDefinition, description: &str| AlarmDefinition {
        description: Some(description.to_owned()),
        evaluation_periods: 3,
        datapoints_to_alarm: 2,
        missing_data: MissingData::NotBreaching,
        ..alarm
    };
    let unhealthy = AlarmDefinition::on_metric(
        &format!("{environment}-api-unhealthy-hosts"),
        id("UnHealthyHostCount"),
        Statistic::Maximum,
        ALARM_PERIOD_S,
        Comparison::Greater,
        0.0,
    );
    let slow = AlarmDefinition::on_metric(
        &format!("{environment}-api-p95"),
        id("TargetResponseTime"),
        Statistic::Percentile(95.0),
        ALARM_PERIOD_S,
        Comparison::Greater,
        0.5,
    );
    let failing = AlarmDefinition {
        metric: AlarmMetric::Math(queries),
        ..AlarmDefinition::on_metric(
            &format!("{environment}-api-5xx"),
            id("HTTPCode_Target_5XX_Count"),
            Statistic::Sum,
            ALARM_PERIOD_S,
            Comparison::Greater,
            3.0,
        )
    };
    for alarm in [
        two_of_three(failing, "More than 3 % of the requests fail"),
        two_of_three(slow, "A twentieth of the requests takes longer than 0.5 s"),
        two_of_three(unhealthy, "A target fails its health checks"),
    ] {
        cloud.alarms.put(alarm);
    }
    Ok(())
}

fn task_definition(environment: &Environment, release: &str) -> Value {
    let name = environment.name;
    let variable = |name: &str, value: &str| json!({ "name": name, "value": value });
    json!({
        "family": format!("api-{name}"),
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": environment.cpu,
        "memory": environment.memory,
        "runtimePlatform": { "cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX" },
        "executionRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/api-{name}-execution"),
        "taskRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/api-{name}-task"),
        "containerDefinitions": [{
            "name": "api",
            "image": format!("{}/{REPOSITORY}:{release}", registry_host()),
            "essential": true,
            "portMappings": [{ "containerPort": 8080, "protocol": "tcp" }],
            "environment": [variable("OPSCONSOLE_API_ENVIRONMENT", name)],
            "stopTimeout": 10,
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": log_group(name),
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": "api",
                },
            },
        }],
        "tags": [
            { "key": "opsconsole:release", "value": release },
            { "key": "opsconsole:author", "value": "pipeline" },
        ],
    })
}

/// The rules of an environment's rollouts. The history of a new world is made without alarms,
/// which have nothing to look at yet.
fn rules(environment: &Environment, with_alarms: bool) -> Value {
    let name = environment.name;
    json!({
        "deploymentCircuitBreaker": { "enable": true, "rollback": true },
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "alarms": {
            "alarmNames": [format!("{name}-api-5xx"), format!("{name}-api-p95")],
            "enable": with_alarms && environment.alarms_roll_back,
            "rollback": with_alarms && environment.alarms_roll_back,
        },
    })
}

async fn deploy_first(
    cloud: &Arc<Cloud>,
    environment: &Environment,
    group: &TargetGroup,
) -> io::Result<()> {
    let definition = task_definition(environment, environment.releases[0]);
    call(cloud, "RegisterTaskDefinition", &definition).await?;
    let subnets: Vec<&str> = SUBNETS.iter().map(|(_, subnet)| *subnet).collect();
    let service = json!({
        "cluster": environment.name,
        "serviceName": "api",
        "taskDefinition": format!("api-{}", environment.name),
        "desiredCount": environment.desired,
        "launchType": "FARGATE",
        "loadBalancers": [{
            "targetGroupArn": group.arn,
            "containerName": "api",
            "containerPort": 8080,
        }],
        "healthCheckGracePeriodSeconds": 3,
        "networkConfiguration": { "awsvpcConfiguration": {
            "subnets": subnets,
            "securityGroups": [SECURITY_GROUP],
            "assignPublicIp": "DISABLED",
        } },
        "deploymentConfiguration": rules(environment, false),
        "tags": [{ "key": "environment", "value": environment.name }],
    });
    call(cloud, "CreateService", &service).await?;
    Ok(())
}

/// A new world is finished once every environment has its history. Until this file is there the
/// next start goes on with it.
const FINISHED: &str = "finished.json";

/// Gives every environment its history, quickly: the user waits for it.
async fn finish(cloud: Arc<Cloud>) {
    let all = ENVIRONMENTS.iter().map(|e| deploy_second(&cloud, e));
    let done: io::Result<Vec<()>> = futures::future::join_all(all).await.into_iter().collect();
    cloud.ecs.hurry(false);
    let file = cloud.settings.data.world().join(FINISHED);
    if let Err(error) = done.and_then(|_| write_whole(&file, now_ms().to_string().as_bytes())) {
        tracing::error!(%error, "the first world was not finished");
    }
}

/// The second release, once the first is steady, so that there is something to roll back to.
async fn deploy_second(cloud: &Arc<Cloud>, environment: &Environment) -> io::Result<()> {
    let service = json!({ "cluster": environment.name, "service": "api" });
    wait_until_completed(cloud, environment.name).await;
    let has_history = cloud.ecs.read(|world| {
        let service = world.service(environment.name, "api");
        service.is_some_and(|service| service.service_deployments.len() > 1)
    });
    if !has_history {
        let definition = task_definition(environment, environment.releases[1]);
        call(cloud, "RegisterTaskDefinition", &definition).await?;
        let mut update = service.clone();
        update["taskDefinition"] = json!(format!("api-{}", environment.name));
        call(cloud, "UpdateService", &update).await?;
        wait_until_completed(cloud, environment.name).await;
    }
    let mut update = service;
    update["deploymentConfiguration"] = rules(environment, true);
    call(cloud, "UpdateService", &update).await?;
    Ok(())
}

/// Until nothing is under way, whoever began it.
async fn wait_until_completed(cloud: &Cloud, cluster: &str) {
    loop {
        let settled = cloud.ecs.read(|world| {
            world.service(cluster, "api").is_none_or(|service| {
                !service
                    .service_deployments
                    .iter()
                    .any(|d| d.status.is_ongoing())
            })
        });
        if settled {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn call(cloud: &Arc<Cloud>, action: &str, body: &Value) -> io::Result<Value> {
    ecs::handle(cloud, action, body).await.map_err(refused)
}

fn refused(error: AwsError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_release_is_in_its_digest() {
        let directory = tempfile::tempdir().expect("a directory");
        let cloud = crate::cloud::tests::cloud_in(directory.path());
        publish_releases(&cloud, 0);
        let mut digests: Vec<String> = RELEASES
            .iter()
            .map(|release| {
                let image = format!("{}/{REPOSITORY}:{}", registry_host(), release.version);
                let found = cloud.ecr.resolve(&image).expect("published");
                let faulty = found
                    .config_env
                    .iter()
                    .any(|(name, _)| name.contains("FAULT"));
                assert_eq!(faulty, release.fault.is_some(), "{}", release.version);
                found.digest
            })
            .collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), RELEASES.len());
        assert!(RELEASES.iter().filter(|r| r.fault.is_some()).count() >= 4);
    }
}
