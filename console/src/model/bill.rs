//! The bill of resources: what an environment runs that costs money, before prices.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A processor architecture, in the registry's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// `amd64`, x86-64.
    Amd64,
    /// `arm64`, Graviton.
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

/// When something runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// All 730 hours of a month.
    Always,
    /// So many hours of a month.
    HoursPerMonth(f64),
}

/// One billed thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BillLine {
    /// What it is, for people: `Fargate vCPU, 2 × 0.25`.
    pub what: String,
    /// The price book's key: `fargate.linux.x86.vcpu`. Unknown keys read "no price".
    pub sku: String,
    /// How many units run at once, in the sku's unit without its time part (vCPU, GB, 1…).
    pub quantity: f64,
    /// When it runs; ignored where the unit has no hours in it.
    pub schedule: Schedule,
    /// Where the quantity comes from: `task definition`, `measured over 1 h`, `configured`.
    pub basis: String,
}

impl BillLine {
    /// One that runs day and night.
    pub fn always(what: String, sku: &str, quantity: f64, basis: &str) -> Self {
        Self {
            what,
            sku: sku.to_owned(),
            quantity,
            schedule: Schedule::Always,
            basis: basis.to_owned(),
        }
    }
}

/// Everything an environment is billed for, as far as the platform reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BillOfResources {
    /// The region whose prices apply.
    pub region: String,
    /// A remark that the screen must show, such as "priced as if in us-east-1".
    pub note: Option<String>,
    /// The lines.
    pub lines: Vec<BillLine>,
}
