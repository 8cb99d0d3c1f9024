//! What every changing command does alike: plan, show, confirm, execute, print how it goes.

use super::{
    Failure, Global, OutputFormat, exit,
    output::{print_json_line, printable},
    scope::{one_environment, open, settle},
};
use crate::{
    context::Context,
    model::{Action, EnvironmentName, Plan, RunOutcome, StageState},
    operate::{Confirmation, Gate, RunHandle, RunOptions, RunState},
};
use clap::Args;
use serde::Serialize;
use std::{
    io::{BufRead, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

/// Options of every changing command.
#[derive(Clone, Debug, Args)]
pub struct ChangeArgs {
    /// Answers yes. Where the guard is type-name it takes `--confirm NAME` instead.
    #[arg(long, short)]
    pub yes: bool,
    /// The environment's name, for environments whose guard is type-name.
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Passes a freeze, takes over a stale lock, or goes a way that the plan calls break-glass,
    /// with this reason; loudly audited.
    #[arg(long, value_name = "REASON")]
    pub break_glass: Option<String>,
    /// Why, for colleagues and the audit.
    #[arg(long, short = 'm', value_name = "WHY")]
    pub reason: Option<String>,
    /// Returns as soon as the change is sent; the rollout goes on.
    #[arg(long, conflicts_with = "wait")]
    pub no_wait: bool,
    /// Watches the rollout to its end (the default).
    #[arg(long)]
    pub wait: bool,
    /// Gives up watching after this long; the rollout goes on.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Shows the plan and changes nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Reads `90s`, `15m`, `1h 30m`, or seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is not a duration; write 90s, 15m or 1h 30m"))?;
    Duration::try_from(span).map_err(|_| "a duration cannot be negative".to_owned())
}

/// A line of progress, for `--output json`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
enum Line<'a> {
    Planned {
        plan: &'a Plan,
        gate: &'a Gate,
    },
    Stage {
        run: &'a str,
        stage: &'a str,
        state: StageState,
        detail: Option<&'a str>,
    },
    Trouble {
        run: &'a str,
        message: &'a str,
    },
    Platform {
        run: &'a str,
        step: Option<&'a str>,
        why: Option<&'a str>,
    },
    Finished {
        run: &'a str,
        outcome: &'a RunOutcome,
        exit_code: u8,
        duration_s: i64,
    },
    Sent {
        run: &'a str,
    },
}

/// Runs one action in the one environment that `--env` names, to its exit code.
pub async fn change(global: &Global, args: &ChangeArgs, action: Action) -> Result<u8, Failure> {
    let asked = Asked::new(global, args).await?;
    asked.carry_out(action, args.reason.clone(), false).await
}

/// As [`change`]; a rollout that fails and stays where it is is rolled back, where that was asked for.
///
/// A platform that goes back by itself has then done so already, and ends with the same code.
pub async fn change_or_go_back(
    global: &Global,
    args: &ChangeArgs,
    action: Action,
    goes_back: bool,
) -> Result<u8, Failure> {
    let asked = Asked::new(global, args).await?;
    let ended = asked
        .carry_out(action, args.reason.clone(), goes_back)
        .await;
    match ended {
        Ok(exit::FAILED) if goes_back => asked.go_back().await,
        ended => ended,
    }
}

/// What a changing command was asked to do, and where.
struct Asked<'a> {
    args: &'a ChangeArgs,
    format: OutputFormat,
    context: Context,
    name: EnvironmentName,
}

impl<'a> Asked<'a> {
    async fn new(global: &Global, args: &'a ChangeArgs) -> Result<Self, Failure> {
        let format = OutputFormat::table_or_json(global.output)?;
        let context = open(global).await?;
        let name = one_environment(&context, global)?;
        settle(&context).await?;
        Ok(Self {
            args,
            format,
            context,
            name,
        })
    }

