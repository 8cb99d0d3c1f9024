//! The bill of resources of a service: what runs that costs money, and how much of it.

use super::{
    EcsPlatform,
    balancer::Balancers,
    rates::Rates,
    service::{self, count},
    task_definition::TaskDefinition,
};
use crate::{
    model::{Architecture, BillLine, BillOfResources, RevisionId},
    platform::PlatformError,
};
use aws_sdk_ecs::types::Service;
use serde_json::Value;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
const SECONDS_PER_MONTH: f64 = 730.0 * 3600.0;

impl EcsPlatform {
    /// What the service costs as it is now.
    pub(super) async fn current_bill(&self) -> Result<BillOfResources, PlatformError> {
        let service = self.service().await?;
        let running = service::live(&service)
            .and_then(|deployment| deployment.task_definition())
            .or(service.task_definition())
            .map(RevisionId::from);
        let document = match running {
            Some(running) => self.task_definition(&running).await?.document.clone(),
            None => Value::Null,
        };
        self.bill_of(&service, &document, count(service.desired_count()))
            .await
    }

    /// What the service would cost with another task definition or another count.
    pub(super) async fn bill_of(
        &self,
        service: &Service,
        document: &Value,
        desired: u32,
    ) -> Result<BillOfResources, PlatformError> {
        let (groups, _) = service::target_groups(service);
        let balancers = super::observe::tolerate("load balancers", self.balancers(&groups)).await?;
        let rates = match self.caches.rates.get(&()) {
            Some(known) => known,
            None => {
                let measured = self.rates(service, &balancers).await?;
                self.caches.rates.put((), measured.clone());
                measured
            }
        };
        let definition = TaskDefinition {
            id: RevisionId::from(""),
            document: document.clone(),
            status: String::new(),
            registered_at: None,
            registered_by: None,
            tags: Default::default(),
        };
        let mut lines = compute(service, &definition, desired);
        for line in &mut lines {
            line.schedule = self.environment.schedule();
        }
        lines.extend(addresses(service, &balancers, desired));
        lines.extend(balancing(&balancers, &rates));
        lines.extend(logging(&rates));
        if rates.alarms > 0 {
            lines.push(BillLine::always(
                format!("CloudWatch alarms, {}", rates.alarms),
                "cw.alarm.standard",
                quantity(rates.alarms),
                "DescribeAlarms",
            ));
        }
        let secrets = secrets(document);
        if secrets > 0 {
            lines.push(BillLine::always(
                format!("Secrets, {secrets}"),
                "secret",
                quantity(secrets),
                "task definition",
            ));
        }
        lines.extend(self.environment.extra_lines());
        Ok(BillOfResources {
            region: if self.config.local {
                "us-east-1".to_owned()
            } else {
                self.config.region.clone()
            },
            note: self.config.local.then(|| {
                "The local cloud costs nothing: priced as if it ran on Fargate in us-east-1"
                    .to_owned()
            }),
            lines,
        })
    }
}

/// vCPU, memory and storage of the tasks, by architecture and capacity provider.
fn compute(service: &Service, definition: &TaskDefinition, desired: u32) -> Vec<BillLine> {
    if !runs_on_fargate(service) {
        // Instances are billed whether or not tasks run on them, and are not the service's alone.
        return vec![BillLine::always(
            format!("container instances behind {desired} tasks"),
            "ecs.container-instances",
            f64::from(desired),
            "task count; instances are not looked up",
        )];
    }
    let (Some(cpu), Some(memory)) = (definition.cpu_units(), definition.memory_mib()) else {
        return vec![BillLine::always(
            format!("Fargate tasks of unknown size, {desired}"),
            "fargate.unknown",
            f64::from(desired),
            "task definition",
        )];
    };
    let (vcpu, gb) = (cpu / 1024.0, memory / 1024.0);
    let architecture = match definition.architecture() {
        Architecture::Amd64 => "x86",
        Architecture::Arm64 => "arm",
    };
    let spot = spot_tasks(service, desired);
    let mut lines = Vec::new();
    for (tasks, suffix, name) in [
        (desired - spot, "", "Fargate"),
        (spot, ".spot", "Fargate Spot"),
    ] {
        if tasks == 0 {
            continue;
        }
        for (what, sku, size) in [("vCPU", "vcpu", vcpu), ("GB memory", "gb", gb)] {
            lines.push(BillLine::always(
                format!("{name} {what}, {tasks} × {size}"),
                &format!("fargate.linux.{architecture}.{sku}{suffix}"),
                f64::from(tasks) * size,
                "task definition × desired count",
            ));
        }
    }
    let over = definition.ephemeral_gib() - 20.0;
    if over > 0.0 && desired > 0 {
        lines.push(BillLine::always(
            format!("Fargate storage over 20 GB, {desired} × {over}"),
            "fargate.ephemeral.over20gb",
            f64::from(desired) * over,
            "task definition × desired count",
        ));
    }
    lines
}

