//! What each stack comes to, multiplied by hand: quantities from the stack's example and its
//! assumptions, prices from the public list prices for us-east-1, one line of the bill a line.

use super::*;
use crate::{
    cost::{LineCost, PriceBook},
    model::Usd,
    terraform::price,
};

/// Hours in a month.
const MONTH: f64 = 730.0;

/// Hours in a month of twelve hours on five of seven days.
const OFFICE: f64 = MONTH * (12.0 * 5.0) / (24.0 * 7.0);

/// A line whose price nobody states.
const NO_PRICE: f64 = f64::NAN;

fn cents(usd: f64) -> i64 {
    (usd * 100.0).round() as i64
}

/// Line by line to the hundredth of a cent, then the total as it is shown.
fn comes_to(text: &str, total: &str, by_hand: &[(&str, f64)]) {
    let cost = price(&stack(text).contract, PriceBook::shipped());
    let name = format!("{} {}", cost.stack, cost.environment);
    let lines: Vec<&str> = cost.lines.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(lines.len(), by_hand.len(), "{name}: {lines:#?}");
    for (line, (what, usd)) in cost.lines.iter().zip(by_hand) {
        assert!(
            line.what.starts_with(what),
            "{name}: {} is not {what}",
            line.what
        );
        match line.cost {
            LineCost::Monthly { typical, .. } => assert!(
                (typical.0 - usd).abs() < 1e-4,
                "{name}: {what}: {} here, {usd} by hand",
                typical.0
            ),
            LineCost::NoPrice => assert!(usd.is_nan(), "{name}: {what} has no price"),
        }
    }
    let priced = by_hand
        .iter()
        .map(|(_, usd)| usd)
        .filter(|usd| !usd.is_nan());
    assert_eq!(cents(cost.total.usd.0), cents(priced.sum()), "{name}");
    assert_eq!(cost.total.to_string(), total, "{name}");
    let shown: Usd = cost
        .lines
        .iter()
        .filter_map(|line| line.cost.typical())
        .sum();
    assert_eq!(cents(shown.0), cents(cost.total.usd.0), "{name}");
}

#[test]
fn the_stack_with_shared_files_comes_to_121_23() {
    comes_to(
        EFS,
        "≥$121.23",
        &[
            ("Fargate vCPU", 1.0 * MONTH * 0.04048),
            // The document forgot memory.
            ("Fargate GB", 2.0 * MONTH * 0.004445),
            ("Logs of shop-dev-api, ingestion", 5.0 * 0.50),
            // Five GB a month, each kept for 7 of 30 days.
            ("Logs of shop-dev-api, storage", 5.0 * 7.0 / 30.0 * 0.03),
            ("Shared files", 10.0 * 0.30),
            ("Load balancer", 1.0 * MONTH * 0.0225),
            ("Load balancer, capacity units", 0.5 * MONTH * 0.008),
            ("Public IPv4 of the load balancer", 2.0 * MONTH * 0.005),
            ("NAT gateway", 1.0 * MONTH * 0.045),
            ("NAT gateway, data", 48.0 * 0.045),
            ("Public IPv4 of the NAT gateways", 1.0 * MONTH * 0.005),
            ("Flow logs, ingestion", 1.0 * 0.50),
            ("Container Insights", 24.0 * 0.30),
            // Ten of 0.1 GB.
            ("Images", 10.0 * 0.1 * 0.10),
            ("Secret", 2.0 * 0.40),
            // Two of ten look at three metrics each: 8 + 2 × 3.
            ("Alarms", 14.0 * 0.10),
            ("Dashboard", 1.0 * 3.00),
            ("Error-line metric", 1.0 * 0.30),
            ("Object storage", 2.0 * 1.0 * 0.023),
            ("Encryption key", 1.0 * 1.00),
            ("Backups", NO_PRICE),
        ],
    );
}

