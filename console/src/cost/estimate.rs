//! What a bill of resources comes to a month, line by line.

use super::price::{Price, PriceBook, Unit, UnitPrice};
use crate::model::{Amount, BillLine, BillOfResources, CostDelta, Schedule, Usd};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Hours in a month, as AWS's own calculator counts them (365 × 24 / 12).
pub const HOURS_PER_MONTH: f64 = 730.0;

/// The row that says what Spot takes off.
const SPOT_DISCOUNT: &str = "fargate.spot";
const SPOT_SUFFIX: &str = ".spot";

/// What a line costs a month.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

impl LineCost {
    /// In the middle, where a price is known.
    pub fn typical(self) -> Option<Usd> {
        match self {
            Self::NoPrice => None,
            Self::Monthly { typical, .. } => Some(typical),
        }
    }
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
    /// What is taken off it, with its date and source (Spot).
    pub discount: Option<Price>,
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

impl Estimate {
    /// True when a price floats, so that the total is shown as a range.
    pub fn is_range(&self) -> bool {
        self.min != self.max
    }

    /// Lines whose price was not seen to hold in the last 90 days: for the badge.
    pub fn stale_lines(&self, today: Date) -> usize {
        let is_stale =
            |price: &Option<Price>| price.as_ref().is_some_and(|price| price.is_stale(today));
        self.lines
            .iter()
            .filter(|line| is_stale(&line.price) || is_stale(&line.discount))
            .count()
    }
}

/// Prices a bill: quantity × hours × unit price, 730 hours a month.
///
/// A sku that ends in `.spot` (`fargate.linux.x86.vcpu.spot`) is priced as the sku before it less
/// the discount of `fargate.spot`, which floats: the estimate is a range.
pub fn estimate(bill: &BillOfResources, book: &PriceBook) -> Estimate {
    let lines: Vec<_> = bill
        .lines
        .iter()
        .map(|line| price_line(line, &bill.region, book))
        .collect();
    let (mut min, mut typical, mut max) = (Usd::default(), Usd::default(), Usd::default());
    for line in &lines {
        if let LineCost::Monthly {
            min: low,
            typical: middle,
            max: high,
        } = line.cost
        {
            (min, typical, max) = (min + low, typical + middle, max + high);
        }
    }
    let at_least = lines.iter().any(|line| line.cost == LineCost::NoPrice);
    let uncovered = (!lines.is_empty() && !book.covers(&bill.region))
        .then(|| format!("no prices are known for {}", bill.region));
    let notes: Vec<_> = bill.note.iter().cloned().chain(uncovered).collect();
    Estimate {
        region: bill.region.clone(),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
        lines,
        total: Amount {
            usd: typical,
            at_least,
        },
        min,
        max,
    }
}

fn price_line(line: &BillLine, region: &str, book: &PriceBook) -> EstimateLine {
    let (sku, is_spot) = match line.sku.strip_suffix(SPOT_SUFFIX) {
        // `fargate.spot` itself is a discount, no thing that is billed.
        Some(base) if line.sku != SPOT_DISCOUNT => (base, true),
        _ => (line.sku.as_str(), false),
    };
    let price = book.get(sku, region);
    let discount = is_spot.then(|| book.get(SPOT_DISCOUNT, region)).flatten();
    let mut priced = EstimateLine {
        what: line.what.clone(),
        sku: line.sku.clone(),
        basis: line.basis.clone(),
        quantity: line.quantity,
        hours: None,
        price: price.cloned(),
        discount: discount.cloned(),
        cost: LineCost::NoPrice,
        formula: "no price".to_owned(),
    };
    let Some(Price {
        unit,
        price: UnitPrice::Fixed(unit_price),
        ..
    }) = price
    else {
        return priced;
    };
    if !line.quantity.is_finite() || line.quantity < 0.0 {
        return priced;
    }
    let (of, hours) = match unit {
        Unit::Hour { of } => (of, Some(hours_of(line.schedule))),
        Unit::Month { of } | Unit::Use { of } => (of, None),
        Unit::Discount => return priced,
    };
    priced.hours = hours;
    let full = *unit_price * (line.quantity * hours.unwrap_or(1.0));
    let (low, high) = match (is_spot, discount.map(|discount| discount.price)) {
        (false, _) => (0.0, 0.0),
        (true, Some(UnitPrice::Discount { low, high })) => (low, high),
        (true, _) => return priced,
    };
    let (min, max) = (full * (1.0 - high), full * (1.0 - low));
    let typical = full * (1.0 - f64::midpoint(low, high));
    priced.cost = LineCost::Monthly { min, typical, max };
    let mut sum = number(line.quantity);
    if !of.is_empty() {
        sum.push_str(&format!(" {of}"));
    }
    if let Some(hours) = hours {
        sum.push_str(&format!(" × {} h", number(hours)));
    }
    sum.push_str(&format!(" × ${}", unit_price.0));
    priced.formula = if is_spot {
        let percent = |share: f64| number(share * 100.0);
        format!(
            "{sum} less {}–{} % = {min}–{max}",
            percent(low),
            percent(high)
        )
    } else {
        format!("{sum} = {typical}")
    };
    priced
}

fn hours_of(schedule: Schedule) -> f64 {
    match schedule {
        Schedule::Always => HOURS_PER_MONTH,
        Schedule::HoursPerMonth(hours) => hours.clamp(0.0, HOURS_PER_MONTH),
    }
}

/// At most three decimals, without zeros at the end.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
    /// The lines that differ, by sku.
    pub lines: Vec<DeltaLine>,
}

