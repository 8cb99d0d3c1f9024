//! `--from-terraform`: what `init` and `cost` do with a stack's output.

use super::{
    Failure, Global, OutputFormat,
    cost::price_date,
    exit,
    output::{Table, print_json, printable},
};
use crate::{
    config::{self, Difference, MergeOptions, Merged, MergedHow},
    cost::{LineCost, Price, PriceBook, UnitPrice, overlap_words},
    model::{Amount, EnvironmentName},
    terraform::{
        Mapped, PricedLine, StackCost, TerraformError, WhatIf, WhatIfCost, guard_warning, map,
        price, read_all, what_if,
    },
};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Where Terraform's outputs are.
#[derive(Debug, Args)]
pub struct TerraformArgs {
    /// Reads a stack's `opsconsole` output: a directory in which `terraform output` is run, a file
    /// that `terraform output -json` or `terraform show -json` wrote, or - for standard input. May
    /// be given several times.
    #[arg(long, value_name = "DIR|FILE|-")]
    pub from_terraform: Vec<PathBuf>,
    /// The program that knows the outputs: terraform, terragrunt or tofu.
    #[arg(
        long,
        env = "OPSCONSOLE_TERRAFORM",
        value_name = "PROGRAM",
        default_value = "terraform"
    )]
    pub terraform: PathBuf,
}

impl From<TerraformError> for Failure {
    fn from(error: TerraformError) -> Self {
        Self::usage(printable(&error.to_string()))
    }
}

#[derive(Serialize)]
struct LeftOut {
    environment: String,
    why: String,
}

/// Merges the environments that the stacks describe into the file, and says what became of each.
pub async fn init_from_terraform(
    path: &Path,
    format: OutputFormat,
    args: &TerraformArgs,
    profile: Option<&str>,
    options: MergeOptions,
) -> Result<u8, Failure> {
    let stacks = read_all(&args.from_terraform, &args.terraform).await?;
    let (mut wanted, mut left_out, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for stack in &stacks {
        let environment = &stack.contract.environment;
        match map(stack, profile) {
            Mapped::Environment { config, notes } => {
                wanted.push(*config);
                warnings.extend(
                    notes
                        .into_iter()
                        .map(|note| format!("{environment}: {note}")),
                );
            }
            Mapped::LeftOut { why } => left_out.push(LeftOut {
                environment: environment.clone(),
                why,
            }),
        }
    }
    let merged = config::merge(path, &wanted, options)
        .map_err(|error| Failure::usage(printable_lines(&error.to_string())))?;
    for one in &merged {
        let stack = stacks.iter().find(|stack| {
            one.environment
                .as_str()
                .eq_ignore_ascii_case(&stack.contract.environment)
        });
        if one.how != MergedHow::KeptAsAnotherService {
            warnings.extend(stack.and_then(|stack| guard_warning(&stack.contract, one.guard)));
        }
    }
    match format {
        OutputFormat::Json => print_json(&json!({
            "path": path,
            "dry_run": options.dry_run,
            "environments": merged,
            "left_out": left_out,
            "warnings": warnings,
        }))?,
        _ => print_merged(path, options, &merged, &left_out),
    }
    for warning in &warnings {
        remark!("warning: {}", printable(warning));
    }
    if merged.is_empty() {
        return Err(Failure::usage(
            "nothing was written: the configuration can hold none of these environments",
        ));
    }
    Ok(exit::DONE)
}

fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable).collect();
    lines.join("\n")
}

fn print_merged(path: &Path, options: MergeOptions, merged: &[Merged], left_out: &[LeftOut]) {
    for one in merged {
        let name = printable(one.environment.as_str());
        match one.how {
            MergedHow::Added => say!("added     {name}"),
            MergedHow::Changed => say!("changed   {name}"),
            MergedHow::Kept if one.kept.is_empty() => {
                say!("kept      {name}: the file says all of it already");
            }
            MergedHow::Kept => say!("kept      {name}"),
            MergedHow::KeptAsAnotherService => say!(
                "kept      {name}: in the file it is another service, nothing of it was touched. Rename one of the two, or take Terraform's with --update"
            ),
        }
        if one.how != MergedHow::Added {
            for key in &one.added {
                say!("          + {}", printable(key));
            }
        }
        let tell = |sign: &str, difference: &Difference, words: &str| {
            say!(
                "          {sign} {}: {} {words} {}",
                printable(&difference.key),
                printable(&difference.file),
                printable(&difference.wanted)
            );
        };
        for difference in &one.changed {
            tell("~", difference, "became");
        }
        for difference in &one.kept {
            tell("=", difference, "stays; Terraform says");
        }
    }
    for LeftOut { environment, why } in left_out {
        say!("left out  {}: {}", printable(environment), printable(why));
    }
    let is_written = merged
        .iter()
        .any(|one| matches!(one.how, MergedHow::Added | MergedHow::Changed));
    if is_written && options.dry_run {
        say!("would write {}; this was a dry run", path.display());
    } else if is_written {
        say!("wrote {}. Next: opsconsole doctor", path.display());
    } else if !merged.is_empty() {
        say!("{} stays as it is", path.display());
    }
}