    async fn carry_out(
        &self,
        action: Action,
        reason: Option<String>,
        goes_back: bool,
    ) -> Result<u8, Failure> {
        let (args, format) = (self.args, self.format);
        let operator = &self.context.operator;
        let plan = operator.plan(&self.name, action, reason).await?;
        let gate = operator.gate(&plan).await?;
        match format {
            OutputFormat::Json => print_json_line(&Line::Planned {
                plan: &plan,
                gate: &gate,
            })?,
            _ => print_plan(&plan)?,
        }
        if args.dry_run {
            return Ok(exit::DONE);
        }
        if plan.is_noop() {
            say(format, "nothing to do: this is what runs already")?;
            return Ok(exit::DONE);
        }
        let confirmation = confirm(args, &plan, &gate, format)?;
        let options = RunOptions {
            timeout: args.timeout,
            watch: !args.no_wait,
        };
        let run = operator
            .execute(Arc::new(plan), confirmation, options)
            .await?;
        if args.no_wait {
            return sent(run, format).await;
        }
        tokio::select! {
            code = watch(run, format, goes_back) => code,
            _ = interrupted() => {
                operator.leave().await;
                Err(Failure { message: "interrupted; the rollout goes on, and the next opsconsole records how it ended".to_owned(), code: 6 })
            }
        }
    }

    /// The rollback that was asked for with the change, confirmed by the same word.
    async fn go_back(&self) -> Result<u8, Failure> {
        say(self.format, "rolling back, as asked")?;
        let why = "asked for with the deploy, which failed".to_owned();
        let back = Action::Rollback { to: None };
        let (detail, gone_back) = match self.carry_out(back, Some(why), false).await {
            Ok(exit::DONE) => (String::new(), true),
            Ok(code) => (format!("the rollback ended with code {code}"), false),
            Err(failure) => (failure.message, false),
        };
        if gone_back {
            say(self.format, "failed and rolled back, as asked")?;
            return Ok(exit::ROLLED_BACK);
        }
        Err(Failure {
            message: format!("the deploy failed and could not be rolled back: {detail}"),
            code: exit::FAILED,
        })
    }
}

