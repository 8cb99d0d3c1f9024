//! Pricing: each trap that estimates fall into.

use super::*;
use crate::{
    cost::{LineCost, PriceBook},
    model::Usd,
    terraform::{Contract, PricedLine, StackCost, WhatIf, price, what_if},
};

fn priced(text: &str) -> StackCost {
    price(&stack(text).contract, PriceBook::shipped())
}

fn asked(text: &str, choice: &str) -> super::super::WhatIfCost {
    let choice: WhatIf = choice.parse().unwrap();
    what_if(&stack(text).contract, choice, PriceBook::shipped())
}

fn line<'a>(cost: &'a StackCost, what: &str) -> &'a PricedLine {
    cost.lines
        .iter()
        .find(|line| line.what.starts_with(what))
        .unwrap_or_else(|| panic!("no line {what}"))
}

fn typical(cost: &StackCost, what: &str) -> String {
    match line(cost, what).cost.typical() {
        Some(usd) => usd.to_string(),
        None => "no price".to_owned(),
    }
}

/// The contract with every line but those of a sku's family taken out.
fn only(mut contract: Contract, family: &str) -> Contract {
    contract
        .bill
        .lines
        .retain(|line| line.sku.starts_with(family));
    contract
}

fn cents(usd: Usd) -> i64 {
    (usd.0 * 100.0).round() as i64
}

#[test]
fn a_line_without_a_price_says_so_and_makes_the_total_a_lower_bound() {
    let cost = priced(EKS);
    assert_eq!(typical(&cost, "Auto Mode, surcharge"), "no price");
    assert_eq!(typical(&cost, "Spot nodes"), "no price");
    assert!(cost.total.at_least);
    let mut whole = stack(EKS).contract;
    whole
        .bill
        .lines
        .retain(|line| PriceBook::shipped().get(&line.sku, "us-east-1").is_some());
    let whole = price(&whole, PriceBook::shipped());
    assert!(!whole.total.at_least);
    assert_eq!(
        whole.total.usd, cost.total.usd,
        "it never counted as $0 of something"
    );
}

#[test]
fn a_region_without_prices_has_no_price_at_all() {
    let mut contract = stack(FARGATE).contract;
    contract.bill.region = "eu-central-1".to_owned();
    let cost = price(&contract, PriceBook::shipped());
    assert!(cost.lines.iter().all(|line| line.cost == LineCost::NoPrice));
    assert_eq!(cost.total.to_string(), "≥$0.00");
    assert!(
        cost.note
            .unwrap()
            .contains("no prices are known for eu-central-1")
    );
}

#[test]
fn nat_gateways_cost_hours_data_and_an_address_each() {
    let cost = priced(FARGATE);
    assert_eq!(typical(&cost, "NAT gateway"), "$65.70");
    assert_eq!(typical(&cost, "NAT gateway, data"), "$2.16");
    assert_eq!(typical(&cost, "Public IPv4 of the NAT gateways"), "$7.30");
    assert_eq!(line(&cost, "NAT gateway, data").hours, None);
}

#[test]
fn the_load_balancer_pays_an_address_in_each_zone() {
    assert_eq!(
        typical(&priced(EFS), "Public IPv4 of the load balancer"),
        "$7.30"
    );
    assert_eq!(
        typical(&priced(BLUE_GREEN_PROD), "Public IPv4 of the load balancer"),
        "$10.95"
    );
}

#[test]
fn capacity_units_are_paid_by_the_hour_and_not_once() {
    // 0.5 × 0.008 is $0.004; a month of it is 2.92.
    assert_eq!(
        typical(&priced(EFS), "Load balancer, capacity units"),
        "$2.92"
    );
}

#[test]
fn memory_is_paid_beside_the_processor() {
    let cost = price(&only(stack(EFS).contract, "fargate."), PriceBook::shipped());
    assert_eq!(cost.total.to_string(), "$36.04");
    assert_eq!(typical(&cost, "Fargate vCPU"), "$29.55");
}