impl Delta {
    /// For a plan.
    pub fn with_overlap(&self, overlap: Option<Amount>) -> CostDelta {
        CostDelta {
            before: self.before,
            after: self.after,
            overlap,
        }
    }
}

/// Compares two estimates line by line.
pub fn delta(before: &Estimate, after: &Estimate) -> Delta {
    let mut skus: Vec<&str> = Vec::new();
    for line in before.lines.iter().chain(&after.lines) {
        if !skus.contains(&line.sku.as_str()) {
            skus.push(&line.sku);
        }
    }
    let mut uncertain = false;
    let mut lines = Vec::new();
    for sku in skus {
        let (old, new) = (SkuSum::of(before, sku), SkuSum::of(after, sku));
        uncertain |= old.unpriced != new.unpriced;
        if old != new {
            lines.push(DeltaLine {
                what: new.what.or(old.what).unwrap_or(sku).to_owned(),
                sku: sku.to_owned(),
                before: old.usd,
                after: new.usd,
            });
        }
    }
    Delta {
        before: before.total,
        after: after.total,
        change: after.total.usd - before.total.usd,
        uncertain,
        lines,
    }
}

/// All lines of one sku in an estimate.
struct SkuSum<'a> {
    what: Option<&'a str>,
    usd: Option<Usd>,
    unpriced: f64,
}

impl<'a> SkuSum<'a> {
    fn of(estimate: &'a Estimate, sku: &str) -> Self {
        let mut sum = Self {
            what: None,
            usd: None,
            unpriced: 0.0,
        };
        for line in estimate.lines.iter().filter(|line| line.sku == sku) {
            sum.what.get_or_insert(&line.what);
            match line.cost.typical() {
                Some(usd) => sum.usd = Some(sum.usd.unwrap_or_default() + usd),
                None => sum.unpriced += line.quantity,
            }
        }
        sum
    }
}

impl PartialEq for SkuSum<'_> {
    /// Names may differ (`2 × 0.25` against `3 × 0.25`) where the sums say enough.
    fn eq(&self, other: &Self) -> bool {
        self.usd == other.usd && self.unpriced == other.unpriced
    }
}

