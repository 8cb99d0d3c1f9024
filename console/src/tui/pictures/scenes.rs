//! The Logs, Releases, Cost and History screens with something to look at, for pictures and tests.
//!
//! Each is brought to its state the way the program brings it there: by commands and messages.

use crate::{
    logs::{TailEvent, TailLine, TailPhase, TailState},
    model::{
        BillLine, BillOfResources, EnvironmentName, RawLogEvent, RolloutOutcome, RolloutTicket,
        RunId, RunOutcome, Schedule,
    },
    store::RunRecord,
    tui::{
        command::Command,
        effect::Effect,
        exchange::{
            cost::{CostReply, CostRequest},
            history::{HistoryReply, HistoryRequest},
            logs::{LogsReply, LogsRequest, SharedLog},
            releases::{ReleasesReply, ReleasesRequest},
        },
        fixtures,
        message::{Generation, Message},
        state::{
            Handled, ScreenState, World, cost::CostState, history::HistoryState, logs::LogsState,
            releases::ReleasesState,
        },
    },
};
use std::sync::Arc;

/// The tasks of the fixture's prod.
const STREAMS: [&str; 3] = [
    "api/api/7be1f2d0aa314c5b9e77",
    "api/api/7d048d37aa314c5b9e77",
    "api/api/7e27d09eaa314c5b9e77",
];

/// A tail that follows without trouble.
pub fn following() -> TailState {
    TailState {
        phase: TailPhase::Following,
        read_to_ms: Some(fixtures::now().as_millisecond()),
        lag_ms: Some(1_200),
        lines: 600,
        late: 0,
        calls: 61,
        throttled: 0,
        sources: None,
    }
}

/// A Logs screen and what a tail would do to it.
pub struct LogDesk {
    /// The screen.
    pub state: LogsState,
    /// What it lives in.
    pub world: World,
    log: SharedLog,
    generation: Generation,
    next: crate::logs::LineId,
}

impl LogDesk {
    /// Opened on an environment, with a tail that has not answered yet.
    pub fn open(mut state: LogsState, world: World) -> Self {
        let effects = state.open(&world);
        let mut desk = Self {
            state,
            world,
            log: SharedLog::new(8 << 20),
            generation: Generation::default(),
            next: crate::logs::LineId(0),
        };
        desk.start(&effects);
        desk
    }

    /// Answers the start of a tail, if there is one among `effects`, and runs what is left to do.
    pub fn start(&mut self, effects: &[Effect]) {
        let started = effects.iter().find_map(|effect| match effect {
            Effect::Logs(LogsRequest::Start { generation, .. }) => Some(*generation),
            _ => None,
        });
        if let Some(generation) = started {
            self.generation = generation;
            self.log = SharedLog::new(8 << 20);
            self.next = crate::logs::LineId(0);
            self.reply(LogsReply::Started(self.log.clone()));
        }
    }

    /// Lines arrive: (seconds before now, task, text).
    pub fn lines(&mut self, lines: impl IntoIterator<Item = (f64, usize, String)>) {
        let now_ms = fixtures::now().as_millisecond();
        let lines = lines
            .into_iter()
            .map(|(ago_s, task, text)| TailLine {
                stream: Arc::from(STREAMS[task % STREAMS.len()]),
                // Fixtures stay within hours, far from where a float of milliseconds is coarse.
                at_ms: now_ms - (ago_s * 1_000.0) as i64,
                text,
                late: false,
            })
            .collect();
        self.event(TailEvent::Lines(lines));
    }

    /// The tail delivers something.
    pub fn event(&mut self, event: TailEvent) {
        self.next = self.log.apply(event);
        self.stands(following());
    }

    /// The tail stands like that.
    pub fn stands(&mut self, state: TailState) {
        let next = self.next;
        self.reply(LogsReply::Advanced {
            state: Box::new(state),
            next,
        });
    }

    /// A message of the newest tail arrives; work that is left is done.
    pub fn reply(&mut self, reply: LogsReply) -> Vec<Effect> {
        let effects = self
            .state
            .message(&Message::Logs(self.generation, reply), &self.world);
        self.settle(effects)
    }

    /// Runs a command on the screen; answers the effects that are not its own business.
    pub fn run(&mut self, command: Command, argument: Option<&str>) -> Vec<Effect> {
        match self.state.command(command, argument, &self.world) {
            Handled::Consumed(effects) => self.settle(effects),
            Handled::Ignored => Vec::new(),
        }
    }

    /// Does what is left to do, and hands on the other effects.
    pub fn settle(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut rest = Vec::new();
        let mut queue = effects;
        while let Some(effect) = queue.pop() {
            match effect {
                Effect::Logs(LogsRequest::Continue(generation)) => queue.extend(
                    self.state
                        .message(&Message::Logs(generation, LogsReply::Continue), &self.world),
                ),
                other => rest.push(other),
            }
        }
        rest.reverse();
        rest
    }
}

