//! The `opsconsole` output of a stack, version 1.x, as far as the console uses it.
//!
//! Keys that are not known are left out, so that 1.x can grow; what is needed and missing, or has
//! another shape, is named with its path.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Hours in a month, the most that a line may run.
const HOURS_MAX: f64 = 730.0;

/// What one stack says about one environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// `1.0`.
    pub version: String,
    /// Which of the catalogue's stacks made it.
    pub stack: String,
    /// The system's name.
    pub system: String,
    /// The environment's name.
    pub environment: String,
    /// Whether Terraform holds it to production rules.
    pub production: bool,
    /// The AWS region.
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// Where it runs.
    pub platform: PlatformName,
    /// What a deploy acts on.
    pub target: Target,
    /// Container or service → log group, in order of name.
    pub log_groups: Vec<(String, String)>,
    /// The common prefix of its alarms.
    pub alarm_prefix: String,
    /// A page to open when something is wrong.
    pub runbook: Option<String>,
    /// Bucket and prefix of the shared lock.
    pub lock: Option<Lock>,
    /// What it is billed for.
    pub bill: Bill,
}

/// Where an environment runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformName {
    /// Amazon ECS.
    Ecs,
    /// Kubernetes.
    Kubernetes,
    /// An instance with systemd.
    Ec2,
}

/// Who shifts the traffic on ECS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deployment {
    /// ECS replaces tasks a few at a time.
    Rolling,
    /// CodeDeploy, from one set of tasks to another.
    Codedeploy,
    /// ECS itself, from one set of tasks to another.
    Native,
}

/// What a deploy or rollback acts on; which keys are set follows the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// ECS or Kubernetes cluster.
    pub cluster: Option<String>,
    /// ECS service.
    pub service: Option<String>,
    /// The container that carries the release.
    pub container: Option<String>,
    /// Who shifts the traffic.
    pub deployment: Option<Deployment>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Helm release.
    pub release: Option<String>,
    /// Instances with this tag…
    pub instance_tag_key: Option<String>,
    /// …of this value.
    pub instance_tag_value: Option<String>,
}

/// The shared lock's place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Lock {
    /// The bucket.
    pub bucket: String,
    /// Key prefix.
    pub prefix: String,
}

/// Every billed thing, before prices.
#[derive(Clone, Debug, PartialEq)]
pub struct Bill {
    /// The region whose prices apply.
    pub region: String,
    /// A remark that the reader must see.
    pub note: Option<String>,
    /// At least one.
    pub lines: Vec<BillLine>,
}

/// Who else sees a billed thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportedBy {
    /// The console sees it itself.
    Platform,
    /// Only the bill knows.
    Terraform,
}

/// One billed thing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BillLine {
    /// What it is, for people.
    pub what: String,
    /// The price book's key.
    pub sku: String,
    /// Typical units at once, or a month.
    pub quantity: f64,
    /// At the lower bound of autoscaling.
    pub min: f64,
    /// At the upper bound.
    pub max: f64,
    /// Hours of a month it runs, 0–730.
    pub hours_per_month: f64,
    /// Where the quantity comes from.
    pub basis: String,
    /// Who else sees it.
    pub reported_by: ReportedBy,
}

/// What is wrong with a part of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Which part.
    pub path: String,
    /// What is wrong; follows the path in a sentence.
    pub cause: String,
}

impl Wrong {
    fn new(path: &str, cause: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            cause: cause.into(),
        }
    }
}

impl Contract {
    /// Reads an output whose version was found to be 1.x.
    pub(super) fn parse(output: &Map<String, Value>) -> Result<Self, Wrong> {
        let lines = object(output, "bill")?
            .get("lines")
            .and_then(Value::as_array)
            .ok_or_else(|| Wrong::new("bill.lines", "is missing or not a list"))?;
        let lines = lines
            .iter()
            .enumerate()
            .map(|(index, line)| bill_line(&format!("bill.lines[{index}]"), line))
            .collect::<Result<Vec<_>, _>>()?;
        if lines.is_empty() {
            return Err(Wrong::new(
                "bill.lines",
                "is empty: an environment that costs nothing does not exist",
            ));
        }
        let log_groups: std::collections::BTreeMap<String, String> =
            part(output, "log_groups", "log_groups")?;
        let alarms = object(output, "alarms")?;
        let bill = object(output, "bill")?;
        let contract = Self {
            version: part(output, "contract", "contract")?,
            stack: part(output, "stack", "stack")?,
            system: part(output, "name", "name")?,
            environment: part(output, "environment", "environment")?,
            production: part(output, "production", "production")?,
            region: part(output, "region", "region")?,
            account: part(output, "account", "account")?,
            platform: part(output, "platform", "platform")?,
            target: part(output, "target", "target")?,
            log_groups: log_groups.into_iter().collect(),
            alarm_prefix: part(alarms, "prefix", "alarms.prefix")?,
            runbook: part(object(output, "urls")?, "runbook", "urls.runbook")?,
            lock: part(output, "lock", "lock")?,
            bill: Bill {
                region: part(bill, "region", "bill.region")?,
                note: part(bill, "note", "bill.note")?,
                lines,
            },
        };
        contract.check()?;
        Ok(contract)
    }