#[derive(Serialize)]
struct Priced {
    #[serde(flatten)]
    cost: StackCost,
    what_if: Vec<WhatIfCost>,
}

/// Prices the bills of the stacks.
pub async fn cost_from_terraform(
    global: &Global,
    format: OutputFormat,
    args: &TerraformArgs,
    choices: &[WhatIf],
) -> Result<u8, Failure> {
    let stacks = read_all(&args.from_terraform, &args.terraform).await?;
    let known: Vec<EnvironmentName> = stacks
        .iter()
        .map(|stack| EnvironmentName::new(stack.contract.environment.clone()))
        .collect();
    if let Some(stranger) = global
        .env
        .iter()
        .find(|name| !known.iter().any(|known| known.as_str() == name.as_str()))
    {
        return Err(Failure::no_environment(stranger, &known));
    }
    let book = PriceBook::shipped();
    let all: Vec<Priced> = stacks
        .iter()
        .map(|stack| &stack.contract)
        .filter(|contract| global.env.is_empty() || global.env.contains(&contract.environment))
        .map(|contract| Priced {
            cost: price(contract, book),
            what_if: choices
                .iter()
                .map(|choice| what_if(contract, *choice, book))
                .collect(),
        })
        .collect();
    match format {
        OutputFormat::Json => print_json(&all)?,
        _ => say!("{}", render(&all).trim_end()),
    }
    Ok(exit::DONE)
}

/// The tables, their totals, and where the prices come from. It says nothing of today, so that the
/// same bill and the same prices always read the same.
fn render(all: &[Priced]) -> String {
    let mut text = String::new();
    let mut sum = Amount::default();
    let mut sources: Vec<String> = Vec::new();
    for Priced { cost, what_if } in all {
        text.push_str(&format!(
            "{} {} ({}, prices of {}): {} a month{}\n",
            printable(&cost.system),
            cost.environment,
            printable(&cost.stack),
            printable(&cost.region),
            cost.total,
            range(cost)
        ));
        if let Some(note) = &cost.note {
            text.push_str(&format!("{}\n", printable(note)));
        }
        let mut table = Table::new([
            "LINE",
            "SKU",
            "QUANTITY",
            "HOURS",
            "MIN",
            "TYPICAL",
            "MAX",
            "UNIT PRICE",
            "PRICE OF",
            "BASIS",
        ]);
        for line in &cost.lines {
            let [min, typical, max] = money(line.cost);
            table.row([
                line.what.clone(),
                line.sku.clone(),
                quantity(line),
                line.hours.map_or_else(|| "–".to_owned(), number),
                min,
                typical,
                max,
                unit_price(line),
                dated(line, &mut sources),
                line.basis.clone(),
            ]);
        }
        let sign = if cost.total.at_least { "≥" } else { "" };
        table.row([
            "total".to_owned(),
            String::new(),
            String::new(),
            String::new(),
            format!("{sign}{}", cost.min),
            cost.total.to_string(),
            format!("{sign}{}", cost.max),
            String::new(),
            String::new(),
            String::new(),
        ]);
        text.push_str(&table.render());
        if let Some(overlap) = cost.overlap {
            text.push_str(&format!(
                "A release costs {} more for each {} minutes that old and new tasks run side by side.\n",
                overlap_words(overlap.amount),
                number(overlap.minutes)
            ));
        }
        if !what_if.is_empty() {
            let mut table = Table::new(["WHAT IF", "TOTAL", "CHANGE", "LINES", "NOTE"]);
            for choice in what_if {
                table.row([
                    choice.what_if.clone(),
                    choice.total.to_string(),
                    choice.change.to_string(),
                    choice.lines_changed.to_string(),
                    choice.note.clone(),
                ]);
            }
            text.push('\n');
            text.push_str(&table.render());
        }
        text.push('\n');
        sum.usd = sum.usd + cost.total.usd;
        sum.at_least |= cost.total.at_least;
    }
    if all.len() > 1 {
        text.push_str(&format!("all  {sum} a month\n"));
    }
    for (index, source) in sources.iter().enumerate() {
        text.push_str(&format!("[{}] {}\n", index + 1, printable(source)));
    }
    text.push_str("List prices: no discounts, taxes or free tier. A line without a price is not counted as $0.\n");
    text
}

