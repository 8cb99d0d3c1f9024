//! The Rollout screen's state: one run, live, with the log tail of its new tasks.

use super::{Handled, Pointer, RunView, Screen, ScreenState, World, logs::LogsState};
use crate::{
    model::{
        Action, EnvironmentName, Plan, PlanSide, RawLogEvent, RolloutProgress, RunId,
        StoppedInstance,
    },
    operate::RunOutcome,
    platform::{LinkTarget, PlatformError},
    tui::{
        command::{Command, Place},
        effect::{Effect, Level},
        message::{Generation, Message},
        widgets::text,
    },
};
use jiff::{SignedDuration, Timestamp};

/// The tail is asked for this often: well within CloudWatch's five FilterLogEvents a second.
const TAIL_EVERY: SignedDuration = SignedDuration::from_secs(2);

/// The tail goes back to the run's start, and no further than this.
const TAIL_BACK_MAX: SignedDuration = SignedDuration::from_mins(10);

/// FilterLogEvents takes at most 100 stream names (CloudWatch Logs API reference).
const STREAMS_MAX: usize = 100;

/// One run.
#[derive(Debug)]
pub struct RolloutState {
    run: RunId,
    environment: EnvironmentName,
    /// Log lines of the new tasks, oldest first.
    pub lines: Vec<RawLogEvent>,
    /// Why there are none.
    pub tail_trouble: Option<String>,
    /// Lines scrolled up from the newest.
    pub up: usize,
    asked: Option<(Generation, Timestamp)>,
}

impl RolloutState {
    /// The screen of a run.
    pub fn new(run: RunId, environment: EnvironmentName) -> Self {
        Self {
            run,
            environment,
            lines: Vec::new(),
            tail_trouble: None,
            up: 0,
            asked: None,
        }
    }

    /// The run, once it is known.
    pub fn run<'a>(&self, world: &'a World) -> Option<&'a RunView> {
        world.run(&self.run)
    }

    /// The environment it runs in.
    pub fn environment_name(&self) -> &EnvironmentName {
        &self.environment
    }

    /// Log streams of the tasks that the rollout brought, those that failed included.
    fn streams(&self, world: &World) -> Vec<String> {
        let Some(progress) = self.run(world).and_then(|run| run.state.progress.as_ref()) else {
            return Vec::new();
        };
        let Some(service) = world
            .environment(&self.environment)
            .and_then(|env| env.service())
        else {
            return Vec::new();
        };
        let ours = &progress.ours.revision;
        let running = service
            .instances
            .iter()
            .filter(|task| task.revision == *ours)
            .filter_map(|task| task.log_stream.clone());
        let stopped = service
            .stopped
            .iter()
            .filter(|task| task.revision == *ours)
            .filter_map(|task| task.log_stream.clone());
        running.chain(stopped).take(STREAMS_MAX).collect()
    }

    fn newest_failed<'a>(&self, world: &'a World) -> Option<&'a StoppedInstance> {
        let progress: &RolloutProgress = self.run(world)?.state.progress.as_ref()?;
        let service = world.environment(&self.environment)?.service()?;
        service
            .stopped
            .iter()
            .find(|task| task.revision == progress.ours.revision)
    }

    fn ask_for_tail(&mut self, world: &World) -> Vec<Effect> {
        let Some(run) = self.run(world) else {
            return Vec::new();
        };
        let is_over_for_long = run
            .state
            .finished_at
            .is_some_and(|at| world.ago(at) > SignedDuration::from_secs(15));
        let is_due = self.asked.is_none_or(|(_, at)| world.ago(at) >= TAIL_EVERY);
        let back =
            world.ago(run.state.started_at).min(TAIL_BACK_MAX) + SignedDuration::from_secs(5);
        let streams = self.streams(world);
        if !is_due || is_over_for_long || streams.is_empty() {
            return Vec::new();
        }
        let generation = Generation::next();
        self.asked = Some((generation, world.now));
        vec![Effect::Tail {
            generation,
            environment: self.environment.clone(),
            streams,
            back_ms: i64::try_from(back.as_millis()).unwrap_or(i64::MAX),
        }]
    }
}

