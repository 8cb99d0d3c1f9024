//! What a stack's bill comes to a month: typical, and at both bounds of autoscaling.

use super::contract::{Bill, Contract, Deployment, PlatformName, ReportedBy};
use crate::{
    cost::{Estimate, LineCost, Price, PriceBook, estimate, overlap},
    model::{Amount, BillLine, BillOfResources, EnvironmentName, Schedule, Usd},
};
use serde::Serialize;

/// How long both colours of a blue/green deployment run, in minutes: the wait before the old tasks
/// end in the catalogue's stacks. The shift itself comes on top.
const BOTH_COLOURS_MINUTES: f64 = 30.0;

/// One priced line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PricedLine {
    /// What it is.
    pub what: String,
    /// The price book's key.
    pub sku: String,
    /// Where the quantity comes from.
    pub basis: String,
    /// Who else sees it.
    pub reported_by: ReportedBy,
    /// Typical units at once, or a month.
    pub quantity: f64,
    /// At the lower bound of autoscaling.
    pub quantity_min: f64,
    /// At the upper bound.
    pub quantity_max: f64,
    /// Hours a month, where the unit has hours in it.
    pub hours: Option<f64>,
    /// The price used, with its date and source.
    pub price: Option<Price>,
    /// What is taken off it (Spot), with its date and source.
    pub discount: Option<Price>,
    /// A month: fewest units at the best price, typical, most units at the worst.
    pub cost: LineCost,
    /// The typical sum for people.
    pub formula: String,
}

/// What a blue/green release costs while old and new tasks run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// For so long.
    pub minutes: f64,
    /// Once, on top of the month.
    pub amount: Amount,
}

/// A priced stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StackCost {
    /// The environment.
    pub environment: EnvironmentName,
    /// The system it belongs to.
    pub system: String,
    /// Which of the catalogue's stacks made it.
    pub stack: String,
    /// Where it runs.
    pub platform: PlatformName,
    /// The region whose prices were used.
    pub region: String,
    /// What the reader must know.
    pub note: Option<String>,
    /// The lines, in the bill's order.
    pub lines: Vec<PricedLine>,
    /// A month, typical; a lower bound when a line has no price.
    pub total: Amount,
    /// A month with the fewest units at the best prices.
    pub min: Usd,
    /// A month with the most units at the worst prices.
    pub max: Usd,
    /// One release's overlap, where two sets of tasks run during it.
    pub overlap: Option<Overlap>,
}

/// Prices a stack.
pub fn price(contract: &Contract, book: &PriceBook) -> StackCost {
    let bill = &contract.bill;
    let low = estimate(&resources(bill, |line| line.min), book);
    let typical = estimate(&resources(bill, |line| line.quantity), book);
    let high = estimate(&resources(bill, |line| line.max), book);
    let lines = bill
        .lines
        .iter()
        .zip(&typical.lines)
        .zip(low.lines.iter().zip(&high.lines))
        .map(|((line, priced), (low, high))| PricedLine {
            what: line.what.clone(),
            sku: line.sku.clone(),
            basis: line.basis.clone(),
            reported_by: line.reported_by,
            quantity: line.quantity,
            quantity_min: line.min,
            quantity_max: line.max,
            hours: priced.hours,
            price: priced.price.clone(),
            discount: priced.discount.clone(),
            cost: between(low.cost, priced.cost, high.cost),
            formula: priced.formula.clone(),
        })
        .collect();
    StackCost {
        environment: EnvironmentName::new(contract.environment.clone()),
        system: contract.system.clone(),
        stack: contract.stack.clone(),
        platform: contract.platform,
        region: typical.region.clone(),
        note: typical.note.clone(),
        lines,
        total: typical.total,
        min: low.min,
        max: high.max,
        overlap: release_overlap(contract, &typical),
    }
}

/// The bill in the console's own terms, with the quantity that `of` picks.
fn resources(bill: &Bill, of: impl Fn(&super::BillLine) -> f64) -> BillOfResources {
    BillOfResources {
        region: bill.region.clone(),
        note: bill.note.clone(),
        lines: bill
            .lines
            .iter()
            .map(|line| BillLine {
                what: line.what.clone(),
                sku: line.sku.clone(),
                quantity: of(line),
                schedule: Schedule::HoursPerMonth(line.hours_per_month),
                basis: line.basis.clone(),
            })
            .collect(),
    }
}

fn between(low: LineCost, typical: LineCost, high: LineCost) -> LineCost {
    match (low, typical, high) {
        (
            LineCost::Monthly { min, .. },
            LineCost::Monthly { typical, .. },
            LineCost::Monthly { max, .. },
        ) => LineCost::Monthly { min, typical, max },
        _ => LineCost::NoPrice,
    }
}

fn release_overlap(contract: &Contract, typical: &Estimate) -> Option<Overlap> {
    let has_two_colours = matches!(
        contract.target.deployment,
        Some(Deployment::Codedeploy | Deployment::Native)
    );
    has_two_colours.then(|| Overlap {
        minutes: BOTH_COLOURS_MINUTES,
        amount: overlap(typical, BOTH_COLOURS_MINUTES, 1.0),
    })
}