/// What it costs, once, that old and new instances run side by side: the compute of `new` for
/// `minutes`, times `share` of its instances (1 for blue/green; for a rolling deployment
/// `maximumPercent / 100 − 1`, at most 1).
pub fn overlap(new: &Estimate, minutes: f64, share: f64) -> Amount {
    let mut amount = Amount::default();
    for line in new.lines.iter().filter(|line| is_compute(&line.sku)) {
        match (line.cost.typical(), line.hours) {
            (Some(monthly), Some(hours)) if hours > 0.0 => {
                amount.usd =
                    amount.usd + monthly * (minutes / 60.0 / hours * share.clamp(0.0, 1.0));
            }
            (Some(_), _) => {}
            (None, _) => amount.at_least = true,
        }
    }
    amount
}

/// An overlap for people: `about $0.02`, `less than $0.01`, `at least $0.02`.
pub fn overlap_words(amount: Amount) -> String {
    match amount.at_least {
        true => format!("at least {}", amount.usd),
        false if amount.usd.0 > 0.0 && amount.usd.0 < 0.005 => "less than $0.01".to_owned(),
        false => format!("about {}", amount.usd),
    }
}

fn is_compute(sku: &str) -> bool {
    sku.starts_with("fargate.") || sku.starts_with("ec2.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: f64) -> BillLine {
        BillLine {
            what: sku.to_owned(),
            sku: sku.to_owned(),
            quantity,
            schedule: Schedule::Always,
            basis: "task definition".to_owned(),
        }
    }

    fn bill(lines: &[(&str, f64)]) -> BillOfResources {
        BillOfResources {
            region: "us-east-1".to_owned(),
            note: None,
            lines: lines
                .iter()
                .map(|(sku, quantity)| line(sku, *quantity))
                .collect(),
        }
    }

    fn priced(lines: &[(&str, f64)]) -> Estimate {
        estimate(&bill(lines), PriceBook::shipped())
    }

    /// 1 vCPU and 2 GB, all month.
    fn task(kind: &str, suffix: &str) -> Estimate {
        let vcpu = format!("fargate.linux.{kind}.vcpu{suffix}");
        let memory = format!("fargate.linux.{kind}.gb{suffix}");
        priced(&[(&vcpu, 1.0), (&memory, 2.0)])
    }

    #[test]
    fn a_task_of_one_vcpu_and_two_gigabytes_costs_36_04() {
        // 0.04048 × 730 = 29.5504; 2 × 0.004445 × 730 = 6.4897.
        let estimate = task("x86", "");
        assert_eq!(estimate.total.to_string(), "$36.04");
        assert_eq!(
            estimate.lines[0].formula,
            "1 vCPU × 730 h × $0.04048 = $29.55"
        );
        assert_eq!(
            estimate.lines[1].formula,
            "2 GB × 730 h × $0.004445 = $6.49"
        );
        assert!(!estimate.is_range());
    }

    #[test]
    fn arm_saves_7_21() {
        let delta = delta(&task("x86", ""), &task("arm", ""));
        assert_eq!(delta.change.to_string(), "-$7.21");
        assert_eq!(delta.lines.len(), 4);
        assert!(!delta.uncertain);
    }

    #[test]
    fn spot_is_a_range_from_10_81_to_18_02() {
        let estimate = task("x86", ".spot");
        let shown = (
            estimate.min.to_string(),
            estimate.total.to_string(),
            estimate.max.to_string(),
        );
        assert_eq!(shown, ("$10.81".into(), "$14.42".into(), "$18.02".into()));
        assert!(estimate.is_range() && !estimate.total.at_least);
        let line = &estimate.lines[0];
        assert_eq!(
            line.formula,
            "1 vCPU × 730 h × $0.04048 less 50–70 % = $8.87–$14.78"
        );
        assert!(
            line.discount
                .as_ref()
                .unwrap()
                .source
                .contains("illustrative")
        );
    }

    #[test]
    fn load_balancer_nat_address_and_storage_come_to_the_cent() {
        for (sku, quantity, total) in [
            ("alb.hour", 1.0, "$16.43"),
            ("nat.hour", 1.0, "$32.85"),
            ("nat.hour", 2.0, "$65.70"),
            ("ipv4.public", 3.0, "$10.95"),
            ("efs.standard", 10.0, "$3.00"),
            ("nat.gb", 48.0, "$2.16"),
            ("cw.logs.ingest", 10.0, "$5.00"),
            ("cw.alarm.standard", 2.0, "$0.20"),
            ("vpce.if", 8.0, "$58.40"),
        ] {
            assert_eq!(priced(&[(sku, quantity)]).total.to_string(), total, "{sku}");
        }
    }

    #[test]
    fn office_hours_shorten_what_is_paid_by_the_hour_only() {
        let mut bill = bill(&[("fargate.linux.x86.vcpu", 1.0), ("efs.standard", 10.0)]);
        for line in &mut bill.lines {
            line.schedule = Schedule::HoursPerMonth(260.0);
        }
        let estimate = estimate(&bill, PriceBook::shipped());
        assert_eq!(
            estimate.lines[0].cost.typical().unwrap().to_string(),
            "$10.52"
        );
        assert_eq!(
            estimate.lines[1].cost.typical().unwrap().to_string(),
            "$3.00"
        );
    }

    #[test]
    fn a_line_without_a_price_says_so_and_the_total_becomes_at_least() {
        let estimate = priced(&[
            ("alb.hour", 1.0),
            ("quantum.qubit", 4.0),
            ("fargate.spot", 1.0),
        ]);
        assert_eq!(estimate.total.to_string(), "≥$16.43");
        assert_eq!(estimate.lines[1].formula, "no price");
        assert_eq!(estimate.lines[2].cost, LineCost::NoPrice);
    }

    #[test]
    fn another_region_has_no_prices_rather_than_wrong_ones() {
        let mut bill = bill(&[("alb.hour", 1.0)]);
        bill.region = "eu-west-1".to_owned();
        bill.note = Some("measured".to_owned());
        let estimate = estimate(&bill, PriceBook::shipped());
        assert_eq!(
            estimate.total,
            Amount {
                usd: Usd(0.0),
                at_least: true
            }
        );
        assert_eq!(
            estimate.note.unwrap(),
            "measured; no prices are known for eu-west-1"
        );
    }

    #[test]
    fn scaling_changes_compute_and_nothing_else() {
        let before = priced(&[
            ("fargate.linux.x86.vcpu", 0.5),
            ("alb.hour", 1.0),
            ("x", 1.0),
        ]);
        let after = priced(&[
            ("fargate.linux.x86.vcpu", 1.0),
            ("alb.hour", 1.0),
            ("x", 1.0),
        ]);
        let change = delta(&before, &after);
        assert_eq!(
            (change.change.to_string(), change.lines.len()),
            ("$14.78".into(), 1)
        );
        assert!(!change.uncertain && change.after.at_least);
        let unpriced = priced(&[
            ("fargate.linux.x86.vcpu", 1.0),
            ("alb.hour", 1.0),
            ("x", 2.0),
        ]);
        assert!(delta(&before, &unpriced).uncertain);
    }

    #[test]
    fn running_old_and_new_side_by_side_costs_about_two_cents() {
        // Two such tasks for twelve minutes: 2 × 0.04937 × 0.2 = 0.0197.
        let tasks = [
            ("fargate.linux.x86.vcpu", 2.0),
            ("fargate.linux.x86.gb", 4.0),
            ("alb.hour", 1.0),
        ];
        assert_eq!(
            overlap_words(overlap(&priced(&tasks), 12.0, 1.0)),
            "about $0.02"
        );
        assert_eq!(
            overlap_words(overlap(&priced(&tasks), 1.0, 0.5)),
            "less than $0.01"
        );
        assert_eq!(
            overlap_words(overlap(&priced(&[("alb.hour", 1.0)]), 60.0, 1.0)),
            "about $0.00"
        );
        let unknown = priced(&[("fargate.windows.vcpu", 1.0)]);
        assert_eq!(
            overlap_words(overlap(&unknown, 12.0, 1.0)),
            "at least $0.00"
        );
    }
}
