//! What a configuration can say, after it was checked.

use crate::model::{BillLine, EnvironmentName, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A configuration, checked. Environments keep the file's order: it is the order of promotion
/// (dev before staging before prod), so drift is shown against the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it came from; `None` for the zero-configuration local cloud.
    pub path: Option<PathBuf>,
    /// At least one.
    pub environments: Vec<EnvironmentConfig>,
    /// Keys that the user bound anew: command name → key chords such as `ctrl-r`.
    pub keys: std::collections::BTreeMap<String, Vec<String>>,
    /// Memory for log lines in bytes, all tails together; 256 MiB unless set.
    pub log_memory_bytes: usize,
    /// Show times in the local zone instead of UTC.
    pub local_time: bool,
}

/// One environment.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentConfig {
    /// What the operator calls it.
    pub name: EnvironmentName,
    /// What a mutation takes.
    pub guard: Guard,
    /// When mutations are refused.
    pub freeze: Vec<FreezeWindow>,
    /// The twelve-digit account it must be in; checked against the caller before any mutation.
    pub account: Option<String>,
    /// Where the shared lock is; without it the lock holds on this machine only.
    pub lock: Option<LockLocation>,
    /// A page to open when something is wrong.
    pub runbook: Option<String>,
    /// How often it is looked at, in seconds (2–300).
    pub refresh_s: u64,
    /// Hours of a month in which its tasks or pods run; 730 when `None`.
    pub hours_per_month: Option<f64>,
    /// Billed things that the platform does not report.
    pub extra_bill: Vec<ExtraBillLine>,
    /// Where it lives.
    pub platform: PlatformConfig,
}

impl EnvironmentConfig {
    /// When its tasks or pods run.
    pub fn schedule(&self) -> Schedule {
        scheduled(self.hours_per_month)
    }

    /// What the configuration adds to the platform's bill.
    pub fn extra_lines(&self) -> impl Iterator<Item = BillLine> {
        self.extra_bill.iter().map(|extra| BillLine {
            what: extra.what.clone(),
            sku: extra.sku.clone(),
            quantity: extra.quantity,
            schedule: scheduled(extra.hours_per_month),
            basis: "configured".to_owned(),
        })
    }

    /// Which service the name stands for, so that what is remembered of one `prod` is never
    /// taken for another's: cache and machine-local locks go by it.
    pub fn scope(&self) -> String {
        match &self.platform {
            // Its endpoint, key and account are known only once it runs, and it is one per user.
            PlatformConfig::Ecs(ecs) if ecs.local => {
                format!("ecs:local:{}/{}", ecs.cluster, ecs.service)
            }
            PlatformConfig::Ecs(ecs) => {
                let place = ecs.endpoint_url.as_deref().unwrap_or("aws");
                let who = self
                    .account
                    .as_deref()
                    .or(ecs.profile.as_deref())
                    .unwrap_or("default");
                format!(
                    "ecs:{place}:{who}:{}:{}/{}",
                    ecs.region, ecs.cluster, ecs.service
                )
            }
            PlatformConfig::Kubernetes(kubernetes) => {
                let or = |text: &Option<String>, other: &str| {
                    text.clone().unwrap_or_else(|| other.to_owned())
                };
                format!(
                    "kubernetes:{}:{}:{}/{}",
                    kubernetes
                        .kubeconfig
                        .as_ref()
                        .map_or_else(String::new, |path| path.display().to_string()),
                    or(&kubernetes.context, "current"),
                    or(&kubernetes.namespace, "default"),
                    or(
                        &kubernetes.deployment,
                        &or(&kubernetes.helm_release, "unknown")
                    ),
                )
            }
        }
    }
}

/// What a mutation takes besides being asked for. An unknown value is an error, never a weaker guard.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// A yes.
    Confirm,
    /// The environment's name, typed. The default for prod, production and live.
    TypeName,
    /// Nothing helps: mutations are refused.
    ReadOnly,
}

impl Guard {
    /// The guard of an environment whose configuration does not name one.
    pub fn default_for(environment: &str) -> Self {
        let name = environment.to_lowercase();
        let is_production = name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| matches!(word, "prod" | "production" | "live" | "prd"));
        if is_production {
            Self::TypeName
        } else {
            Self::Confirm
        }
    }
}

/// A time in which mutations are refused.
#[derive(Clone, Debug, PartialEq)]
pub struct FreezeWindow {
    /// Why: `Black Friday`.
    pub reason: String,
    /// Inclusive.
    pub start: jiff::Timestamp,
    /// Exclusive.
    pub end: jiff::Timestamp,
}

/// Where the shared lock object lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockLocation {
    /// The bucket.
    pub bucket: String,
    /// Key prefix; `opsconsole/` unless set.
    pub prefix: String,
}

/// A billed thing that no platform call reports, priced by its sku.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraBillLine {
    /// What it is, for people.
    pub what: String,
    /// The price book's key.
    pub sku: String,
    /// How many units.
    pub quantity: f64,
    /// Hours of a month it runs (0–730), where its price is by the hour; always when `None`.
    pub hours_per_month: Option<f64>,
}

/// Where an environment lives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PlatformConfig {
    /// Amazon ECS.
    Ecs(EcsConfig),
    /// Kubernetes, wherever it runs.
    Kubernetes(KubernetesConfig),
}

/// One Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// The kubeconfig file; `KUBECONFIG`, else `~/.kube/config`, when `None`.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; its current one when `None`.
    pub context: Option<String>,
    /// The namespace; the context's own, else `default`, when `None`.
    pub namespace: Option<String>,
    /// The Deployment; found by `helm_release` when `None`.
    pub deployment: Option<String>,
    /// The Helm release that the Deployment belongs to; read from its annotation when `None`.
    pub helm_release: Option<String>,
    /// The container that carries the release; the first one when `None`.
    pub container: Option<String>,
    /// The AWS region whose prices apply.
    pub region: String,
}

/// One ECS service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcsConfig {
    /// `us-east-1`.
    pub region: String,
    /// The profile in `~/.aws/config` (SSO profiles included); the default chain when `None`.
    pub profile: Option<String>,
    /// A role to assume on top.
    pub role_arn: Option<String>,
    /// Another endpoint for every AWS service (the local cloud, a proxy).
    pub endpoint_url: Option<String>,
    /// Static credentials; only the local cloud sets them, a file cannot.
    pub static_credentials: Option<(String, String)>,
    /// True on the local cloud.
    pub local: bool,
    /// The cluster's name.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// The container that carries the release; the first essential one when `None`.
    pub container: Option<String>,
    /// The log group; taken from the task definition's awslogs options when `None`.
    pub log_group: Option<String>,
    /// Alarms that belong to the service besides those of its deployment configuration: name prefixes.
    pub alarm_prefixes: Vec<String>,
}

fn scheduled(hours_per_month: Option<f64>) -> Schedule {
    hours_per_month.map_or(Schedule::Always, Schedule::HoursPerMonth)
}