/// What happened and what to do, for the outcome panel: a headline and the advice.
pub fn verdict(run: &RunView, world: &World) -> Option<(String, String)> {
    let brings_release = matches!(
        run.plan.action,
        Action::Deploy { .. } | Action::Promote { .. } | Action::Rollback { .. }
    );
    let release = run.plan.to.as_ref().filter(|_| brings_release);
    let to = release.map_or_else(|| doing(&run.plan), |side| side.deployed.name().to_owned());
    let from = run.plan.from.as_ref().map_or_else(
        || "the revision before".to_owned(),
        |side| side.deployed.name().to_owned(),
    );
    let name = &run.plan.environment;
    let key = |command| world.key(command);
    // The platform calls it done when the tasks are healthy; users may see it otherwise.
    let ill = world
        .environment(name)
        .and_then(|env| env.assessment.as_ref())
        .filter(|assessment| {
            assessment
                .since
                .is_some_and(|since| since >= run.state.started_at)
        })
        .map(|assessment| assessment.sentence.clone())
        .filter(|sentence| !sentence.is_empty());
    let told = |reason: &str| reason.trim_end_matches(['.', ' ']).to_owned();
    Some(match run.state.outcome.as_ref()? {
        RunOutcome::Done if ill.is_some() => (
            format!("{to} is live in {name}, and something is wrong"),
            format!(
                "{}. {} goes back to the last known-good release.",
                told(&ill.unwrap_or_default()),
                key(Command::Rollback)
            ),
        ),
        // What a further rollback would land on is the plan's to say: it is not always `from`.
        RunOutcome::Done => match (release, &run.plan.action) {
            (Some(_), Action::Deploy { .. } | Action::Promote { .. }) => (
                format!("{to} is live in {name}"),
                format!(
                    "Nothing to do. {} goes back if users see it otherwise.",
                    key(Command::Rollback)
                ),
            ),
            (Some(_), _) => (
                format!("{to} is live in {name}"),
                "Nothing to do.".to_owned(),
            ),
            (None, _) => (format!("Done: {to} in {name}"), "Nothing to do.".to_owned()),
        },
        RunOutcome::RolledBack { reason } => (
            format!("{to} failed in {name}; {from} serves again"),
            format!(
                "{}. Users stay on {from}. {} shows the last logs of a failed task; fix the release and deploy again.",
                told(reason),
                key(Command::PreviousLogs)
            ),
        ),
        RunOutcome::Failed { reason } => (
            format!("{to} FAILED in {name}, and nothing went back"),
            format!(
                "{}. Someone must act now: {} goes back to the last known-good release.",
                told(reason),
                key(Command::Rollback)
            ),
        ),
        RunOutcome::Superseded { by } => (
            format!("Another rollout took the place of {to} in {name}"),
            format!(
                "Now: {by}. Talk to its author before anything else; {} shows who did what.",
                key(Command::History)
            ),
        ),
        RunOutcome::Stopped { reason } => (
            format!("{to} was stopped in {name}"),
            format!(
                "{}. Look at the service to see what serves now.",
                told(reason)
            ),
        ),
        RunOutcome::NotSent { reason } => (
            format!("{to} was not sent to {name}"),
            format!("{}. Nothing changed.", told(reason)),
        ),
        RunOutcome::Unknown { reason } => (
            format!("Nobody knows whether {to} was sent to {name}"),
            format!(
                "{}. Look at the service before anything else.",
                told(reason)
            ),
        ),
        RunOutcome::TimedOut { after_s } => (
            format!(
                "{to} was not over after {} in {name}",
                text::long(SignedDuration::from_secs(
                    i64::try_from(*after_s).unwrap_or(i64::MAX)
                ))
            ),
            format!(
                "It may still end either way. {} stops it and goes back; the service's events say what it waits for.",
                key(Command::StopRollout)
            ),
        ),
    })
}

