//! What another choice would cost: ARM64, Spot, office hours, commitments.
//!
//! The price book has no Savings Plans or reserved rates: they depend on term and payment, so the
//! operator says what the offer takes off. What the offer does not cover, and that a commitment is
//! paid all 730 hours whether the thing runs or not, is worked out here.

use super::{
    contract::{BillLine, Contract},
    price::{StackCost, price},
};
use crate::{
    cost::{HOURS_PER_MONTH, PriceBook, UnitPrice},
    model::{Amount, Usd},
};
use serde::Serialize;
use std::{fmt, str::FromStr};

/// Twelve hours on five days a week, in hours a month: 12 × 5 × 365 / 7 / 12.
const OFFICE_HOURS: f64 = 12.0 * 5.0 * 365.0 / 7.0 / 12.0;

/// Another choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WhatIf {
    /// Fargate tasks on ARM64 instead of x86-64.
    Arm64,
    /// Fargate tasks on Spot.
    Spot,
    /// Tasks, instances and databases on for 12 hours on 5 days a week.
    OfficeHours,
    /// A compute Savings Plan that takes so many percent off Fargate and EC2.
    SavingsPlan(f64),
    /// Reserved databases and cache nodes at so many percent off.
    Reserved(f64),
}

impl FromStr for WhatIf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, percent) = match text.split_once('=') {
            Some((name, percent)) => (name, Some(percent)),
            None => (text, None),
        };
        let wanted = || -> Result<f64, String> {
            let percent = percent.ok_or_else(|| {
                format!(
                    "{name} needs what your offer takes off, such as {name}=20: the price book has no such rates"
                )
            })?;
            match percent.trim_end_matches('%').parse::<f64>() {
                Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
                _ => Err(format!("{percent:?} is not a percentage from 0 to 100")),
            }
        };
        match (name, percent) {
            ("savings-plan", _) => wanted().map(Self::SavingsPlan),
            ("reserved", _) => wanted().map(Self::Reserved),
            ("arm64" | "spot" | "office-hours", Some(_)) => {
                Err(format!("{name} takes no percentage"))
            }
            ("arm64", None) => Ok(Self::Arm64),
            ("spot", None) => Ok(Self::Spot),
            ("office-hours", None) => Ok(Self::OfficeHours),
            _ => Err(format!(
                "{name:?} is not a choice; there are arm64, spot, office-hours, savings-plan=PERCENT and reserved=PERCENT"
            )),
        }
    }
}

impl fmt::Display for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arm64 => f.write_str("arm64"),
            Self::Spot => f.write_str("spot"),
            Self::OfficeHours => f.write_str("office-hours"),
            Self::SavingsPlan(percent) => write!(f, "savings-plan={percent}"),
            Self::Reserved(percent) => write!(f, "reserved={percent}"),
        }
    }
}

/// What a choice comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhatIfCost {
    /// The choice as it was asked for.
    pub what_if: String,
    /// A month, typical.
    pub total: Amount,
    /// A month with the fewest units at the best prices.
    pub min: Usd,
    /// A month with the most units at the worst prices.
    pub max: Usd,
    /// Against the stack as it is; negative saves.
    pub change: Usd,
    /// How many lines it changes.
    pub lines_changed: usize,
    /// What is to be known of it.
    pub note: String,
}

