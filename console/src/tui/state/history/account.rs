//! One record of the audit as text: a summary for the incident channel, and all details.

use crate::{
    model::{Plan, PlanSide, RunOutcome},
    store::RunRecord,
    tui::{
        state::{RunView, World},
        widgets::text,
    },
};
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;

/// How a run ended, in a word or two.
pub fn verdict_word(record: &RunRecord) -> &'static str {
    match &record.outcome {
        Some(RunOutcome::Failed { .. }) => "FAILED, not rolled back",
        Some(outcome) => outcome.word(),
        None => "going on",
    }
}

/// How long it took, or goes on.
pub fn duration(record: &RunRecord, world: &World) -> SignedDuration {
    record
        .finished_at
        .unwrap_or(world.now)
        .duration_since(record.started_at)
}

fn stamp(at: Timestamp, world: &World) -> String {
    let zoned = at.to_zoned(world.zone.clone());
    format!(
        "{} {}",
        zoned.strftime("%Y-%m-%d %H:%M:%S"),
        world.zone_label
    )
}

fn who(record: &RunRecord) -> String {
    match &record.author.host {
        Some(host) => format!("{} from {host}", record.author.name),
        None => record.author.name.clone(),
    }
}

fn name(side: &Option<String>) -> &str {
    side.as_deref().unwrap_or("—")
}

/// For the incident channel: what, where, from → to, who, when, how it ended.
pub fn account(record: &RunRecord, world: &World) -> String {
    let mut out = format!(
        "{} in {}: {} → {} by {}",
        record.verb,
        record.environment,
        name(&record.from),
        name(&record.to),
        who(record),
    );
    if let Some(reason) = &record.break_glass {
        let _ = write!(out, "\nBREAK-GLASS: {reason}");
    }
    if let Some(reason) = &record.reason {
        let _ = write!(out, "\nwhy: {reason}");
    }
    let took = text::long(duration(record, world));
    let started = stamp(record.started_at, world);
    match (&record.outcome, record.finished_at) {
        (Some(outcome), Some(_)) => {
            let _ = write!(out, "\n{started}, {} after {took}", verdict_word(record));
            if let Some(reason) = outcome.reason() {
                let _ = write!(out, ": {reason}");
            }
        }
        _ => {
            let _ = write!(out, "\n{started}, going on for {took}");
        }
    }
    let _ = write!(out, "\nrun {}", record.id);
    out
}

/// Everything: the record, its stages and the plan, which is masked before it is stored.
pub(super) fn details(record: &RunRecord, live: Option<&RunView>, world: &World) -> String {
    let mut out = account(record, world);
    out.push_str("\n\nSTAGES\n");
    stages(&mut out, record, live, world);
    if let Some(principal) = &record.principal {
        let _ = write!(out, "\nthe platform took them for {principal}\n");
    }
    match &record.plan {
        Some(plan) => plan_text(&mut out, plan, world),
        None => out.push_str(
            "\nThe plan was written by another version of opsconsole and cannot be shown.\n",
        ),
    }
    out
}

/// What the session saw stage by stage, else the times that the record keeps.
fn stages(out: &mut String, record: &RunRecord, live: Option<&RunView>, world: &World) {
    if let Some(run) = live {
        for stage in &run.state.stages {
            let at = stage.at.map_or_else(String::new, |at| stamp(at, world));
            let detail = stage.detail.as_deref().unwrap_or("");
            let line = format!("  {:<12} {at}  {detail}", stage.name);
            let _ = writeln!(out, "{}", line.trim_end());
        }
        return;
    }
    let _ = writeln!(
        out,
        "  {:<12} {}",
        "confirmed",
        stamp(record.started_at, world)
    );
    match &record.ticket {
        Some(ticket) => {
            let rollout = ticket.rollout.as_ref().map_or("", |id| id.short());
            let line = format!(
                "  {:<12} {}  {rollout}",
                "sent",
                stamp(ticket.sent_at, world)
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        None => {
            let _ = writeln!(out, "  {:<12} not sent", "sent");
        }
    }
    if let Some(finished) = record.finished_at {
        let word = verdict_word(record);
        let _ = writeln!(out, "  {:<12} {}", word, stamp(finished, world));
    }
}

fn plan_text(out: &mut String, plan: &Plan, world: &World) {
    let _ = write!(out, "\nPLAN, made {}\n", stamp(plan.made_at, world));
    side(out, "from", &plan.from);
    side(out, "to", &plan.to);
    let _ = writeln!(out, "  because     {}", plan.because);
    for (target, why) in &plan.passed_over {
        let _ = writeln!(out, "  passed over {target}: {why}");
    }
    for warning in &plan.prepared.warnings {
        let _ = writeln!(out, "  warning     {warning}");
    }
    if let Some(cost) = &plan.cost {
        let _ = writeln!(
            out,
            "  cost        {} → {} a month",
            cost.before, cost.after
        );
    }
    out.push_str("\nDIFF\n");
    if plan.prepared.diff.lines.is_empty() {
        out.push_str("  nothing in the definition\n");
    }
    for line in &plan.prepared.diff.lines {
        let _ = writeln!(out, "  {}", line.path);
        if let Some(from) = &line.from {
            let _ = writeln!(out, "    - {from}");
        }
        if let Some(to) = &line.to {
            let _ = writeln!(out, "    + {to}");
        }
    }
}

fn side(out: &mut String, title: &str, side: &Option<PlanSide>) {
    let Some(side) = side else {
        return;
    };
    let digest = side
        .deployed
        .digest
        .as_ref()
        .map_or("", |digest| digest.short());
    let _ = writeln!(
        out,
        "  {title:<11} {}  {digest}  {}  {}",
        side.deployed.name(),
        side.deployed.revision.short(),
        side.fared
    );
}
