//! `opsconsole releases`: the registry's releases and the service's rollouts with their outcome.

use super::{
    Failure, Global, OutputFormat, exit,
    output::{Table, ago, print_json, span_text},
    scope::{connect_one, open},
};
use crate::model::{Release, RolloutRecord};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

/// Arguments of `releases`.
#[derive(Debug, Args)]
pub struct ReleasesArgs {
    /// At most so many of each.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
}

/// Prints both lists, newest first.
pub async fn run(global: &Global, args: ReleasesArgs) -> Result<u8, Failure> {
    let format = OutputFormat::table_or_json(global.output)?;
    let context = open(global).await?;
    let environment = connect_one(&context, global).await?;
    let (releases, rollouts) = tokio::join!(
        environment.platform.releases(),
        environment.platform.rollouts()
    );
    let (mut releases, mut rollouts) = (releases?, rollouts?);
    releases.truncate(args.limit);
    rollouts.truncate(args.limit);
    match format {
        OutputFormat::Json => print_json(&json!({"releases": releases, "rollouts": rollouts}))?,
        _ => print(&releases, &rollouts)?,
    }
    Ok(exit::DONE)
}

fn print(releases: &[Release], rollouts: &[RolloutRecord]) -> Result<(), Failure> {
    let now = Timestamp::now();
    let dash = || "–".to_owned();
    let mut table = Table::new(["RELEASE", "DIGEST", "PUSHED", "SIZE", "ARCHITECTURE"]);
    for release in releases {
        let architectures: Vec<String> = release
            .architectures
            .iter()
            .map(ToString::to_string)
            .collect();
        table.row([
            release.tags.join(", "),
            release.digest.short().to_owned(),
            release.pushed_at.map_or_else(dash, |at| ago(at, now)),
            release
                .size_bytes
                .map_or_else(dash, |bytes| format!("{:.1} MB", bytes as f64 / 1e6)),
            architectures.join(", "),
        ]);
    }
    table.print()?;
    say!();
    let mut table = Table::new([
        "ROLLOUT OF",
        "OUTCOME",
        "STARTED",
        "TOOK",
        "BY",
        "REVISION",
        "REASON",
    ]);
    for rollout in rollouts {
        table.row([
            rollout.release.clone().unwrap_or_else(dash),
            rollout.outcome.word().to_owned(),
            ago(rollout.started_at, now),
            rollout.finished_at.map_or_else(dash, |at| {
                span_text(at.as_second() - rollout.started_at.as_second())
            }),
            rollout
                .author
                .as_ref()
                .map_or_else(dash, |author| author.name.clone()),
            rollout.to.short().to_owned(),
            rollout.reason.clone().unwrap_or_default(),
        ]);
    }
    table.print()
}