#[test]
fn the_cloudwatch_stack_comes_to_130_56() {
    comes_to(
        FARGATE,
        "$130.56",
        &[
            // Two tasks of half a vCPU and one GB, off at night.
            ("Fargate vCPU", 2.0 * 0.5 * OFFICE * 0.04048),
            ("Fargate GB", 2.0 * 1.0 * OFFICE * 0.004445),
            ("Logs of shop-dev-api, ingestion", 5.0 * 0.50),
            ("Logs of shop-dev-api, storage", 5.0 * 7.0 / 30.0 * 0.03),
            ("Load balancer", 1.0 * MONTH * 0.0225),
            ("Load balancer, capacity units", 0.5 * MONTH * 0.008),
            ("Public IPv4 of the load balancer", 2.0 * MONTH * 0.005),
            // One in each of two zones; they know no night.
            ("NAT gateway", 2.0 * MONTH * 0.045),
            ("NAT gateway, data", 48.0 * 0.045),
            ("Public IPv4 of the NAT gateways", 2.0 * MONTH * 0.005),
            ("Flow logs, ingestion", 1.0 * 0.50),
            ("Container Insights", 24.0 * 0.30),
            ("Images", 10.0 * 0.1 * 0.10),
            // Two of eight look at three metrics each: 6 + 2 × 3.
            ("Alarms", 12.0 * 0.10),
            ("Dashboard", 1.0 * 3.00),
            ("Error-line metric", 1.0 * 0.30),
            ("Object storage", 2.0 * 1.0 * 0.023),
            ("Encryption key", 1.0 * 1.00),
        ],
    );
}

#[test]
fn blue_green_in_dev_comes_to_88_05_before_and_after_the_apply() {
    let by_hand = [
        // 256 CPU units and 512 MiB, off at night.
        ("Fargate vCPU", 0.25 * OFFICE * 0.04048),
        ("Fargate GB", 0.5 * OFFICE * 0.004445),
        ("Logs of shop-dev-api, ingestion", 5.0 * 0.50),
        ("Logs of shop-dev-api, storage", 5.0 * 7.0 / 30.0 * 0.03),
        ("Load balancer", 1.0 * MONTH * 0.0225),
        ("Load balancer, capacity units", 0.5 * MONTH * 0.008),
        // Three zones.
        ("Public IPv4 of the load balancer", 3.0 * MONTH * 0.005),
        ("NAT gateway", 1.0 * MONTH * 0.045),
        ("NAT gateway, data", 48.0 * 0.045),
        ("Public IPv4 of the NAT gateways", 1.0 * MONTH * 0.005),
        ("Flow logs, ingestion", 1.0 * 0.50),
        ("Container Insights", 24.0 * 0.30),
        ("Images", 10.0 * 0.1 * 0.10),
        ("Alarms", 12.0 * 0.10),
        ("Dashboard", 1.0 * 3.00),
        ("Error-line metric", 1.0 * 0.30),
        ("Object storage", 2.0 * 1.0 * 0.023),
        ("Encryption key", 1.0 * 1.00),
    ];
    comes_to(BLUE_GREEN_OUTPUT, "$88.05", &by_hand);
    comes_to(BLUE_GREEN_STATE, "$88.05", &by_hand);
}