/// What a plan does, for headings: `deploy 1.5.0 → 1.6.0`, `scale to 5`.
pub fn doing(plan: &Plan) -> String {
    let name = |side: &Option<PlanSide>| {
        side.as_ref()
            .map_or_else(|| "—".to_owned(), |side| side.deployed.name().to_owned())
    };
    match &plan.action {
        Action::Scale { desired } => format!("scale to {desired}"),
        Action::Restart => format!("restart {}", name(&plan.from)),
        Action::StopInstance { instance } => format!("stop task {}", instance.short()),
        Action::Deploy { .. } | Action::Promote { .. } | Action::Rollback { .. } => {
            format!(
                "{} {} → {}",
                plan.action.verb(),
                name(&plan.from),
                name(&plan.to)
            )
        }
    }
}

/// The summary for the incident channel.
pub fn summary(run: &RunView, world: &World) -> String {
    let plan = &run.plan;
    let clock = |at: Timestamp| text::clock(at, &world.zone);
    let mut out = format!(
        "{}: {} by {}, started {} {}",
        plan.environment,
        doing(plan),
        plan.author.name,
        clock(run.state.started_at),
        world.zone_label,
    );
    match (&run.state.outcome, run.state.finished_at) {
        (Some(_), finished) => {
            if let Some((headline, _)) = verdict(run, world) {
                out.push_str(&format!("\n{headline}"));
            }
            if let Some(reason) = run.state.outcome.as_ref().and_then(RunOutcome::reason) {
                out.push_str(&format!(": {reason}"));
            }
            if let Some(finished) = finished {
                let took = finished.duration_since(run.state.started_at);
                out.push_str(&format!(
                    "\nended {} after {}",
                    clock(finished),
                    text::long(took)
                ));
            }
        }
        (None, _) => {
            let stage = run
                .state
                .stages
                .iter()
                .find(|stage| stage.state == crate::model::StageState::Running);
            if let Some(stage) = stage {
                out.push_str(&format!("\nin progress: {}", stage.name));
                if let Some(detail) = &stage.detail {
                    out.push_str(&format!(" {detail}"));
                }
            }
        }
    }
    let (errors, p95) = world.rates(&plan.environment);
    let pair = |before: Option<f64>, now: Option<f64>, unit: fn(f64) -> String| {
        Some(format!("{} → {}", unit(before?), unit(now?)))
    };
    if let Some(errors) = pair(run.before.0, errors, |value| format!("{value:.1} %")) {
        out.push_str(&format!("\nerror rate {errors}"));
    }
    if let Some(p95) = pair(run.before.1, p95, text::millis) {
        out.push_str(&format!(", p95 {p95}"));
    }
    if let Some(reason) = &plan.reason {
        out.push_str(&format!("\nwhy: {reason}"));
    }
    out.push_str(&format!("\nrun {}", run.id));
    out
}

impl ScreenState for RolloutState {
    fn place(&self) -> Place {
        Place::Rollout
    }

    fn environment<'a>(&'a self, _world: &'a World) -> Option<&'a EnvironmentName> {
        Some(&self.environment)
    }

    fn open(&mut self, world: &World) -> Vec<Effect> {
        let mut effects = vec![Effect::Refresh(Some(self.environment.clone()))];
        effects.extend(self.ask_for_tail(world));
        effects
    }

