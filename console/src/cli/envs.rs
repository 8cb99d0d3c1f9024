//! `opsconsole envs`: the environments table for scripts.

use super::{
    Failure, Global, OutputFormat, exit,
    output::{Table, ago, print_json},
    report::{Report, report},
    scope::{environments, open},
};
use crate::{
    model::{EnvironmentName, Health},
    operate::OperateError,
    platform::PlatformError,
};
use clap::Args;
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;

/// Arguments of `envs`.
#[derive(Debug, Args)]
pub struct EnvsArgs {}

/// Prints one row an environment. An environment that cannot be reached has its error in its row,
/// and the command then ends with the code for unreachable.
pub async fn run(global: &Global, _args: EnvsArgs) -> Result<u8, Failure> {
    let format = OutputFormat::table_or_json(global.output)?;
    let context = open(global).await?;
    let names = environments(&context, global)?;
    let reports = join_all(names.iter().map(|name| report(&context, name))).await;
    let rows: Vec<(&EnvironmentName, &Result<Report, PlatformError>)> =
        names.iter().zip(&reports).collect();
    match format {
        OutputFormat::Json => print_json(
            &rows
                .iter()
                .map(|(name, row)| as_json(name, row))
                .collect::<Vec<_>>(),
        )?,
        _ => print_table(&rows)?,
    }
    let worst = reports
        .into_iter()
        .filter_map(Result::err)
        .map(|error| OperateError::from(error).exit_code())
        .max();
    Ok(worst.unwrap_or(exit::DONE))
}

fn as_json(name: &EnvironmentName, row: &Result<Report, PlatformError>) -> serde_json::Value {
    match row {
        Ok(report) => json!({
            "environment": name,
            "platform": report.platform,
            "service": report.observation.service.name,
            "release": report.observation.service.deployed.as_ref().map(crate::model::Deployed::name),
            "deployed": report.observation.service.deployed,
            "running": report.observation.service.running,
            "desired": report.observation.service.desired,
            "health": report.assessment.health,
            "assessment": report.assessment,
            "requests_per_second": report.metrics.requests_per_second.latest_within(3),
            "error_percent": report.metrics.error_percent.latest_within(3),
            "p95_ms": report.metrics.p95_ms.latest_within(3),
            "rollout": report.observation.service.rollout,
            "cost_per_month": report.cost_per_month,
            "url": report.observation.service.url,
        }),
        Err(error) => json!({"environment": name, "error": error.to_string()}),
    }
}

fn print_table(rows: &[(&EnvironmentName, &Result<Report, PlatformError>)]) -> Result<(), Failure> {
    let now = Timestamp::now();
    let mut table = Table::new([
        "ENV",
        "PLATFORM",
        "SERVICE",
        "RELEASE",
        "TASKS",
        "HEALTH",
        "REQ/S",
        "ERR %",
        "P95",
        "LAST DEPLOY",
        "$/MO",
    ]);
    let mut remarks = Vec::new();
    for (name, row) in rows {
        match row {
            Ok(report) => {
                let service = &report.observation.service;
                let number = |value: Option<f64>, digits: usize, unit: &str| {
                    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}{unit}"))
                };
                let deployed = service.deployed.as_ref();
                table.row([
                    name.to_string(),
                    report.platform.clone(),
                    service.name.to_string(),
                    deployed.map_or_else(|| "–".to_owned(), |deployed| deployed.name().to_owned()),
                    format!("{}/{}", service.running, service.desired),
                    health_word(report.assessment.health).to_owned(),
                    number(report.metrics.requests_per_second.latest_within(3), 1, ""),
                    number(report.metrics.error_percent.latest_within(3), 1, ""),
                    number(report.metrics.p95_ms.latest_within(3), 0, " ms"),
                    last_deploy(report, now),
                    report
                        .cost_per_month
                        .map_or_else(|| "–".to_owned(), |amount| amount.to_string()),
                ]);
                if !report.assessment.sentence.is_empty() {
                    let undo = report.assessment.undo.as_ref().map(|(release, _)| {
                        format!(". opsconsole rollback --env {name} goes back to {release}")
                    });
                    remarks.push(format!(
                        "{name}: {}{}",
                        report.assessment.sentence,
                        undo.unwrap_or_default()
                    ));
                }
            }
            Err(error) => {
                table.row([
                    name.to_string(),
                    "–".into(),
                    "–".into(),
                    "–".into(),
                    "–".into(),
                    "unknown".into(),
                    "–".into(),
                    "–".into(),
                    "–".into(),
                    "–".into(),
                    "–".into(),
                ]);
                remarks.push(format!("{name}: {error}"));
            }
        }
    }
    table.print()?;
    for remark in remarks {
        say!("{}", super::output::printable(&remark));
    }
    Ok(())
}

/// The word for a health.
pub fn health_word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Changing => "changing",
        Health::Degraded => "degraded",
        Health::Down => "down",
        Health::Unknown => "unknown",
    }
}

fn last_deploy(report: &Report, now: Timestamp) -> String {
    let Some(deployed) = &report.observation.service.deployed else {
        return "–".to_owned();
    };
    let when = deployed.deployed_at.map(|at| ago(at, now));
    let who = deployed.author.as_ref().map(|author| author.name.clone());
    [when, who]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("  ")
}
