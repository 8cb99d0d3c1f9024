//! `opsconsole history`: who did what, when, and how it ended; from the audit.

use super::{
    Failure, Global, OutputFormat, exit,
    output::{Table, print_json, span_text},
    scope::{environments, open, settle},
};
use crate::store::{HistoryQuery, RunRecord};
use clap::Args;

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// At most so many an environment.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
}

/// Prints the audit records, newest first.
pub async fn run(global: &Global, args: HistoryArgs) -> Result<u8, Failure> {
    let format = OutputFormat::table_or_json(global.output)?;
    let context = open(global).await?;
    settle(&context).await?;
    let mut records = Vec::new();
    for name in environments(&context, global)? {
        let query = HistoryQuery {
            environment: Some(name),
            before: None,
            limit: args.limit,
        };
        records.extend(context.store.history(&query).await?);
    }
    records.sort_by(|a, b| b.id.cmp(&a.id));
    match format {
        OutputFormat::Json => print_json(&records)?,
        _ => print(&records)?,
    }
    Ok(exit::DONE)
}

fn print(records: &[RunRecord]) -> Result<(), Failure> {
    if records.is_empty() {
        say!("no changes were made from this machine yet");
        return Ok(());
    }
    let dash = || "–".to_owned();
    let mut table = Table::new([
        "WHEN (UTC)",
        "ENV",
        "WHAT",
        "FROM",
        "TO",
        "WHO",
        "OUTCOME",
        "TOOK",
        "WHY",
    ]);
    for record in records {
        let outcome = record
            .outcome
            .as_ref()
            .map_or("unfinished", |outcome| outcome.word());
        let why = match (&record.break_glass, &record.reason) {
            (Some(glass), _) => format!("BREAK GLASS: {glass}"),
            (None, Some(reason)) => reason.clone(),
            (None, None) => String::new(),
        };
        table.row([
            record.started_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            record.environment.to_string(),
            record.verb.clone(),
            record.from.clone().unwrap_or_else(dash),
            record.to.clone().unwrap_or_else(dash),
            match &record.author.host {
                Some(host) => format!("{}@{host}", record.author.name),
                None => record.author.name.clone(),
            },
            outcome.to_owned(),
            record.duration().map_or_else(dash, |took| {
                span_text(i64::try_from(took.as_secs()).unwrap_or(i64::MAX))
            }),
            why,
        ]);
    }
    table.print()
}