/// Ctrl-C or SIGTERM.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Prints the plan as the confirm dialog shows it.
fn print_plan(plan: &Plan) -> Result<(), Failure> {
    let mut text = format!("{} in {}\n", capital(plan.action.verb()), plan.environment);
    for (word, side) in [("from", &plan.from), ("to", &plan.to)] {
        if let Some(side) = side {
            let digest = side
                .deployed
                .digest
                .as_ref()
                .map_or("", |digest| digest.short());
            text.push_str(&format!(
                "  {word:<5} {}  {digest}  {}\n",
                side.deployed.name(),
                side.fared
            ));
        }
    }
    if !plan.because.is_empty() {
        text.push_str(&format!("  why   {}\n", plan.because));
    }
    for (target, why) in &plan.passed_over {
        text.push_str(&format!("  not   {target}: {why}\n"));
    }
    for line in &plan.prepared.diff.lines {
        let from = line.from.as_deref().unwrap_or("(not set)");
        let to = line.to.as_deref().unwrap_or("(removed)");
        text.push_str(&format!("  diff  {}: {from} → {to}\n", line.path));
    }
    if let Some(cost) = &plan.cost {
        text.push_str(&format!("  cost  {} → {} a month", cost.before, cost.after));
        if let Some(overlap) = &cost.overlap {
            text.push_str(&format!("; about {overlap} while both run"));
        }
        text.push('\n');
    }
    for warning in &plan.prepared.warnings {
        text.push_str(&format!("  note  {warning}\n"));
    }
    if let Some(why) = &plan.prepared.break_glass {
        text.push_str(&format!("  GLASS {why}\n"));
    }
    for blocker in &plan.prepared.blockers {
        text.push_str(&format!("  STOP  {}. {}\n", blocker.what, blocker.remedy));
    }
    for line in text.lines() {
        writeln!(std::io::stdout(), "{}", printable(line))?;
    }
    Ok(())
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// Takes the confirmation from the options, else asks on a terminal. The executor checks it again.
fn confirm(
    args: &ChangeArgs,
    plan: &Plan,
    gate: &Gate,
    format: OutputFormat,
) -> Result<Confirmation, Failure> {
    let mut given = Confirmation {
        yes: args.yes,
        typed_name: args.confirm.clone(),
        break_glass: args.break_glass.clone(),
    };
    let may_ask = std::io::stdin().is_terminal() && format != OutputFormat::Json;
    match gate {
        Gate::Refused { why, remedy } => {
            return Err(Failure::refused(format!("refused: {why}. {remedy}")));
        }
        Gate::BreakGlass { why, .. } if given.break_glass.is_none() => {
            return Err(Failure::refused(format!(
                "refused: {why}. In an emergency pass --break-glass \"reason\"; it is audited"
            )));
        }
        Gate::TypeName
        | Gate::BreakGlass {
            type_name: true, ..
        } => {
            if given.typed_name.is_none() && may_ask && !args.yes {
                given.typed_name = Some(ask(&format!(
                    "Type the environment's name to {} in {}: ",
                    plan.action.verb(),
                    plan.environment
                ))?);
            }
            if given.typed_name.is_none() {
                return Err(Failure::refused(format!(
                    "refused: {} takes its name; pass --confirm {}",
                    plan.environment, plan.environment
                )));
            }
            given.yes = true;
        }
        Gate::Confirm | Gate::BreakGlass { .. } => {
            if !given.yes && given.typed_name.as_deref() == Some(plan.environment.as_str()) {
                given.yes = true;
            }
            if !given.yes && may_ask {
                let answer = ask(&format!(
                    "{} in {}? [y/N] ",
                    capital(plan.action.verb()),
                    plan.environment
                ))?;
                given.yes = matches!(answer.trim(), "y" | "Y" | "yes");
                if !given.yes {
                    return Err(Failure::refused("not confirmed; nothing was changed"));
                }
            }
            if !given.yes {
                return Err(Failure::refused("refused: not confirmed; pass --yes"));
            }
        }
    }
    Ok(given)
}

fn ask(question: &str) -> Result<String, Failure> {
    let mut out = std::io::stdout().lock();
    write!(out, "{question}")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

fn say(format: OutputFormat, message: &str) -> Result<(), Failure> {
    if format != OutputFormat::Json {
        writeln!(std::io::stdout(), "{message}")?;
    }
    Ok(())
}

/// Waits until the change was sent (or the run ended before), then leaves it to the platform.
async fn sent(mut run: RunHandle, format: OutputFormat) -> Result<u8, Failure> {
    loop {
        let state = run.state.borrow_and_update().clone();
        if let Some(outcome) = &state.outcome {
            return finish(&run, &state, outcome, format, false);
        }
        if state
            .stages
            .iter()
            .any(|stage| stage.name == "sent" && stage.state == StageState::Done)
        {
            match format {
                OutputFormat::Json => print_json_line(&Line::Sent {
                    run: run.id.as_str(),
                })?,
                _ => writeln!(
                    std::io::stdout(),
                    "sent; the rollout goes on. See it with: opsconsole status --env {}",
                    run.plan.environment
                )?,
            }
            return Ok(exit::DONE);
        }
        if run.state.changed().await.is_err() {
            return Err(Failure::internal(
                "the watcher ended without an outcome; see opsconsole history",
            ));
        }
    }
}

/// Prints each stage as it is reached, until the outcome.
async fn watch(mut run: RunHandle, format: OutputFormat, goes_back: bool) -> Result<u8, Failure> {
    let mut printed: Vec<(String, StageState, Option<String>)> = Vec::new();
    let mut trouble = None;
    let mut platform_said = None;
    loop {
        let state = run.state.borrow_and_update().clone();
        for stage in &state.stages {
            let key = (stage.name.clone(), stage.state, stage.detail.clone());
            if stage.state == StageState::Waiting || printed.contains(&key) {
                continue;
            }
            match format {
                OutputFormat::Json => print_json_line(&Line::Stage {
                    run: run.id.as_str(),
                    stage: &stage.name,
                    state: stage.state,
                    detail: stage.detail.as_deref(),
                })?,
                _ => {
                    let glyph = match stage.state {
                        StageState::Done => "✓",
                        StageState::Failed => "✗",
                        StageState::Running | StageState::Waiting => "…",
                    };
                    let detail = stage
                        .detail
                        .as_deref()
                        .map(|detail| format!("  {}", printable(detail)));
                    writeln!(
                        std::io::stdout(),
                        "{glyph} {}{}",
                        stage.name,
                        detail.unwrap_or_default()
                    )?;
                }
            }
            printed.push(key);
        }
        if state.trouble != trouble {
            trouble.clone_from(&state.trouble);
            if let Some(message) = &trouble {
                match format {
                    OutputFormat::Json => {
                        print_json_line(&Line::Trouble {
                            run: run.id.as_str(),
                            message,
                        })?;
                    }
                    _ => writeln!(std::io::stderr(), "… {}", printable(message))?,
                }
            }
        }
        if let Some(outcome) = &state.outcome {
            return finish(&run, &state, outcome, format, goes_back);
        }
        let said = state.progress.as_ref().map(|progress| {
            let record = &progress.record;
            (progress.platform_stage.clone(), record.reason.clone())
        });
        if said != platform_said {
            let (step, why) = said.clone().unwrap_or_default();
            platform(&run, step.as_deref(), why.as_deref(), format)?;
            platform_said = said;
        }
        if run.state.changed().await.is_err() {
            return Err(Failure::internal(
                "the watcher ended without an outcome; see opsconsole history",
            ));
        }
    }
}

/// What the platform says of a rollout that goes on: its own step, and what holds it up.
fn platform(
    run: &RunHandle,
    step: Option<&str>,
    why: Option<&str>,
    format: OutputFormat,
) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        print_json_line(&Line::Platform {
            run: run.id.as_str(),
            step,
            why,
        })?;
        return Ok(());
    }
    for said in [step, why].into_iter().flatten() {
        writeln!(std::io::stdout(), "… {}", printable(said))?;
    }
    Ok(())
}