#[test]
fn arm64_saves_7_21_on_one_processor_and_two_gigabytes() {
    let arm = asked(EFS, "arm64");
    assert_eq!(
        (arm.change.to_string(), arm.lines_changed),
        ("-$7.21".to_owned(), 2)
    );
    // Already on ARM64: nothing to gain.
    assert_eq!(asked(SPOT_ARM, "arm64").lines_changed, 0);
}

#[test]
fn spot_on_arm64_is_a_range_around_its_own_architecture_s_price() {
    let cost = priced(SPOT_ARM);
    let vcpu = line(&cost, "Fargate vCPU");
    // 0.5 vCPU typical, up to 2; 260.714 h; 0.03238 less 70 to 50 %.
    let LineCost::Monthly { min, typical, max } = vcpu.cost else {
        panic!("it has a price");
    };
    let shown = [min, typical, max].map(|usd| usd.to_string());
    assert_eq!(shown, ["$1.27", "$1.69", "$8.44"]);
    assert!(
        vcpu.discount
            .as_ref()
            .unwrap()
            .source
            .contains("illustrative")
    );
    let spot = asked(EFS, "spot");
    assert_eq!(spot.change.to_string(), "-$21.62");
    assert!(spot.min < spot.total.usd && spot.total.usd < spot.max);
    assert_eq!(
        asked(SPOT_ARM, "spot").lines_changed,
        0,
        "it is on Spot already"
    );
}

#[test]
fn shared_files_pay_for_throughput_beside_storage() {
    let mut contract = only(stack(EFS).contract, "efs.");
    let storage = contract.bill.lines[0].clone();
    for (sku, quantity) in [("efs.elastic.read", 100.0), ("efs.elastic.write", 50.0)] {
        contract.bill.lines.push(crate::terraform::BillLine {
            sku: sku.to_owned(),
            quantity,
            min: quantity,
            max: quantity,
            ..storage.clone()
        });
    }
    // 10 × 0.30 + 100 × 0.03 + 50 × 0.06.
    let cost = price(&contract, PriceBook::shipped());
    assert_eq!(cost.total.to_string(), "$9.00");
}

#[test]
fn container_insights_are_paid_by_the_metric() {
    assert_eq!(typical(&priced(FARGATE), "Container Insights"), "$7.20");
}

#[test]
fn off_hours_shorten_tasks_and_nothing_else() {
    let cost = priced(FARGATE);
    let tasks = line(&cost, "Fargate vCPU");
    assert!((tasks.hours.unwrap() - 260.714_286).abs() < 1e-6);
    assert_eq!(typical(&cost, "Fargate vCPU"), "$10.55");
    for always in ["NAT gateway", "Load balancer"] {
        assert_eq!(line(&cost, always).hours, Some(730.0));
    }
}

#[test]
fn office_hours_take_64_percent_off_tasks_while_the_network_goes_on_billing() {
    let office = asked(EFS, "office-hours");
    // 36.0401 × (1 − 260.714 / 730).
    assert_eq!(office.change.to_string(), "-$23.17");
    assert_eq!(office.lines_changed, 2);
    assert_eq!(asked(FARGATE, "office-hours").change.to_string(), "$0.00");
    assert!(
        asked(BLUE_GREEN_PROD, "office-hours")
            .note
            .contains("production stays on")
    );
}

#[test]
fn autoscaling_bounds_are_the_range_of_the_month() {
    let cost = priced(BLUE_GREEN_PROD);
    assert_eq!(
        [cost.min, cost.total.usd, cost.max].map(|usd| usd.to_string()),
        ["$235.46", "$235.46", "$271.50"]
    );
    // The difference is one more task: 36.04.
    assert_eq!((cost.max - cost.min).to_string(), "$36.04");
}