/// The newest lines of the tasks that a rollout brings.
pub fn last_words() -> Vec<RawLogEvent> {
    let line = |ago_s: i64, text: String| {
        let at_ms = fixtures::ago(ago_s).as_millisecond();
        RawLogEvent {
            id: format!("{at_ms}"),
            stream: STREAMS[0].to_owned(),
            timestamp_ms: at_ms,
            ingested_ms: at_ms + 400,
            message: text,
        }
    };
    vec![
        line(41, r#"{"level":"INFO","message":"listening on 0.0.0.0:8080","release":"1.4.0"}"#.to_owned()),
        line(38, r#"{"level":"INFO","message":"schema is 4, which this release knows","release":"1.4.0"}"#.to_owned()),
        line(30, request(1, 200, 3)),
        line(12, request(2, 200, 4)),
    ]
}

/// A canonical request line of the API.
pub fn request(number: u64, status: u16, duration_ms: u64) -> String {
    let level = if status >= 500 { "ERROR" } else { "INFO" };
    let item = number % 40;
    format!(
        r#"{{"timestamp":"2026-11-21T14:00:00.000Z","level":"{level}","message":"request","release":"1.4.1","request_id":"01J{number:08x}","method":"GET","route":"/items/{{id}}","path":"/items/{item}","status":{status},"duration_ms":{duration_ms}}}"#
    )
}

/// Why a request failed.
pub fn timeout(number: u64) -> String {
    format!(
        r#"{{"timestamp":"2026-11-21T14:00:00.000Z","level":"ERROR","message":"upstream timeout after 2000 ms","release":"1.4.1","route":"/items/{{id}}","request_id":"01J{number:08x}","retries":2}}"#
    )
}

/// Twenty minutes of prod: fine until the release went out at 13:52, then errors.
pub fn twenty_minutes() -> Vec<(f64, usize, String)> {
    let mut lines = Vec::new();
    for number in 0..600_u64 {
        let ago_s = 1_200.0 - number as f64 * 2.0 + 0.118;
        let task = usize::try_from(number * 7 % 3).unwrap_or(0);
        let fails = ago_s < 551.0 && number % 5 == 3;
        if fails {
            lines.push((ago_s, task, timeout(number)));
            lines.push((ago_s - 0.004, task, request(number, 504, 2_004)));
        } else {
            lines.push((ago_s, task, request(number, 200, 2 + number % 9)));
        }
        if number % 97 == 50 {
            let text = "WARN pool: waited 180 ms for a connection (4 of 4 in use)";
            lines.push((ago_s - 0.5, task, text.to_owned()));
        }
    }
    lines
}

/// The Logs screen of prod, following.
pub fn logs(world: World) -> LogDesk {
    let mut desk = LogDesk::open(LogsState::new(EnvironmentName::new("prod")), world);
    desk.lines(twenty_minutes());
    desk
}

/// What an environment of the fixtures runs that costs money; prod has a thing without a price.
pub fn bill(environment: &str) -> BillOfResources {
    let (tasks, cpu, gigabytes) = match environment {
        "dev" => (2.0, 0.25, 0.5),
        "staging" => (2.0, 0.5, 1.0),
        _ => (4.0, 1.0, 2.0),
    };
    let line = |what: String, sku: &str, quantity: f64, basis: &str| BillLine {
        what,
        sku: sku.to_owned(),
        quantity,
        schedule: Schedule::Always,
        basis: basis.to_owned(),
    };
    let mut lines = vec![
        line(
            format!("Fargate vCPU, {tasks} × {cpu}"),
            "fargate.linux.x86.vcpu",
            tasks * cpu,
            "task definition",
        ),
        line(
            format!("Fargate memory, {tasks} × {gigabytes} GB"),
            "fargate.linux.x86.gb",
            tasks * gigabytes,
            "task definition",
        ),
        line("load balancer".to_owned(), "alb.hour", 1.0, "service"),
        line(
            "public IPv4 addresses".to_owned(),
            "ipv4.public",
            tasks,
            "service",
        ),
    ];
    if environment == "prod" {
        lines.push(line(
            "third-party monitoring agent".to_owned(),
            "marketplace.agent",
            1.0,
            "configured",
        ));
    }
    BillOfResources {
        region: "us-east-1".to_owned(),
        note: Some("priced as if in us-east-1".to_owned()),
        lines,
    }
}

/// The Cost screen of an environment, all bills read.
pub fn cost(environment: &str, world: &World) -> CostState {
    let mut state = CostState::new(EnvironmentName::new(environment));
    for effect in state.open(world) {
        if let Effect::Cost(CostRequest::Bill(generation, name)) = effect {
            let reply = CostReply::Bill(Ok(bill(name.as_str())));
            state.message(&Message::Cost(generation, reply), world);
        }
    }
    state
}

/// The Releases screen of an environment: releases that came through, and some that did not.
pub fn releases(environment: &'static str, world: &World) -> ReleasesState {
    let name = EnvironmentName::new(environment);
    let mut state = ReleasesState::new(name);
    let rollout = |number, release, ago_s, outcome| {
        fixtures::record(environment, number, release, ago_s, outcome)
    };
    let mut broken = rollout(5, "1.6.0", 700_000, RolloutOutcome::RolledBack);
    broken.reason = Some("ECS deployment circuit breaker: tasks failed to start.".to_owned());
    let mut alarmed = rollout(4, "1.6.1", 900_000, RolloutOutcome::RolledBack);
    alarmed.reason = Some("alarm in ALARM state".to_owned());
    alarmed.alarms = vec![format!("{environment}-api-5xx")];
    let rollouts = vec![
        rollout(7, "1.4.1", 571, RolloutOutcome::Succeeded),
        rollout(6, "1.4.0", 534_000, RolloutOutcome::Succeeded),
        broken,
        alarmed,
        rollout(3, "1.3.0", 1_900_000, RolloutOutcome::Succeeded),
    ];
    for effect in state.open(world) {
        if let Effect::Releases(ReleasesRequest::List(generation, _)) = effect {
            let reply = ReleasesReply::List(Ok((fixtures::releases(), rollouts.clone())));
            state.message(&Message::Releases(generation, reply), world);
        }
    }
    state
}

/// Records of the audit: one of each kind of end, one with broken glass, one going on.
pub fn records() -> Vec<RunRecord> {
    let record = |number: u32, environment: &str, verb: &str, author: &str, ago_s: i64| RunRecord {
        id: RunId::new(format!("0192e4a0-7c1f-7000-8000-{:012}", 900 - number)),
        environment: EnvironmentName::new(environment),
        scope: format!("ecs/us-east-1/{environment}/api"),
        verb: verb.to_owned(),
        author: fixtures::author(author),
        principal: Some(format!("arn:aws:iam::123456789012:user/{author}")),
        reason: None,
        break_glass: None,
        from: Some("1.4.1".to_owned()),
        to: Some("1.5.0".to_owned()),
        plan: Some(fixtures::deploy_plan("1.5.0")),
        started_at: fixtures::ago(ago_s),
        deadline_at: fixtures::ago(ago_s - 1_800),
        ticket: Some(RolloutTicket {
            rollout: Some(
                fixtures::record(
                    environment,
                    number,
                    "1.5.0",
                    ago_s,
                    RolloutOutcome::InProgress,
                )
                .id,
            ),
            revision: Some(fixtures::revision(environment, number).into()),
            handle: None,
            sent_at: fixtures::ago(ago_s - 2),
            desired: 2,
        }),
        outcome: Some(RunOutcome::Done),
        finished_at: Some(fixtures::ago(ago_s - 74)),
        watcher: None,
        heartbeat_at: fixtures::ago(ago_s - 74),
    };
    let mut rollback = record(8, "prod", "roll back", "ana", 47);
    (rollback.from, rollback.to) = (Some("1.4.1".to_owned()), Some("1.4.0".to_owned()));
    rollback.plan = Some(fixtures::rollback_plan());
    rollback.reason = Some("5xx since 13:53".to_owned());
    (rollback.outcome, rollback.finished_at) = (None, None);
    let mut broken = record(7, "prod", "deploy", "ana", 571);
    broken.break_glass =
        Some("checkout is down, the fix cannot wait for the freeze to end".to_owned());
    let mut tripped = record(6, "staging", "deploy", "ci", 7_500);
    tripped.to = Some("1.6.0".to_owned());
    tripped.outcome = Some(RunOutcome::RolledBack {
        reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
    });
    let mut failed = record(5, "dev", "deploy", "bob", 90_000);
    failed.to = Some("1.5.1".to_owned());
    failed.outcome = Some(RunOutcome::Failed {
        reason: "no completed deployment to go back to".to_owned(),
    });
    let mut scaled = record(4, "dev", "scale", "bob", 200_000);
    (scaled.from, scaled.to) = (None, None);
    scaled.plan = None;
    let mut superseded = record(3, "dev", "deploy", "ana", 300_000);
    superseded.outcome = Some(RunOutcome::Superseded {
        by: "a deployment by ci".to_owned(),
    });
    vec![rollback, broken, tripped, failed, scaled, superseded]
}

/// The History screen of one environment, or of all.
pub fn history(environment: Option<EnvironmentName>, world: &World) -> HistoryState {
    let mut state = HistoryState::new(environment);
    for effect in state.open(world) {
        let Effect::History(HistoryRequest::List {
            generation,
            environment,
            ..
        }) = effect
        else {
            continue;
        };
        let page = records()
            .into_iter()
            .filter(|record| {
                environment
                    .as_ref()
                    .is_none_or(|name| record.environment == *name)
            })
            .collect();
        let reply = HistoryReply::Page(Ok(page));
        state.message(&Message::History(generation, reply), world);
    }
    state
}