/// Prints the outcome and gives its exit code.
fn finish(
    run: &RunHandle,
    state: &RunState,
    outcome: &RunOutcome,
    format: OutputFormat,
    goes_back: bool,
) -> Result<u8, Failure> {
    let code = outcome.exit_code();
    let finished = state.finished_at.unwrap_or(state.started_at);
    let duration_s = finished.as_second() - state.started_at.as_second();
    if format == OutputFormat::Json {
        print_json_line(&Line::Finished {
            run: run.id.as_str(),
            outcome,
            exit_code: code,
            duration_s,
        })?;
        return Ok(code);
    }
    let text = match outcome {
        // Nobody needs to act: the way back follows.
        RunOutcome::Failed { reason } if goes_back => format!("failed: {reason}"),
        outcome => outcome_text(&run.plan.environment, outcome),
    };
    writeln!(std::io::stdout(), "{} ({duration_s} s)", printable(&text))?;
    Ok(code)
}

/// The outcome in one sentence, with what to do next.
pub fn outcome_text(environment: &EnvironmentName, outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Done => "done: our revision won".to_owned(),
        RunOutcome::RolledBack { reason } => {
            format!(
                "failed and rolled back: {reason}. The release before serves; see opsconsole status --env {environment}"
            )
        }
        RunOutcome::Failed { reason } => {
            format!(
                "FAILED and not rolled back: {reason}. Act now: opsconsole rollback --env {environment}"
            )
        }
        RunOutcome::Superseded { by } => {
            format!("superseded: {by}. Ours is no longer what is being rolled out")
        }
        RunOutcome::Stopped { reason } => format!("stopped: {reason}"),
        RunOutcome::NotSent { reason } => format!("not sent, nothing changed: {reason}"),
        RunOutcome::Unknown { reason } => {
            format!(
                "unknown: {reason}. Look before you try again: opsconsole status --env {environment}"
            )
        }
        RunOutcome::TimedOut { after_s } => {
            format!(
                "not over after {after_s} s; the rollout goes on. See opsconsole status --env {environment}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_units_or_as_seconds() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("45"), Ok(Duration::from_secs(45)));
        assert!(parse_duration("soon").unwrap_err().contains("90s, 15m"));
    }
}