    fn check(&self) -> Result<(), Wrong> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let name = &self.environment;
        if !name.starts_with(|c: char| c.is_ascii_lowercase())
            || name.len() > 16
            || !name.chars().all(is_name)
        {
            return Err(Wrong::new(
                "environment",
                format!(
                    "is {name:?}; it must be 1 to 16 lower-case letters, digits and `-`, a letter first"
                ),
            ));
        }
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Wrong::new(
                "account",
                format!("is {:?}; an AWS account is twelve digits", self.account),
            ));
        }
        let target = &self.target;
        let needed: &[(&str, &Option<String>)] = match self.platform {
            PlatformName::Ecs => &[
                ("target.cluster", &target.cluster),
                ("target.service", &target.service),
            ],
            PlatformName::Kubernetes => &[
                ("target.namespace", &target.namespace),
                ("target.release", &target.release),
            ],
            PlatformName::Ec2 => &[
                ("target.instance_tag_key", &target.instance_tag_key),
                ("target.instance_tag_value", &target.instance_tag_value),
            ],
        };
        for (path, value) in needed {
            if value.as_deref().is_none_or(|value| value.trim().is_empty()) {
                return Err(Wrong::new(path, "is missing"));
            }
        }
        Ok(())
    }
}

fn bill_line(path: &str, line: &Value) -> Result<BillLine, Wrong> {
    let mut line: BillLine = convert(path, line.clone())?;
    for (key, value) in [
        ("quantity", line.quantity),
        ("min", line.min),
        ("max", line.max),
        ("hours_per_month", line.hours_per_month),
    ] {
        if !value.is_finite() || value < 0.0 {
            return Err(Wrong::new(
                &format!("{path}.{key}"),
                format!("is {value}; it must be a number that is not negative"),
            ));
        }
    }
    if line.hours_per_month > HOURS_MAX {
        return Err(Wrong::new(
            &format!("{path}.hours_per_month"),
            format!("is {}; a month has {HOURS_MAX}", line.hours_per_month),
        ));
    }
    if !(line.min <= line.quantity && line.quantity <= line.max) {
        return Err(Wrong::new(
            path,
            format!(
                "must have min ≤ quantity ≤ max; it has {} ≤ {} ≤ {}",
                line.min, line.quantity, line.max
            ),
        ));
    }
    // Terraform prints one and the same number as …666 in an output and …667 in a plan; half a cent
    // must not depend on it.
    for value in [
        &mut line.quantity,
        &mut line.min,
        &mut line.max,
        &mut line.hours_per_month,
    ] {
        *value = (*value * 1e9).round() / 1e9;
    }
    Ok(line)
}

fn object<'a>(output: &'a Map<String, Value>, key: &str) -> Result<&'a Map<String, Value>, Wrong> {
    output
        .get(key)
        .and_then(Value::as_object)
        .ok_or_else(|| Wrong::new(key, "is missing or not an object"))
}

/// One key; a missing one is right where its type can be null.
fn part<T: DeserializeOwned>(
    output: &Map<String, Value>,
    key: &str,
    path: &str,
) -> Result<T, Wrong> {
    match output.get(key) {
        Some(value) => convert(path, value.clone()),
        None => serde_json::from_value(Value::Null).map_err(|_| Wrong::new(path, "is missing")),
    }
}

fn convert<T: DeserializeOwned>(path: &str, value: Value) -> Result<T, Wrong> {
    serde_json::from_value(value)
        .map_err(|error| Wrong::new(path, format!("has another shape: {error}")))
}
