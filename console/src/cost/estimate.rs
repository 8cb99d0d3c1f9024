//! What a bill of resources comes to a month, line by line.

use super::price::{Price, PriceBook};
use crate::model::{Amount, BillOfResources, Usd};
use serde::{Deserialize, Serialize};

/// What a line costs a month.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum LineCost {
    /// No price is known: the total is a lower bound.
    NoPrice,
    /// So much; all three are equal unless the price floats (Spot).
    Monthly {
        /// At the best price.
        min: Usd,
        /// In the middle.
        typical: Usd,
        /// At the worst.
        max: Usd,
    },
}

/// One priced line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimateLine {
    /// What it is.
    pub what: String,
    /// Its key in the price book.
    pub sku: String,
    /// Where the quantity comes from.
    pub basis: String,
    /// Units at once, or units a month where the unit has no time in it.
    pub quantity: f64,
    /// Hours a month, where the unit has hours in it.
    pub hours: Option<f64>,
    /// The price used, with its date and source.
    pub price: Option<Price>,
    /// What it comes to.
    pub cost: LineCost,
    /// The sum for people: `0.5 vCPU × 730 h × $0.04048 = $14.78`, or `no price`.
    pub formula: String,
}

/// A priced bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The region whose prices were used.
    pub region: String,
    /// What the screen must say beside it.
    pub note: Option<String>,
    /// The lines, in the bill's order.
    pub lines: Vec<EstimateLine>,
    /// A month, typical.
    pub total: Amount,
    /// A month at the best prices.
    pub min: Usd,
    /// A month at the worst prices.
    pub max: Usd,
}

/// Prices a bill: quantity × hours × unit price, 730 hours a month.
///
/// A sku that ends in `.spot` is priced as the sku before it less the discount of `fargate.spot`.
pub fn estimate(bill: &BillOfResources, book: &PriceBook) -> Estimate {
    let _ = (bill, book);
    unimplemented!()
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeltaLine {
    /// What it is.
    pub what: String,
    /// Its key.
    pub sku: String,
    /// A month before, where it was there and had a price.
    pub before: Option<Usd>,
    /// A month after, where it is there and has a price.
    pub after: Option<Usd>,
}

/// What changes from one estimate to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// A month before.
    pub before: Amount,
    /// A month after.
    pub after: Amount,
    /// After less before, over the lines that have a price.
    pub change: Usd,
    /// True when lines without a price differ, so that the real change may be another.
    pub uncertain: bool,
    /// The lines that differ.
    pub lines: Vec<DeltaLine>,
}

/// Compares two estimates line by line.
pub fn delta(before: &Estimate, after: &Estimate) -> Delta {
    let _ = (before, after);
    unimplemented!()
}

/// What it costs, once, that old and new instances run side by side: the compute of `new` for
/// `minutes`, times `share` of its instances (1 for blue/green; for a rolling deployment
/// `maximumPercent / 100 − 1`).
pub fn overlap(new: &Estimate, minutes: f64, share: f64) -> Amount {
    let _ = (new, minutes, share);
    unimplemented!()
}