    fn command(&mut self, command: Command, argument: Option<&str>, world: &World) -> Handled {
        let page = world.page_rows() / 2;
        let last = self.lines.len().saturating_sub(1);
        match command {
            Command::Up => self.up = (self.up + 1).min(last),
            Command::Down => self.up = self.up.saturating_sub(1),
            Command::PageUp => self.up = (self.up + page).min(last),
            Command::PageDown => self.up = self.up.saturating_sub(page),
            Command::Top => self.up = last,
            Command::Bottom => self.up = 0,
            Command::Back => {
                // Over: it leaves the header with the screen. Going on: it stays there.
                let mut effects = Vec::new();
                if self
                    .run(world)
                    .is_some_and(|run| run.state.outcome.is_some())
                {
                    effects.push(Effect::Dismiss(self.run.clone()));
                }
                effects.push(Effect::Back);
                return Handled::Consumed(effects);
            }
            Command::Yank => {
                return match self.run(world) {
                    Some(run) => Handled::effect(Effect::Copy {
                        text: summary(run, world),
                        what: "summary of the rollout".into(),
                    }),
                    None => Handled::done(),
                };
            }
            Command::Copy => {
                return Handled::effect(Effect::Copy {
                    text: self
                        .lines
                        .iter()
                        .map(|line| line.message.as_str())
                        .collect::<Vec<_>>()
                        .join("\n"),
                    what: "log lines of the new tasks".into(),
                });
            }
            Command::Save => {
                return match self.run(world) {
                    Some(run) => Handled::effect(Effect::Save {
                        name: format!("rollout-{}-{}.txt", self.environment, run.id),
                        text: format!(
                            "{}\n\n{}\n",
                            summary(run, world),
                            self.lines
                                .iter()
                                .map(|line| line.message.as_str())
                                .collect::<Vec<_>>()
                                .join("\n")
                        ),
                    }),
                    None => Handled::done(),
                };
            }
            Command::PreviousLogs => {
                return Handled::effect(match self.newest_failed(world) {
                    Some(task) => Effect::ShowLastLogs(self.environment.clone(), task.clone()),
                    None => Effect::Notify(Level::Info, "No task of this rollout stopped".into()),
                });
            }
            Command::Open => {
                return Handled::effect(Effect::Show(Box::new(Screen::Logs(LogsState::new(
                    self.environment.clone(),
                )))));
            }
            Command::OpenLink => {
                let link = self
                    .run(world)
                    .and_then(|run| run.state.progress.as_ref())
                    .map_or(LinkTarget::Service, |progress| {
                        let rings = progress
                            .alarms
                            .iter()
                            .find(|alarm| alarm.state == crate::model::AlarmState::Alarm);
                        rings.map_or_else(
                            || LinkTarget::Rollout(progress.record.id.to_string()),
                            |alarm| LinkTarget::Alarm(alarm.name.clone()),
                        )
                    });
                return Handled::effect(Effect::OpenLink(self.environment.clone(), link));
            }
            Command::Rollout if argument.is_none() => {}
            _ => return Handled::Ignored,
        }
        Handled::done()
    }

    fn mouse(&mut self, pointer: Pointer, _world: &World) -> Handled {
        match pointer {
            Pointer::Wheel(lines) => {
                let by = usize::try_from(lines.unsigned_abs()).unwrap_or(0);
                let last = self.lines.len().saturating_sub(1);
                self.up = if lines < 0 {
                    (self.up + by).min(last)
                } else {
                    self.up.saturating_sub(by)
                };
                Handled::done()
            }
            _ => Handled::Ignored,
        }
    }

    fn message(&mut self, message: &Message, world: &World) -> Vec<Effect> {
        match message {
            Message::Tail(generation, result)
                if self.asked.is_some_and(|(asked, _)| asked == *generation) =>
            {
                match result {
                    Ok(lines) => {
                        // What the eye rests on stays where it is while new lines come in below.
                        if self.up > 0 {
                            self.up += lines.len().saturating_sub(self.lines.len());
                        }
                        self.lines.clone_from(lines);
                        self.tail_trouble = None;
                    }
                    // The group is made with the first line: not there yet is no trouble.
                    Err(PlatformError::NotFound { .. }) => self.tail_trouble = None,
                    Err(error) => self.tail_trouble = Some(error.to_string()),
                }
                Vec::new()
            }
            Message::Run(id, ..) if *id == self.run => self.ask_for_tail(world),
            _ => Vec::new(),
        }
    }

