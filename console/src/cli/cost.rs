//! `opsconsole cost`: what each environment costs a month, line by line, with each price's date.

use super::{
    Failure, Global, OutputFormat, exit,
    output::{Table, print_json},
    scope::{environments, open},
    terraform::{TerraformArgs, cost_from_terraform},
};
use crate::{
    cost::{Estimate, LineCost, PriceBook, estimate},
    model::{Amount, EnvironmentName},
    terraform::WhatIf,
};
use clap::Args;
use serde::Serialize;

/// The day a price was last seen to hold, else the day it took effect.
pub(super) fn price_date(price: &crate::cost::Price) -> String {
    match (&price.retrieved, &price.effective) {
        (Some(day), _) => day.to_string(),
        (None, Some(day)) => day.to_string(),
        (None, None) => "undated".to_owned(),
    }
}

/// Arguments of `cost`.
#[derive(Debug, Args)]
pub struct CostArgs {
    /// Where a bill is read instead of asking the platform.
    #[command(flatten)]
    terraform: TerraformArgs,
    /// With --from-terraform: what another choice would cost. arm64, spot, office-hours,
    /// savings-plan=PERCENT or reserved=PERCENT; may be given several times.
    #[arg(long, value_name = "CHOICE", requires = "from_terraform")]
    what_if: Vec<WhatIf>,
}

#[derive(Serialize)]
struct Priced {
    environment: EnvironmentName,
    estimate: Estimate,
}

/// Prints the estimates of all environments asked for.
pub async fn run(global: &Global, args: CostArgs) -> Result<u8, Failure> {
    let format = OutputFormat::table_or_json(global.output)?;
    if !args.terraform.from_terraform.is_empty() {
        return cost_from_terraform(global, format, &args.terraform, &args.what_if).await;
    }
    let context = open(global).await?;
    let mut all = Vec::new();
    for name in environments(&context, global)? {
        let environment = context.connections.connect(&name).await?;
        let bill = environment.platform.bill().await?;
        all.push(Priced {
            environment: name,
            estimate: estimate(&bill, PriceBook::shipped()),
        });
    }
    match format {
        OutputFormat::Json => print_json(&all)?,
        _ => print(&all)?,
    }
    Ok(exit::DONE)
}

fn print(all: &[Priced]) -> Result<(), Failure> {
    let mut sum = Amount::default();
    for Priced {
        environment,
        estimate,
    } in all
    {
        say!(
            "{environment}  {} a month  ({} prices)",
            estimate.total,
            estimate.region
        );
        if let Some(note) = &estimate.note {
            say!("{note}");
        }
        let mut table = Table::new(["LINE", "$/MO", "SUM", "PRICE FROM", "BASIS"]);
        for line in &estimate.lines {
            let amount = match line.cost {
                LineCost::NoPrice => "no price".to_owned(),
                LineCost::Monthly { min, max, .. } if min != max => format!("{min}–{max}"),
                LineCost::Monthly { typical, .. } => typical.to_string(),
            };
            let from = line.price.as_ref().map_or_else(String::new, price_date);
            table.row([
                line.what.clone(),
                amount,
                line.formula.clone(),
                from,
                line.basis.clone(),
            ]);
        }
        table.print()?;
        say!();
        sum.usd = sum.usd + estimate.total.usd;
        sum.at_least |= estimate.total.at_least;
    }
    if all.len() > 1 {
        say!("all  {sum} a month");
    }
    say!(
        "List prices: no discounts, taxes or free tier. A line without a price is not counted as $0."
    );
    Ok(())
}