/// What a choice would cost.
pub fn what_if(contract: &Contract, choice: WhatIf, book: &PriceBook) -> WhatIfCost {
    let now = price(contract, book);
    match choice {
        WhatIf::Arm64 => other_bill(contract, &now, choice, book, |line| {
            let of = line.sku.strip_prefix("fargate.linux.x86.")?;
            Some(BillLine {
                sku: format!("fargate.linux.arm.{of}"),
                ..line.clone()
            })
        }),
        WhatIf::Spot => other_bill(contract, &now, choice, book, |line| {
            let is_task = line.sku.starts_with("fargate.linux.") && !line.sku.ends_with(".spot");
            is_task.then(|| BillLine {
                sku: format!("{}.spot", line.sku),
                ..line.clone()
            })
        }),
        WhatIf::OfficeHours => other_bill(contract, &now, choice, book, |line| {
            let switches = (is_compute(&line.sku) || line.sku.starts_with("rds.pg."))
                && line.hours_per_month > OFFICE_HOURS;
            switches.then(|| BillLine {
                hours_per_month: OFFICE_HOURS,
                ..line.clone()
            })
        }),
        WhatIf::SavingsPlan(percent) => {
            let covers = |sku: &str| is_compute(sku) && !is_spot(sku);
            commit(&now, choice, percent, covers)
        }
        WhatIf::Reserved(percent) => {
            let covers = |sku: &str| sku.starts_with("rds.pg.") || sku.starts_with("elasticache.");
            commit(&now, choice, percent, covers)
        }
    }
}

fn is_spot(sku: &str) -> bool {
    sku.ends_with(".spot") || sku.starts_with("ec2.spot.")
}

fn is_compute(sku: &str) -> bool {
    sku.starts_with("fargate.") || sku.starts_with("ec2.")
}

/// Prices the bill with some lines replaced.
fn other_bill(
    contract: &Contract,
    now: &StackCost,
    choice: WhatIf,
    book: &PriceBook,
    replace: impl Fn(&BillLine) -> Option<BillLine>,
) -> WhatIfCost {
    let mut other = contract.clone();
    let mut lines_changed = 0;
    for line in &mut other.bill.lines {
        if let Some(new) = replace(line) {
            *line = new;
            lines_changed += 1;
        }
    }
    let then = price(&other, book);
    WhatIfCost {
        what_if: choice.to_string(),
        total: then.total,
        min: then.min,
        max: then.max,
        change: then.total.usd - now.total.usd,
        lines_changed,
        note: note(choice, contract.production).to_owned(),
    }
}

/// Commits to the lower bound of what is covered: that many units are paid all month, less the
/// discount; what runs beyond is paid as before.
fn commit(
    now: &StackCost,
    choice: WhatIf,
    percent: f64,
    covers: impl Fn(&str) -> bool,
) -> WhatIfCost {
    let mut change = Usd::default();
    let mut lines_changed = 0;
    for line in now.lines.iter().filter(|line| covers(&line.sku)) {
        let (Some(UnitPrice::Fixed(unit)), Some(hours)) =
            (line.price.as_ref().map(|price| price.price), line.hours)
        else {
            continue;
        };
        let before = unit * (line.quantity_min * hours);
        let after = unit * (line.quantity_min * HOURS_PER_MONTH * (1.0 - percent / 100.0));
        change = change + after - before;
        lines_changed += 1;
    }
    WhatIfCost {
        what_if: choice.to_string(),
        total: Amount {
            usd: now.total.usd + change,
            at_least: now.total.at_least,
        },
        min: now.min + change,
        max: now.max + change,
        change,
        lines_changed,
        note: note(choice, false).to_owned(),
    }
}

fn note(choice: WhatIf, production: bool) -> &'static str {
    match choice {
        WhatIf::Arm64 => "needs an image for ARM64",
        WhatIf::Spot => {
            "Spot's price floats and AWS takes tasks back with two minutes' notice: not for a database, and production needs on-demand tasks beside it"
        }
        WhatIf::OfficeHours if production => {
            "production stays on: Terraform's off_hours leaves it alone"
        }
        WhatIf::OfficeHours => {
            "12 hours on 5 days; NAT gateways, load balancers, addresses and storage go on billing"
        }
        WhatIf::SavingsPlan(_) => {
            "Fargate and EC2 only, not Spot; the lower bound is committed and paid all 730 hours, also when it is off"
        }
        WhatIf::Reserved(_) => {
            "databases and cache nodes only; the lower bound is committed and paid all 730 hours, also when it is off"
        }
    }
}