#[test]
fn blue_green_in_production_comes_to_235_46() {
    comes_to(
        BLUE_GREEN_PROD,
        "≥$235.46",
        &[
            // 1024 CPU units and 2048 MiB, day and night.
            ("Fargate vCPU", 1.0 * MONTH * 0.04048),
            ("Fargate GB", 2.0 * MONTH * 0.004445),
            ("Logs of shop-prod-api, ingestion", 5.0 * 0.50),
            ("Logs of shop-prod-api, storage", 5.0 * 7.0 / 30.0 * 0.03),
            ("Load balancer", 1.0 * MONTH * 0.0225),
            ("Load balancer, capacity units", 0.5 * MONTH * 0.008),
            ("Public IPv4 of the load balancer", 3.0 * MONTH * 0.005),
            ("NAT gateway", 3.0 * MONTH * 0.045),
            ("NAT gateway, data", 48.0 * 0.045),
            ("Public IPv4 of the NAT gateways", 3.0 * MONTH * 0.005),
            ("Flow logs, ingestion", 1.0 * 0.50),
            ("Container Insights", 24.0 * 0.30),
            ("Images", 10.0 * 0.1 * 0.10),
            // Two of eleven look at three metrics each: 9 + 2 × 3.
            ("Alarms", 15.0 * 0.10),
            ("Dashboard", 1.0 * 3.00),
            ("Error-line metric", 1.0 * 0.30),
            ("Name look-ups", 1.0 * 0.40),
            ("Firewall", 1.0 * 5.00),
            ("Firewall rules", 4.0 * 1.00),
            ("Firewall, requests", 1.0 * 0.60),
            ("Object storage", 2.0 * 1.0 * 0.023),
            ("Encryption key", 1.0 * 1.00),
            // Twice, for the standby in the other zone, and so is its disk.
            ("Database db.t3.micro", 2.0 * MONTH * 0.018),
            ("Database storage", 2.0 * 20.0 * 0.115),
            ("Database password", 1.0 * 0.40),
            ("Backups", NO_PRICE),
        ],
    );
}

#[test]
fn the_single_instance_comes_to_37_33() {
    comes_to(
        EC2,
        "≥$37.33",
        &[
            ("Instance t3.micro", 1.0 * MONTH * 0.0104),
            ("Disk", 20.0 * 0.08),
            ("Public IPv4 of the instance", 1.0 * MONTH * 0.005),
            ("Logs, ingestion", 1.0 * 0.50),
            ("Detailed monitoring", 7.0 * 0.30),
            ("Database db.t3.micro", 1.0 * MONTH * 0.018),
            ("Database storage", 20.0 * 0.115),
            ("Database password", 1.0 * 0.40),
            // Logs, artifacts and content, five GB each.
            ("Object storage", 3.0 * 5.0 * 0.023),
            ("Alarms", 6.0 * 0.10),
            ("Dashboard", 1.0 * 3.00),
            ("Error-line metric", 1.0 * 0.30),
            // The keys of Gemini and Tavily.
            ("Secrets", 2.0 * 0.40),
            ("Encryption key", 1.0 * 1.00),
            ("Backups", NO_PRICE),
        ],
    );
}

#[test]
fn kubernetes_comes_to_227_25_and_its_spot_nodes() {
    comes_to(
        EKS,
        "≥$227.25",
        &[
            ("Kubernetes control plane", 1.0 * MONTH * 0.10),
            ("Control-plane logs, ingestion", 5.0 * 0.50),
            ("Nodes of Auto Mode", 1.0 * MONTH * 0.096),
            ("Auto Mode, surcharge", NO_PRICE),
            ("Spot nodes", NO_PRICE),
            ("NAT gateway", 1.0 * MONTH * 0.045),
            ("NAT gateway, data", 48.0 * 0.045),
            ("Public IPv4 of the NAT gateways", 1.0 * MONTH * 0.005),
            ("Flow logs, ingestion", 1.0 * 0.50),
            ("Load balancer of the ingress", 1.0 * MONTH * 0.0225),
            (
                "Load balancer of the ingress, capacity units",
                0.5 * MONTH * 0.008,
            ),
            ("Public IPv4 of the ingress", 3.0 * MONTH * 0.005),
            ("Images", 10.0 * 0.1 * 0.10),
            ("Alarms", 4.0 * 0.10),
            ("Dashboard", 1.0 * 3.00),
            ("Error-line metric", 1.0 * 0.30),
            ("Object storage", 1.0 * 1.0 * 0.023),
            ("Encryption key", 1.0 * 1.00),
            ("Backups", NO_PRICE),
            ("Database db.t3.micro", 1.0 * OFFICE * 0.018),
            ("Database storage", 20.0 * 0.115),
            ("Database password", 1.0 * 0.40),
        ],
    );
}