fn runs_on_fargate(service: &Service) -> bool {
    let providers = service.capacity_provider_strategy();
    if providers.is_empty() {
        return service
            .launch_type()
            .is_some_and(|kind| kind.as_str() == "FARGATE");
    }
    providers
        .iter()
        .all(|provider| provider.capacity_provider().starts_with("FARGATE"))
}

/// How many tasks the capacity provider strategy puts on Spot: first every base, then the rest by
/// weight (ECS developer guide, "capacity provider strategy").
fn spot_tasks(service: &Service, desired: u32) -> u32 {
    let providers = service.capacity_provider_strategy();
    let is_spot = |name: &str| name == "FARGATE_SPOT";
    let mut left = desired;
    let mut spot = 0;
    for provider in providers {
        let base = count(provider.base()).min(left);
        left -= base;
        if is_spot(provider.capacity_provider()) {
            spot += base;
        }
    }
    let weight = |only_spot: bool| -> u32 {
        providers
            .iter()
            .filter(|provider| !only_spot || is_spot(provider.capacity_provider()))
            .map(|provider| count(provider.weight()))
            .sum()
    };
    let all = weight(false);
    if all == 0 {
        return spot;
    }
    let share = f64::from(left) * f64::from(weight(true)) / f64::from(all);
    spot + (share.round() as u32).min(left)
}

/// Every public IPv4 address costs, those of tasks and those of the load balancer.
fn addresses(service: &Service, balancers: &Balancers, desired: u32) -> Vec<BillLine> {
    let mut lines = Vec::new();
    let public_tasks = service
        .network_configuration()
        .and_then(|network| network.awsvpc_configuration())
        .and_then(|vpc| vpc.assign_public_ip())
        .is_some_and(|assign| assign.as_str() == "ENABLED");
    if public_tasks && desired > 0 {
        lines.push(BillLine::always(
            format!("public IPv4 of tasks, {desired}"),
            "ipv4.public",
            f64::from(desired),
            "assignPublicIp × desired count",
        ));
    }
    for balancer in balancers
        .balancers
        .iter()
        .filter(|balancer| balancer.internet_facing && balancer.zones > 0)
    {
        lines.push(BillLine::always(
            format!(
                "public IPv4 of {}, {} zones{}",
                balancer.name,
                balancer.zones,
                shared(balancer.target_groups)
            ),
            "ipv4.public",
            quantity(balancer.zones) / quantity(balancer.target_groups),
            "one for each availability zone",
        ));
    }
    lines
}

fn balancing(balancers: &Balancers, rates: &Rates) -> Vec<BillLine> {
    let mut lines = Vec::new();
    for balancer in &balancers.balancers {
        let kind = match balancer.kind.as_str() {
            "application" => "alb",
            "network" => "nlb",
            _ => "gwlb",
        };
        lines.push(BillLine::always(
            format!(
                "load balancer {}{}",
                balancer.name,
                shared(balancer.target_groups)
            ),
            &format!("{kind}.hour"),
            1.0 / quantity(balancer.target_groups),
            "DescribeLoadBalancers",
        ));
        if let (Some((lcus, basis)), "alb") = (&rates.lcus, kind) {
            lines.push(BillLine::always(
                format!("load balancer {} capacity units", balancer.name),
                "alb.lcu",
                *lcus,
                basis,
            ));
        }
    }
    lines
}

fn logging(rates: &Rates) -> Vec<BillLine> {
    let mut lines = Vec::new();
    if let Some((bytes, basis)) = &rates.log_bytes_per_second {
        let gb = bytes * SECONDS_PER_MONTH / GIB;
        lines.push(BillLine::always(
            format!("logs taken in, {gb:.2} GB a month"),
            "cw.logs.ingest",
            gb,
            basis,
        ));
    }
    if let Some(bytes) = rates.log_bytes_stored {
        let gb = bytes / GIB;
        lines.push(BillLine::always(
            format!("logs kept, {gb:.2} GB"),
            "cw.logs.store",
            gb,
            "DescribeLogGroups",
        ));
    }
    lines
}