fn range(cost: &StackCost) -> String {
    if cost.min.to_string() == cost.max.to_string() {
        return String::new();
    }
    let sign = if cost.total.at_least { "≥" } else { "" };
    format!(", between {sign}{} and {sign}{}", cost.min, cost.max)
}

fn money(cost: LineCost) -> [String; 3] {
    match cost {
        LineCost::NoPrice => [String::new(), "no price".to_owned(), String::new()],
        LineCost::Monthly { min, typical, max } => [min, typical, max].map(|usd| usd.to_string()),
    }
}

fn quantity(line: &PricedLine) -> String {
    if line.quantity_min == line.quantity_max {
        return number(line.quantity);
    }
    format!(
        "{} ({}–{})",
        number(line.quantity),
        number(line.quantity_min),
        number(line.quantity_max)
    )
}

fn unit_price(line: &PricedLine) -> String {
    let Some(price) = &line.price else {
        return String::new();
    };
    let mut text = match price.price {
        UnitPrice::Fixed(usd) => format!("${}/{}", usd.0, price.unit),
        UnitPrice::Discount { .. } => String::new(),
    };
    if let Some(UnitPrice::Discount { low, high }) =
        line.discount.as_ref().map(|discount| discount.price)
    {
        text.push_str(&format!(
            " less {}–{} %",
            number(low * 100.0),
            number(high * 100.0)
        ));
    }
    text
}

/// The price's date and the number of its source below the table.
fn dated(line: &PricedLine, sources: &mut Vec<String>) -> String {
    let mut cite = |price: &Price| {
        let index = sources
            .iter()
            .position(|known| *known == price.source)
            .unwrap_or_else(|| {
                sources.push(price.source.clone());
                sources.len() - 1
            });
        format!("{} [{}]", price_date(price), index + 1)
    };
    let cited: Vec<String> = [&line.price, &line.discount]
        .into_iter()
        .flatten()
        .map(&mut cite)
        .collect();
    cited.join(", ")
}

/// At most three decimals, without zeros at the end.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MergeOptions;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/terraform/tests/fixtures");

    fn sources(names: &[&str]) -> TerraformArgs {
        TerraformArgs {
            from_terraform: names
                .iter()
                .map(|name| Path::new(FIXTURES).join(name))
                .collect(),
            terraform: PathBuf::from("terraform"),
        }
    }

    #[tokio::test]
    async fn stacks_become_a_configuration_that_the_check_accepts() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.toml");
        let args = sources(&[
            "ecs-bluegreen-dev.output.json",
            "ecs-bluegreen-prod.plan.json",
        ]);
        let options = MergeOptions::default();
        let code = init_from_terraform(&path, OutputFormat::Json, &args, None, options).await;
        assert_eq!(code.map_err(|failure| failure.message), Ok(exit::DONE));
        let config = config::load(&path).unwrap();
        let names: Vec<&str> = config
            .environments
            .iter()
            .map(|environment| environment.name.as_str())
            .collect();
        assert_eq!(names, ["dev", "prod"]);
        assert_eq!(config.environments[1].guard, config::Guard::TypeName);
    }

    #[tokio::test]
    async fn nothing_to_write_is_no_success() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.toml");
        let options = MergeOptions::default();
        let args = sources(&["ec2.plan.json"]);
        let failure = init_from_terraform(&path, OutputFormat::Table, &args, None, options)
            .await
            .unwrap_err();
        assert_eq!(failure.code, exit::USAGE);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_table_shows_every_line_with_its_price_and_where_that_is_from() {
        let stacks = read_all(
            &sources(&["ecs-efs.plan.json"]).from_terraform,
            Path::new("-"),
        )
        .await
        .unwrap();
        let text = render(&[Priced {
            cost: price(&stacks[0].contract, PriceBook::shipped()),
            what_if: Vec::new(),
        }]);
        assert!(text.starts_with("shop dev (ecs-efs, prices of us-east-1): ≥$121.23 a month\n"));
        let nat = text
            .lines()
            .find(|line| line.starts_with("NAT gateway "))
            .unwrap();
        for cell in [
            "nat.hour",
            "730",
            "$32.85",
            "$0.045/h",
            "2026-02-24 [",
            "nat = single",
        ] {
            assert!(nat.contains(cell), "{cell} is not in {nat}");
        }
        let backups = text
            .lines()
            .find(|line| line.starts_with("Backups"))
            .unwrap();
        assert!(
            backups.contains("no price") && !backups.contains('$'),
            "{backups}"
        );
        assert!(text.contains("] infracost golden nat_gateway 2024-07-01"));
    }
}
