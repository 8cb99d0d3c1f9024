//! `opsconsole status`: one service with its tasks, target health, alarms and events.

use super::{
    Failure, Global, OutputFormat,
    envs::health_word,
    exit,
    output::{Table, ago, print_json, printable},
    report::{Report, report},
    scope::{one_environment, open},
};
use crate::model::{Alarm, AlarmState, Health, InstanceState};
use clap::Args;
use jiff::Timestamp;

/// How many events and stopped tasks the table shows.
const SHOWN: usize = 8;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Ends with code 1 unless the service is healthy, for health checks in scripts.
    #[arg(long)]
    check: bool,
}

/// Prints the service.
pub async fn run(global: &Global, args: StatusArgs) -> Result<u8, Failure> {
    let format = OutputFormat::table_or_json(global.output)?;
    let context = open(global).await?;
    let name = one_environment(&context, global)?;
    let report = report(&context, &name).await?;
    match format {
        OutputFormat::Json => print_json(&report)?,
        _ => print(&report)?,
    }
    if args.check && report.assessment.health != Health::Healthy {
        return Ok(exit::INTERNAL);
    }
    Ok(exit::DONE)
}

fn print(report: &Report) -> Result<(), Failure> {
    let now = Timestamp::now();
    let service = &report.observation.service;
    let deployed = service.deployed.as_ref();
    let release = deployed.map_or("–", |deployed| deployed.name());
    let mut text = format!(
        "{}  {}/{}  {}  {}  {} of {} tasks running\n",
        report.environment,
        service.cluster,
        service.name,
        release,
        health_word(report.assessment.health),
        service.running,
        service.desired
    );
    if !report.assessment.sentence.is_empty() {
        text.push_str(&format!("{}\n", report.assessment.sentence));
    }
    if let Some(ahead_s) = report.observation.clock_ahead_s {
        text.push_str(&format!(
            "clock  {}\n",
            crate::tui::view::common::clock_words(ahead_s)
        ));
    }
    if let Some(url) = &service.url {
        text.push_str(&format!("url  {url}\n"));
    }
    if let Some(rollout) = &service.rollout {
        text.push_str(&format!(
            "rollout  {}  {} of {} in service, {} failed\n",
            rollout
                .ours
                .release
                .as_deref()
                .unwrap_or(rollout.ours.revision.short()),
            rollout.ours.in_service,
            rollout.ours.desired,
            rollout.ours.failed
        ));
    }
    if let Some(scales) = &service.autoscaler {
        let current = scales
            .current
            .map_or_else(|| "–".to_owned(), |current| current.to_string());
        text.push_str(&format!(
            "scales  between {} and {} tasks, {current} now  {}\n",
            scales.min,
            scales.max,
            scales.measures.join(", ")
        ));
        if let Some(trouble) = &scales.trouble {
            text.push_str(&format!("cannot scale  {trouble}\n"));
        }
        if let Some(limit) = &scales.limit {
            text.push_str(&format!("scales no further  {limit}\n"));
        }
    }
    if let Some(budget) = &service.budget {
        text.push_str(&format!(
            "budget  {} may be taken away now, {} healthy, {} must stay ({})\n",
            budget.allowed, budget.healthy, budget.needed, budget.rule
        ));
    }
    for line in text.lines() {
        say!("{}", printable(line));
    }

    let mut tasks = Table::new([
        "TASK", "RELEASE", "STATE", "HEALTH", "CPU %", "MEM %", "AGE", "ADDRESS",
    ]);
    for task in &service.instances {
        let percent = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"))
        };
        tasks.row([
            task.id.to_string(),
            task.release
                .clone()
                .unwrap_or_else(|| task.revision.short().to_owned()),
            match task.state {
                InstanceState::Starting => "starting",
                InstanceState::Running => "running",
                InstanceState::Stopping => "stopping",
                InstanceState::Stopped => "stopped",
            }
            .to_owned(),
            match task.healthy {
                Some(true) => "healthy",
                Some(false) => "unhealthy",
                None => "–",
            }
            .to_owned(),
            percent(task.cpu_percent),
            percent(task.memory_percent),
            task.started_at
                .map_or_else(|| "–".to_owned(), |at| ago(at, now)),
            task.address.clone().unwrap_or_else(|| "–".to_owned()),
        ]);
    }
    say!();
    tasks.print()?;

    if !service.stopped.is_empty() {
        let mut stopped = Table::new(["STOPPED", "RELEASE", "EXIT", "AGO", "REASON"]);
        for task in service.stopped.iter().take(SHOWN) {
            stopped.row([
                task.id.to_string(),
                task.release
                    .clone()
                    .unwrap_or_else(|| task.revision.short().to_owned()),
                task.exit_code
                    .map_or_else(|| "–".to_owned(), |code| code.to_string()),
                task.stopped_at
                    .map_or_else(|| "–".to_owned(), |at| ago(at, now)),
                task.reason.clone().unwrap_or_default(),
            ]);
        }
        say!();
        stopped.print()?;
    }

    if !service.alarms.is_empty() {
        let mut alarms = Table::new(["ALARM", "STATE", "SINCE", "CONDITION"]);
        for alarm in &service.alarms {
            alarms.row([
                alarm.name.clone(),
                alarm_word(alarm).to_owned(),
                alarm
                    .since
                    .map_or_else(|| "–".to_owned(), |at| ago(at, now)),
                alarm.condition.clone().unwrap_or_default(),
            ]);
        }
        say!();
        alarms.print()?;
    }

    say!();
    for event in service.events.iter().take(SHOWN) {
        say!("{:>5}  {}", ago(event.at, now), printable(&event.message));
    }
    Ok(())
}

fn alarm_word(alarm: &Alarm) -> &'static str {
    match alarm.state {
        AlarmState::Ok => "ok",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "no data",
    }
}