/// Distinct Secrets Manager secrets that the containers use; a key within a secret is not another.
fn secrets(document: &Value) -> usize {
    let mut arns: Vec<String> = document
        .get("containerDefinitions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|container| container.get("secrets")?.as_array())
        .flatten()
        .filter_map(|secret| secret.get("valueFrom")?.as_str())
        .filter(|arn| arn.contains(":secretsmanager:"))
        .map(|arn| arn.split(':').take(7).collect::<Vec<_>>().join(":"))
        .collect();
    arns.sort();
    arns.dedup();
    arns.len()
}

fn shared(target_groups: usize) -> String {
    if target_groups > 1 {
        format!(", shared by {target_groups}")
    } else {
        String::new()
    }
}

fn quantity(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ecs::balancer::Balancer;
    use aws_sdk_ecs::types::{CapacityProviderStrategyItem, LaunchType};
    use serde_json::json;

    fn definition(document: Value) -> TaskDefinition {
        let answer = json!({"taskDefinition": {"taskDefinitionArn": "a/api:1"}});
        let mut definition =
            TaskDefinition::from_answer(answer.to_string().as_bytes()).expect("a task definition");
        definition.document = document;
        definition
    }

    fn fargate(providers: &[(&str, i32, i32)]) -> Service {
        let mut service = Service::builder().launch_type(LaunchType::Fargate);
        for (name, base, weight) in providers {
            service = service.capacity_provider_strategy(
                CapacityProviderStrategyItem::builder()
                    .capacity_provider(*name)
                    .base(*base)
                    .weight(*weight)
                    .build()
                    .expect("a provider"),
            );
        }
        service.build()
    }

    fn by_sku(lines: &[BillLine]) -> Vec<(&str, f64)> {
        lines
            .iter()
            .map(|line| (line.sku.as_str(), line.quantity))
            .collect()
    }

    #[test]
    fn fargate_is_billed_by_vcpu_memory_and_storage_over_twenty_gigabytes() {
        let definition = definition(json!({
            "cpu": "256", "memory": "512", "ephemeralStorage": {"sizeInGiB": 50},
            "runtimePlatform": {"cpuArchitecture": "ARM64"}
        }));
        assert_eq!(
            by_sku(&compute(&fargate(&[]), &definition, 2)),
            [
                ("fargate.linux.arm.vcpu", 0.5),
                ("fargate.linux.arm.gb", 1.0),
                ("fargate.ephemeral.over20gb", 60.0),
            ]
        );
    }

    #[test]
    fn the_base_runs_on_its_provider_and_the_rest_is_spread_by_weight() {
        let service = fargate(&[("FARGATE", 1, 1), ("FARGATE_SPOT", 0, 3)]);
        assert_eq!(spot_tasks(&service, 5), 3);
        assert_eq!(spot_tasks(&service, 1), 0);
        let definition = definition(json!({"cpu": "1024", "memory": "2048"}));
        let lines = compute(&service, &definition, 5);
        assert_eq!(
            by_sku(&lines),
            [
                ("fargate.linux.x86.vcpu", 2.0),
                ("fargate.linux.x86.gb", 4.0),
                ("fargate.linux.x86.vcpu.spot", 3.0),
                ("fargate.linux.x86.gb.spot", 6.0),
            ]
        );
    }

    #[test]
    fn tasks_on_instances_have_a_line_without_a_price_and_not_a_zero() {
        let service = Service::builder().launch_type(LaunchType::Ec2).build();
        let lines = compute(&service, &definition(json!({})), 3);
        assert_eq!(by_sku(&lines), [("ecs.container-instances", 3.0)]);
    }

    #[test]
    fn a_shared_load_balancer_is_paid_in_shares() {
        let balancers = Balancers {
            balancers: vec![Balancer {
                name: "shared".to_owned(),
                kind: "application".to_owned(),
                internet_facing: true,
                zones: 3,
                target_groups: 2,
                dimension: "app/shared/1".to_owned(),
            }],
            ..Balancers::default()
        };
        let rates = Rates {
            lcus: Some((0.2, "measured".to_owned())),
            ..Rates::default()
        };
        assert_eq!(
            by_sku(&balancing(&balancers, &rates)),
            [("alb.hour", 0.5), ("alb.lcu", 0.2)]
        );
        assert_eq!(
            by_sku(&addresses(&fargate(&[]), &balancers, 2)),
            [("ipv4.public", 1.5)]
        );
    }

    #[test]
    fn two_keys_of_one_secret_are_one_secret() {
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf";
        let document = json!({"containerDefinitions": [{"secrets": [
            {"name": "A", "valueFrom": format!("{arn}:user::")},
            {"name": "B", "valueFrom": format!("{arn}:password::")},
            {"name": "C", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/x"},
        ]}]});
        assert_eq!(secrets(&document), 1);
    }

    #[test]
    fn a_byte_rate_becomes_gigabytes_a_month() {
        let rates = Rates {
            log_bytes_per_second: Some((GIB / SECONDS_PER_MONTH, "measured".to_owned())),
            log_bytes_stored: Some(2.0 * GIB),
            ..Rates::default()
        };
        let lines = logging(&rates);
        assert!((lines[0].quantity - 1.0).abs() < 1e-9);
        assert_eq!(lines[1].quantity, 2.0);
    }
}
