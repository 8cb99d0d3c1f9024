//! The configuration file's shape, key by key; the published JSON Schema is made from it.

use super::Guard;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use std::{collections::BTreeMap, fmt, path::PathBuf};
use toml::Spanned;

/// opsconsole's configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "opsconsole")]
pub(super) struct File {
    /// The environments, in the order of promotion: dev before staging before prod.
    #[schemars(with = "BTreeMap<String, EnvironmentFile>")]
    pub environment: Environments,
    /// Keys bound anew: command name → key chords such as `ctrl-r`.
    #[serde(default)]
    pub keys: BTreeMap<String, Vec<String>>,
    /// Memory for log lines in MiB, for each log view that is open. Default 256.
    #[schemars(with = "Option<u64>", range(min = 1, max = 65536))]
    pub log_memory_mib: Option<Spanned<i64>>,
    /// Show times in the local zone instead of UTC. Default false.
    #[serde(default)]
    pub local_time: bool,
}

/// `[environment.NAME]` tables in the file's order.
#[derive(Debug)]
pub(super) struct Environments(pub Vec<(Spanned<String>, EnvironmentFile)>);

impl<'de> Deserialize<'de> for Environments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Environments;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tables named [environment.NAME]")
            }

            fn visit_map<A: de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Environments, A::Error> {
                let mut all: Vec<(Spanned<String>, EnvironmentFile)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                all.sort_by_key(|(name, _)| name.span().start);
                Ok(Environments(all))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// One environment: an ECS service, or a Deployment on Kubernetes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvironmentFile {
    /// Where it lives. Default `ecs`.
    #[serde(default)]
    pub platform: PlatformName,
    /// The AWS region: `eu-central-1`. On Kubernetes: whose prices apply. Default there `us-east-1`.
    #[schemars(with = "Option<String>")]
    pub region: Option<Spanned<String>>,
    /// The profile in `~/.aws/config`, SSO profiles included. Without it: the default chain.
    pub profile: Option<String>,
    /// A role to assume on top.
    #[schemars(with = "Option<String>")]
    pub role_arn: Option<Spanned<String>>,
    /// Another endpoint for every AWS service.
    #[schemars(with = "Option<String>")]
    pub endpoint_url: Option<Spanned<String>>,
    /// The ECS cluster's name.
    #[schemars(with = "Option<String>")]
    pub cluster: Option<Spanned<String>>,
    /// The ECS service's name.
    #[schemars(with = "Option<String>")]
    pub service: Option<Spanned<String>>,
    /// Kubernetes: the kubeconfig file. Without it: `KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Kubernetes: the kubeconfig's context. Without it: its current one.
    pub context: Option<String>,
    /// Kubernetes: the namespace. Without it: the context's own, else `default`.
    pub namespace: Option<String>,
    /// Kubernetes: the Deployment's name. Without it: the one of `helm_release`.
    pub deployment: Option<String>,
    /// Kubernetes: the Helm release. Without it: as the Deployment's annotation says.
    pub helm_release: Option<String>,
    /// The container that carries the release. Without it: the first essential one.
    pub container: Option<String>,
    /// The log group. Without it: as the task definition's awslogs options say.
    pub log_group: Option<String>,
    /// Alarms that belong to the service besides those of its deployment configuration, by name prefix.
    #[serde(default)]
    pub alarm_prefixes: Vec<String>,
    /// What a change takes: `confirm`, `type-name` (the name, typed) or `read-only` (nothing
    /// helps). Default `type-name` for anything named prod, production or live, else `confirm`.
    pub guard: Option<Guard>,
    /// Times in which changes are refused.
    #[serde(default)]
    pub freeze: Vec<FreezeFile>,
    /// The twelve-digit account that it must be in; checked before any change.
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9]{12}$"))]
    pub account: Option<Spanned<String>>,
    /// Where the shared lock is. Without it the lock holds on this machine only.
    pub lock: Option<LockFile>,
    /// A page to open when something is wrong.
    #[schemars(with = "Option<String>")]
    pub runbook: Option<Spanned<String>>,
    /// How often it is looked at, in seconds. Default 5.
    #[schemars(with = "Option<u64>", range(min = 2, max = 300))]
    pub refresh_s: Option<Spanned<i64>>,
    /// Hours of a month in which its tasks or pods run, for environments that are scaled to zero
    /// off-hours. Default 730: always.
    #[schemars(with = "Option<f64>", range(min = 0, max = 730))]
    pub hours_per_month: Option<Spanned<f64>>,
    /// Billed things that the platform does not report.
    #[serde(default)]
    pub extra_bill: Vec<ExtraBillFile>,
}

/// Platforms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PlatformName {
    /// Amazon ECS.
    #[default]
    Ecs,
    /// Kubernetes: a Deployment, its own or a Helm release's.
    Kubernetes,
}

/// A time in which changes are refused.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FreezeFile {
    /// Why: `Black Friday`.
    #[schemars(with = "String")]
    pub reason: Spanned<String>,
    /// From then on: `2026-11-27T00:00:00Z`, or `2026-11-27 00:00[Europe/Berlin]`.
    #[schemars(with = "String")]
    pub start: Spanned<MomentFile>,
    /// Until before then, in the same way.
    #[schemars(with = "String")]
    pub end: Spanned<MomentFile>,
}

/// A moment, in quotes or as TOML's own date.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a moment such as 2026-11-27T00:00:00Z")]
pub(super) enum MomentFile {
    Toml(toml::value::Datetime),
    Text(String),
}

impl fmt::Display for MomentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toml(moment) => moment.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The shared lock.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LockFile {
    /// The S3 bucket.
    #[schemars(with = "String")]
    pub bucket: Spanned<String>,
    /// Key prefix. Default `opsconsole/`.
    pub prefix: Option<String>,
}

/// A billed thing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtraBillFile {
    /// What it is, for people.
    pub what: String,
    /// The price book's key.
    pub sku: String,
    /// How many units. Default 1.
    #[schemars(with = "Option<f64>")]
    pub quantity: Option<Spanned<f64>>,
    /// Hours of a month it runs, where its price is by the hour. Default 730: always.
    #[schemars(with = "Option<f64>", range(min = 0, max = 730))]
    pub hours_per_month: Option<Spanned<f64>>,
}
