//! From a stack's output to an environment of the configuration.

use super::{
    contract::{BillLine, Contract, PlatformName, ReportedBy},
    read::Stack,
};
use crate::{
    config::{
        EcsConfig, EnvironmentConfig, ExtraBillLine, Guard, KubernetesConfig, LockLocation,
        PlatformConfig,
    },
    model::EnvironmentName,
};

/// How often an environment is looked at, in seconds: the configuration's own default.
const REFRESH_S: u64 = 5;

/// All hours of a month.
const HOURS_PER_MONTH: f64 = 730.0;

/// What a stack means in the configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Mapped {
    /// An environment, with what could not be said yet.
    Environment {
        /// As the configuration would hold it.
        config: Box<EnvironmentConfig>,
        /// What was left out, and why.
        notes: Vec<String>,
    },
    /// The configuration cannot hold it.
    LeftOut {
        /// Why.
        why: String,
    },
}

/// Maps a stack, by `docs/reference/terraform-contract.md`, "From output to configuration".
pub fn map(stack: &Stack, profile: Option<&str>) -> Mapped {
    let contract = &stack.contract;
    let platform = match platform(contract, profile) {
        Ok(platform) => platform,
        Err(why) => return Mapped::LeftOut { why },
    };
    // What AWS answers for is only asked of AWS: a kubeconfig's context says whose cluster it is, and
    // Kubernetes has leases for locks.
    let is_aws = matches!(platform, PlatformConfig::Ecs(_));
    let config = EnvironmentConfig {
        name: EnvironmentName::new(contract.environment.clone()),
        guard: Guard::default_for(&contract.environment),
        freeze: Vec::new(),
        account: is_aws.then(|| contract.account.clone()),
        lock: contract
            .lock
            .as_ref()
            .filter(|_| is_aws)
            .map(|lock| LockLocation {
                bucket: lock.bucket.clone(),
                prefix: lock.prefix.clone(),
            }),
        runbook: contract.runbook.clone(),
        refresh_s: REFRESH_S,
        hours_per_month: None,
        extra_bill: contract
            .bill
            .lines
            .iter()
            .filter(|line| line.reported_by == ReportedBy::Terraform)
            .map(extra_line)
            .collect(),
        platform,
    };
    let mut notes: Vec<String> = stack
        .not_yet_known
        .iter()
        .filter(|key| is_aws || key.as_str() != "lock.bucket")
        .map(|key| format!("{key} is known only after the apply; run this again then"))
        .collect();
    if let PlatformConfig::Kubernetes(KubernetesConfig {
        context: Some(context),
        ..
    }) = &config.platform
    {
        notes.push(format!(
            "its kubeconfig context is {context}, as aws eks update-kubeconfig calls it; change it if yours has an alias"
        ));
    }
    Mapped::Environment {
        config: Box::new(config),
        notes,
    }
}

/// Where it lives, or why the configuration cannot say.
fn platform(contract: &Contract, profile: Option<&str>) -> Result<PlatformConfig, String> {
    let target = &contract.target;
    match contract.platform {
        PlatformName::Ecs => {
            let (Some(cluster), Some(service)) = (&target.cluster, &target.service) else {
                return Err("it names no cluster and service".to_owned());
            };
            Ok(PlatformConfig::Ecs(EcsConfig {
                region: contract.region.clone(),
                profile: profile.map(str::to_owned),
                role_arn: None,
                endpoint_url: None,
                static_credentials: None,
                local: false,
                cluster: cluster.clone(),
                service: service.clone(),
                container: target.container.clone(),
                log_group: log_group(contract),
                alarm_prefixes: Some(contract.alarm_prefix.clone())
                    .filter(|prefix| !prefix.is_empty())
                    .into_iter()
                    .collect(),
            }))
        }
        PlatformName::Kubernetes => {
            let (Some(cluster), Some(release)) = (&target.cluster, &target.release) else {
                return Err("it names no cluster and Helm release".to_owned());
            };
            Ok(PlatformConfig::Kubernetes(KubernetesConfig {
                context: Some(kubeconfig_context(contract, cluster)),
                namespace: target.namespace.clone(),
                helm_release: Some(release.clone()),
                container: target.container.clone(),
                region: contract.region.clone(),
                ..KubernetesConfig::default()
            }))
        }
        PlatformName::Ec2 => {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            Err(format!(
                "it runs on EC2 instances ({}={}), and this configuration holds ECS services and Kubernetes Deployments only. Its cost: opsconsole cost --from-terraform",
                text(&target.instance_tag_key),
                text(&target.instance_tag_value)
            ))
        }
    }
}

/// The context that `aws eks update-kubeconfig` writes: without `--alias` it is the cluster's ARN
/// (AWS CLI reference, `eks update-kubeconfig`).
fn kubeconfig_context(contract: &Contract, cluster: &str) -> String {
    let region = &contract.region;
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!(
        "arn:{partition}:eks:{region}:{}:cluster/{cluster}",
        contract.account
    )
}

/// The group of the container `api`, else the only one; of several others none is meant.
fn log_group(contract: &Contract) -> Option<String> {
    let groups = &contract.log_groups;
    groups
        .iter()
        .find(|(name, _)| name == "api")
        .or_else(|| groups.first().filter(|_| groups.len() == 1))
        .map(|(_, group)| group.clone())
}

fn extra_line(line: &BillLine) -> ExtraBillLine {
    // Six decimals say more than any quantity here is good for, and read well in the file.
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    ExtraBillLine {
        what: line.what.clone(),
        sku: line.sku.clone(),
        quantity: rounded(line.quantity),
        hours_per_month: (line.hours_per_month < HOURS_PER_MONTH)
            .then(|| rounded(line.hours_per_month)),
    }
}

/// What to say when Terraform and the guard do not agree on what is production.
pub fn guard_warning(contract: &Contract, guard: Guard) -> Option<String> {
    let name = &contract.environment;
    match (contract.production, guard) {
        (true, Guard::Confirm) => Some(format!(
            "{name}: Terraform holds it to production rules, but a yes is enough for a change here. Set guard = \"type-name\" in [environment.{name}]"
        )),
        (false, Guard::TypeName) if Guard::default_for(name) == Guard::TypeName => Some(format!(
            "{name}: its name says production and the guard follows the name, but Terraform does not hold it to production rules. Look at `production` in the stack"
        )),
        _ => None,
    }
}