    fn tick(&mut self, world: &World) -> Vec<Effect> {
        self.ask_for_tail(world)
    }

    fn offers(&self, command: Command, world: &World) -> bool {
        let is_over = self
            .run(world)
            .is_some_and(|run| run.state.outcome.is_some());
        match command {
            Command::StopRollout => !is_over,
            Command::Rollback | Command::Deploy => is_over,
            Command::PreviousLogs => self.newest_failed(world).is_some(),
            Command::Open | Command::NextPane | Command::Promote => false,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    fn world(run: RunView) -> World {
        let mut world = fixtures::world();
        world.runs.push(run);
        world
    }

    #[test]
    fn the_summary_for_the_channel_says_who_what_and_how_it_ended() {
        let world = world(fixtures::run_over(RunOutcome::Done));
        let text = summary(&world.runs[0], &world);
        assert!(
            text.starts_with("prod: roll back 1.4.1 → 1.4.0 by ana, started 14:01:24 UTC"),
            "{text}"
        );
        assert!(
            text.contains("1.4.0 is live in prod") && text.contains("after 45 s"),
            "{text}"
        );
    }

    #[test]
    fn a_change_of_count_is_not_told_as_a_release() {
        let mut plan = fixtures::rollback_plan();
        plan.action = Action::Scale { desired: 5 };
        let mut run = fixtures::run_over(RunOutcome::Done);
        run.plan = std::sync::Arc::new(plan);
        let (headline, _) = verdict(&run, &fixtures::world()).expect("an outcome");
        assert_eq!(headline, "Done: scale to 5 in prod");
    }

    #[test]
    fn every_outcome_says_what_to_do() {
        let reason = || "tasks failed to start".to_owned();
        for outcome in [
            RunOutcome::Done,
            RunOutcome::RolledBack { reason: reason() },
            RunOutcome::Failed { reason: reason() },
            RunOutcome::Superseded { by: reason() },
            RunOutcome::Stopped { reason: reason() },
            RunOutcome::TimedOut { after_s: 1_800 },
            RunOutcome::NotSent { reason: reason() },
            RunOutcome::Unknown { reason: reason() },
        ] {
            let (headline, advice) =
                verdict(&fixtures::run_over(outcome), &fixtures::world()).expect("an outcome");
            assert!(
                headline.contains("prod") && !advice.is_empty(),
                "{headline}: {advice}"
            );
        }
    }

    #[test]
    fn a_rollout_that_is_done_but_hurts_users_says_so() {
        let mut world = fixtures::world();
        let mut run = fixtures::run_over(RunOutcome::Done);
        let (headline, _) = verdict(&run, &world).expect("an outcome");
        assert_eq!(
            headline, "1.4.0 is live in prod",
            "older trouble is not its fault"
        );
        run.state.started_at = fixtures::ago(600);
        let (headline, advice) = verdict(&run, &world).expect("an outcome");
        assert!(
            headline.contains("something is wrong") && advice.contains("5xx 7.9 %"),
            "{headline}: {advice}"
        );
        world.environments.clear();
        assert!(verdict(&run, &world).is_some());
    }

    #[test]
    fn esc_leaves_a_run_in_the_header_while_it_goes_on_and_takes_it_away_when_over() {
        let going = world(fixtures::run_in_progress());
        let mut state = RolloutState::new(going.runs[0].id.clone(), "prod".into());
        let Handled::Consumed(effects) = state.command(Command::Back, None, &going) else {
            panic!("ignored")
        };
        assert!(matches!(&effects[..], [Effect::Back]));
        let over = world(fixtures::run_over(RunOutcome::Done));
        let Handled::Consumed(effects) = state.command(Command::Back, None, &over) else {
            panic!("ignored")
        };
        assert!(matches!(&effects[..], [Effect::Dismiss(_), Effect::Back]));
    }
}