#[test]
fn two_colours_cost_the_tasks_twice_for_as_long_as_both_run() {
    // 36.0401 a month for 30 minutes of 730 hours.
    let overlap = priced(BLUE_GREEN_PROD).overlap.unwrap();
    assert!((overlap.amount.usd.0 - 36.0401 * 0.5 / 730.0).abs() < 1e-9);
    // With off-hours a month has fewer hours, and an hour costs no less.
    let dev = priced(BLUE_GREEN_OUTPUT).overlap.unwrap();
    assert!((dev.amount.usd.0 - (0.25 * 0.04048 + 0.5 * 0.004445) * 0.5).abs() < 1e-9);
    assert_eq!(
        priced(EFS).overlap,
        None,
        "a rolling deployment has no second colour"
    );
}

#[test]
fn a_savings_plan_covers_tasks_and_instances_and_never_spot() {
    let plan = asked(EFS, "savings-plan=20");
    assert_eq!(
        (plan.change.to_string(), plan.lines_changed),
        ("-$7.21".to_owned(), 2)
    );
    assert_eq!(asked(SPOT_ARM, "savings-plan=20").lines_changed, 0);
    // The instance, not its database.
    let ec2 = asked(EC2, "savings-plan=20");
    assert_eq!(
        (ec2.change.to_string(), ec2.lines_changed),
        ("-$1.52".to_owned(), 1)
    );
}

#[test]
fn a_commitment_is_paid_at_night_too_and_can_cost_more_than_it_saves() {
    // On 260.714 of 730 hours: 20 % off all of them is far more than full price for those.
    let plan = asked(FARGATE, "savings-plan=20");
    let on_demand = (0.04048 + 2.0 * 0.004445) * 260.714_285_7;
    let committed = (0.04048 + 2.0 * 0.004445) * 730.0 * 0.8;
    assert_eq!(cents(plan.change), cents(Usd(committed - on_demand)));
    assert!(plan.change.0 > 0.0);
}

#[test]
fn a_commitment_covers_the_lower_bound_of_what_scales() {
    let mut contract = only(stack(BLUE_GREEN_PROD).contract, "fargate.");
    for line in &mut contract.bill.lines {
        line.quantity = line.max;
    }
    let plan = what_if(&contract, WhatIf::SavingsPlan(50.0), PriceBook::shipped());
    // Half off one task of two.
    assert_eq!(plan.change.to_string(), "-$18.02");
}

#[test]
fn reserved_capacity_is_for_databases() {
    let reserved = asked(EC2, "reserved=30");
    assert_eq!(
        (reserved.change.to_string(), reserved.lines_changed),
        ("-$3.94".to_owned(), 1)
    );
    assert!(reserved.total.at_least, "backups still have no price");
    assert_eq!(asked(EFS, "reserved=30").lines_changed, 0);
}

#[test]
fn a_choice_that_the_prices_cannot_answer_asks_for_the_offer() {
    for (text, expected) in [
        (
            "savings-plan",
            "such as savings-plan=20: the price book has no such rates",
        ),
        ("reserved=lots", "\"lots\" is not a percentage"),
        ("savings-plan=120", "is not a percentage from 0 to 100"),
        ("spot=3", "spot takes no percentage"),
        ("magic", "there are arm64, spot, office-hours"),
    ] {
        let said = text.parse::<WhatIf>().unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn every_priced_line_carries_its_source_and_its_date_where_the_book_has_one() {
    for text in [EFS, FARGATE, SPOT_ARM, BLUE_GREEN_PROD, EC2, EKS] {
        for line in priced(text).lines {
            match (&line.cost, &line.price) {
                (LineCost::NoPrice, _) => assert_eq!(line.formula, "no price"),
                (_, Some(price)) => {
                    assert!(!price.source.is_empty());
                    assert!(
                        price.retrieved.is_some()
                            || price.source.contains("(undated)")
                            || price.source.contains("unconfirmed"),
                        "{}",
                        line.sku
                    );
                }
                (_, None) => panic!("{} has a cost and no price", line.sku),
            }
        }
    }
}
