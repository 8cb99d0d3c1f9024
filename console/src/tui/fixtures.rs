//! A made-up world for tests and for the pictures in the manual: fixed times, fixed names.

use super::{
    command::KeyMap,
    state::{EnvironmentState, RunView, World},
};
use crate::{
    config::{EcsConfig, EnvironmentConfig, Guard, PlatformConfig},
    model::{
        Action, Alarm, AlarmState, Amount, Assessment, Author, Autoscaler, Breaker, Cause, Change,
        CostDelta, Deployed, DiffLine, DisruptionBudget, DocumentDiff, EnvironmentName, Event,
        Health, Instance, InstanceId, InstanceState, Metrics, Observation, Plan, PlanSide,
        Prepared, Release, ReleaseDigest, ReleaseRef, RevisionId, RolloutId, RolloutOutcome,
        RolloutProgress, RolloutRecord, RolloutSide, RunId, Series, Service, Stage, StageState,
        StoppedInstance, Symptom, Target, Usd,
    },
    operate::{RunOutcome, RunState},
    platform::{Capabilities, LockRecord},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::{collections::BTreeMap, sync::Arc};

/// 2026-11-21 14:02:11 UTC: the moment all fixtures live in.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_795_269_731).unwrap_or_default()
}

/// So many seconds before [`now`].
pub fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// The table's own keys.
pub fn keys() -> KeyMap {
    KeyMap::new(&BTreeMap::new()).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Three environments: dev and staging healthy, prod degraded since its last deploy.
pub fn world() -> World {
    World {
        now: now(),
        size: (120, 36),
        zone: TimeZone::UTC,
        zone_label: "UTC".into(),
        user: "ana".into(),
        keys: Arc::new(keys()),
        local: true,
        environments: vec![
            Env::new("dev")
                .release("1.5.0")
                .deployed(240, "ana")
                .tasks(2, 2)
                .rates(12.0, 0.0, 11.0)
                .usd(41.2)
                .build(),
            Env::new("staging")
                .release("1.4.1")
                .deployed(7_500, "ci")
                .tasks(2, 2)
                .rates(9.0, 0.0, 12.0)
                .usd(78.4)
                .build(),
            Env::new("prod")
                .release("1.4.1")
                .deployed(571, "ana")
                .tasks(3, 4)
                .rates(88.0, 7.9, 410.0)
                .usd(156.6)
                .degraded()
                .build(),
        ],
        runs: Vec::new(),
    }
}

/// The same world on a terminal of that size.
pub fn world_at(columns: u16, rows: u16) -> World {
    let mut world = world();
    world.size = (columns, rows);
    world
}

/// Builds one environment.
pub struct Env {
    name: &'static str,
    release: &'static str,
    deployed_s: i64,
    author: &'static str,
    running: u32,
    desired: u32,
    rates: (f64, f64, f64),
    usd: f64,
    degraded: bool,
    stopped: Vec<StoppedInstance>,
    rollout: Option<RolloutProgress>,
    autoscaler: Option<Autoscaler>,
    budget: Option<DisruptionBudget>,
}

impl Env {
    /// Healthy, with two tasks.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            release: "1.4.1",
            deployed_s: 3_600,
            author: "ana",
            running: 2,
            desired: 2,
            rates: (10.0, 0.0, 12.0),
            usd: 41.2,
            degraded: false,
            stopped: Vec::new(),
            rollout: None,
            autoscaler: None,
            budget: None,
        }
    }

    /// What keeps the number of its tasks.
    pub fn kept(mut self, autoscaler: Autoscaler, budget: DisruptionBudget) -> Self {
        (self.autoscaler, self.budget) = (Some(autoscaler), Some(budget));
        self
    }

    /// What is live.
    pub fn release(mut self, release: &'static str) -> Self {
        self.release = release;
        self
    }

    /// When it went out, in seconds before now, and by whom.
    pub fn deployed(mut self, seconds: i64, author: &'static str) -> Self {
        (self.deployed_s, self.author) = (seconds, author);
        self
    }

    /// Tasks running and wanted.
    pub fn tasks(mut self, running: u32, desired: u32) -> Self {
        (self.running, self.desired) = (running, desired);
        self
    }

    /// Requests a second, error percent, p95 in milliseconds.
    pub fn rates(mut self, requests: f64, errors: f64, p95: f64) -> Self {
        self.rates = (requests, errors, p95);
        self
    }

    /// Dollars a month.
    pub fn usd(mut self, usd: f64) -> Self {
        self.usd = usd;
        self
    }

    /// Errors since the last deploy, an alarm, one task that exits.
    pub fn degraded(mut self) -> Self {
        self.degraded = true;
        self.stopped.push(StoppedInstance {
            id: "9f3c77aa10b24f6e8c1d".into(),
            revision: revision(self.name, 7).into(),
            release: Some(self.release.into()),
            stopped_at: Some(ago(95)),
            reason: Some("Essential container in task exited".into()),
            code: Some("EssentialContainerExited".into()),
            exit_code: Some(137),
            log_stream: Some("api/api/9f3c77aa10b24f6e8c1d".into()),
        });
        self
    }

    /// A rollout that goes on.
    pub fn rolling(mut self, progress: RolloutProgress) -> Self {
        self.rollout = Some(progress);
        self
    }

    /// What the platform shows of it.
    pub fn service(&self) -> Service {
        let revision = revision(self.name, 7);
        let alarm = |suffix: &str, condition: &str, rings: bool| {
            Alarm {
            name: format!("{}-api-{suffix}", self.name),
            state: if rings { AlarmState::Alarm } else { AlarmState::Ok },
            since: Some(ago(if rings { 491 } else { 86_400 })),
            reason: rings.then(|| "Threshold Crossed: 3 out of the last 3 datapoints were greater than the threshold (5.0)".into()),
            condition: Some(condition.into()),
            url: None,
            guards_rollouts: suffix == "5xx",
        }
        };
        Service {
            name: "api".into(),
            cluster: self.name.into(),
            desired: self.desired,
            running: self.running,
            pending: self.desired.saturating_sub(self.running),
            shortage: None,
            deployed: Some(self.live()),
            rollout: self.rollout.clone(),
            instances: (0..self.running)
                .map(|index| Instance {
                    id: instance(index),
                    revision: revision.as_str().into(),
                    release: Some(self.release.into()),
                    digest: Some(digest(self.release)),
                    state: InstanceState::Running,
                    healthy: Some(true),
                    started_at: Some(ago(self.deployed_s - 30)),
                    cpu_percent: Some(18.0 + f64::from(index) * 21.0),
                    memory_percent: Some(41.0 + f64::from(index) * 3.0),
                    address: Some(format!("10.0.1.{}:8080", 10 + index)),
                    zone: Some(
                        if index % 2 == 0 {
                            "us-east-1a"
                        } else {
                            "us-east-1b"
                        }
                        .into(),
                    ),
                    log_stream: Some(format!("api/api/{}", instance(index))),
                })
                .collect(),
            stopped: self.stopped.clone(),
            targets: (0..self.running)
                .map(|index| Target {
                    address: format!("10.0.1.{}:8080", 10 + index),
                    state: "healthy".into(),
                    reason: None,
                })
                .collect(),
            events: vec![
                event(62, "(service api) has reached a steady state."),
                event(
                    90,
                    "(service api) has started 1 tasks: (task 7be1f2d0aa314c5b9e77).",
                ),
                event(
                    540,
                    "(service api) registered 1 targets in (target-group api-prod)",
                ),
            ],
            alarms: vec![
                alarm("5xx", "5xx > 5 % for 3 of 3 min", self.degraded),
                alarm("p95", "p95 > 500 ms for 3 of 3 min", false),
            ],
            url: Some("http://127.0.0.1:18081/".into()),
            autoscaler: self.autoscaler.clone(),
            budget: self.budget.clone(),
        }
    }

    fn live(&self) -> Deployed {
        Deployed {
            revision: revision(self.name, 7).into(),
            image: format!(
                "123456789012.dkr.ecr.us-east-1.amazonaws.com/opsconsole-api:{}",
                self.release
            ),
            release: Some(self.release.into()),
            digest: Some(digest(self.release)),
            deployed_at: Some(ago(self.deployed_s)),
            author: Some(author(self.author)),
        }
    }

    /// The environment as the screens see it, live.
    pub fn build(self) -> EnvironmentState {
        let mut env = EnvironmentState::new(Arc::new(config(self.name)));
        let (requests, errors, p95) = self.rates;
        let since = if self.degraded { 9 } else { 0 };
        env.capabilities = Some(Capabilities {
            label: "ecs local".into(),
            region: "us-east-1".into(),
            rolls_back_by_itself: true,
            stops_rollouts: true,
            local: true,
        });
        env.observation = Some(Observation {
            at: ago(2),
            clock_ahead_s: None,
            service: self.service(),
        });
        env.metrics = Some(Metrics {
            requests_per_second: series(|minute| {
                Some(requests * (0.6 + 0.4 * f64::from(minute) / 60.0))
            }),
            error_percent: series(|minute| Some(if minute + since >= 60 { errors } else { 0.1 })),
            p95_ms: series(|minute| {
                Some(if minute + since >= 60 {
                    p95
                } else {
                    p95.min(96.0)
                })
            }),
            cpu_percent: series(|minute| Some(20.0 + f64::from(minute % 7))),
            memory_percent: series(|_| Some(43.0)),
        });
        env.rollouts = vec![
            record(
                self.name,
                7,
                self.release,
                self.deployed_s,
                RolloutOutcome::Succeeded,
            ),
            record(self.name, 6, "1.4.0", 534_000, RolloutOutcome::Succeeded),
        ];
        env.assessment = Some(if self.degraded {
            Assessment {
                health: Health::Degraded,
                symptoms: vec![Symptom::Errors { percent: errors }],
                since: Some(ago(551)),
                cause: Some(Cause::Rollout {
                    release: self.release.into(),
                    after_s: 20,
                }),
                undo: Some(("1.4.0".into(), Some(6 * 86_400))),
                sentence: format!(
                    "5xx {errors:.1} % since 13:53 — began 20 s after {} went out.",
                    self.release
                ),
            }
        } else {
            Assessment {
                health: if self.rollout.is_some() {
                    Health::Changing
                } else {
                    Health::Healthy
                },
                symptoms: Vec::new(),
                since: None,
                cause: None,
                undo: None,
                sentence: String::new(),
            }
        });
        env.monthly = Some(Amount {
            usd: Usd(self.usd),
            at_least: false,
        });
        env.live = true;
        env
    }
}

/// What the configuration says of an environment on the local cloud.
pub fn config(name: &str) -> EnvironmentConfig {
    EnvironmentConfig {
        name: name.into(),
        guard: Guard::default_for(name),
        freeze: Vec::new(),
        account: Some("123456789012".into()),
        lock: None,
        runbook: None,
        refresh_s: 5,
        hours_per_month: None,
        extra_bill: Vec::new(),
        platform: PlatformConfig::Ecs(EcsConfig {
            region: "us-east-1".into(),
            profile: None,
            role_arn: None,
            endpoint_url: None,
            static_credentials: None,
            local: true,
            cluster: name.into(),
            service: "api".into(),
            container: None,
            log_group: None,
            alarm_prefixes: Vec::new(),
        }),
    }
}

/// A person at a machine.
pub fn author(name: &str) -> Author {
    Author {
        name: name.into(),
        host: Some("laptop".into()),
    }
}

/// A digest that is the same for the same release.
pub fn digest(release: &str) -> ReleaseDigest {
    let digits: String = release.bytes().map(|byte| format!("{byte:02x}")).collect();
    ReleaseDigest::new(format!("sha256:{digits:0<64}"))
}

/// A task definition's ARN.
pub fn revision(environment: &str, number: u32) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task-definition/api-{environment}:{number}")
}

fn instance(index: u32) -> InstanceId {
    InstanceId::new(format!(
        "{:08x}aa314c5b9e77",
        0x7be1_f2d0_u32.wrapping_add(index * 0x0123_4567)
    ))
}

fn event(seconds: i64, message: &str) -> Event {
    Event {
        at: ago(seconds),
        message: message.into(),
    }
}

fn series(value: impl Fn(u32) -> Option<f64>) -> Series {
    Series {
        start_s: ago(3_600).as_second(),
        step_s: 60,
        values: (0..60).map(value).collect(),
    }
}

/// A finished or running rollout.
pub fn record(
    environment: &str,
    number: u32,
    release: &str,
    started_s: i64,
    outcome: RolloutOutcome,
) -> RolloutRecord {
    RolloutRecord {
        inferred: false,
        id: RolloutId::new(format!(
            "arn:aws:ecs:us-east-1:123456789012:service-deployment/{environment}/api/{number:08}"
        )),
        from: (number > 1).then(|| revision(environment, number - 1).into()),
        to: revision(environment, number).into(),
        release: Some(release.into()),
        digest: Some(digest(release)),
        started_at: ago(started_s),
        finished_at: (!outcome.is_in_progress()).then(|| ago(started_s - 60)),
        outcome,
        reason: None,
        alarms: Vec::new(),
        author: Some(author("ana")),
    }
}

/// Releases in the registry, newest first.
pub fn releases() -> Vec<Release> {
    [
        ("1.7.0", 1),
        ("1.6.1", 2),
        ("1.6.0", 3),
        ("1.5.0", 6),
        ("1.4.1", 12),
        ("1.4.0", 20),
        ("1.3.0", 33),
    ]
    .into_iter()
    .map(|(tag, days)| Release {
        repository: "123456789012.dkr.ecr.us-east-1.amazonaws.com/opsconsole-api".into(),
        tags: vec![tag.into()],
        digest: digest(tag),
        pushed_at: Some(ago(days * 86_400)),
        size_bytes: Some(14_200_000),
        architectures: vec![crate::model::Architecture::Amd64],
    })
    .collect()
}

/// A rollback of prod from 1.4.1 to 1.4.0, planned.
pub fn rollback_plan() -> Plan {
    let side = |release: &str, number, seconds, fared: &str| PlanSide {
        deployed: Deployed {
            revision: revision("prod", number).into(),
            image: format!("opsconsole-api:{release}"),
            release: Some(release.into()),
            digest: Some(digest(release)),
            deployed_at: Some(ago(seconds)),
            author: Some(author("ana")),
        },
        fared: fared.into(),
        rollout: None,
    };
    Plan {
        environment: "prod".into(),
        account: Some("123456789012".into()),
        action: Action::Rollback { to: None },
        author: author("ana"),
        reason: None,
        made_at: ago(3),
        from: Some(side("1.4.1", 7, 571, "5xx 7.9 %, alarm prod-api-5xx")),
        to: Some(side("1.4.0", 6, 534_000, "ran 6 d 2 h, 0 alarms")),
        because: "last known-good (audit, ECS deployment SUCCESSFUL)".into(),
        passed_over: vec![("1.4.2".into(), "ana rolled away from it on Nov 20".into())],
        prepared: Prepared {
            change: Change::ToRevision { revision: revision("prod", 6).into() },
            diff: DocumentDiff {
                lines: vec![
                    DiffLine { path: "containerDefinitions[api].environment[FEATURE_X]".into(), from: Some("••••".into()), to: None },
                    DiffLine { path: "containerDefinitions[api].image".into(), from: Some("opsconsole-api:1.4.1".into()), to: Some("opsconsole-api:1.4.0".into()) },
                ],
            },
            blockers: Vec::new(),
            warnings: vec!["Terraform does not ignore task_definition here: the next apply would bring 1.4.1 back".into()],
            break_glass: None,
            precondition: serde_json::Value::Null,
            request: serde_json::Value::Null,
            bill_after: None,
        },
        cost: Some(CostDelta {
            before: Amount { usd: Usd(156.6), at_least: false },
            after: Amount { usd: Usd(156.6), at_least: false },
            overlap: Some(Amount { usd: Usd(0.02), at_least: false }),
        }),
    }
}

/// A deploy of `release` to dev, planned.
pub fn deploy_plan(release: &str) -> Plan {
    let mut plan = rollback_plan();
    plan.environment = "dev".into();
    plan.action = Action::Deploy {
        release: ReleaseRef::Tag(release.into()),
    };
    plan.because = "chosen by ana".into();
    plan.passed_over.clear();
    plan.prepared.warnings.clear();
    if let Some(to) = &mut plan.to {
        to.deployed.release = Some(release.into());
        to.deployed.digest = Some(digest(release));
        to.deployed.revision = RevisionId::new("");
        to.fared = "never ran here".into();
    }
    if let Some(from) = &mut plan.from {
        from.deployed.release = Some("1.5.0".into());
        from.deployed.digest = Some(digest("1.5.0"));
        from.fared = "ran 2 h, 0 alarms".into();
    }
    plan
}

/// A rollback of prod in the middle: three of four new tasks in service.
pub fn run_in_progress() -> RunView {
    let stage = |name: &str, state, seconds: Option<i64>, detail: Option<&str>| Stage {
        name: name.into(),
        state,
        at: seconds.map(ago),
        detail: detail.map(Into::into),
    };
    let mut record = record("prod", 8, "1.4.0", 47, RolloutOutcome::InProgress);
    record.from = Some(revision("prod", 7).into());
    RunView {
        id: RunId::new("0192e4a0-7c1f-7000-8000-000000000001"),
        plan: Arc::new(rollback_plan()),
        state: RunState {
            started_at: ago(47),
            stages: vec![
                stage("planned", StageState::Done, Some(50), None),
                stage("confirmed", StageState::Done, Some(47), Some("typed prod")),
                stage("locked", StageState::Done, Some(47), None),
                stage("sent", StageState::Done, Some(46), None),
                stage(
                    "new tasks",
                    StageState::Running,
                    Some(30),
                    Some("3/4 healthy"),
                ),
                stage("draining", StageState::Waiting, None, None),
                stage("stable", StageState::Waiting, None, None),
            ],
            progress: Some(RolloutProgress {
                at: ago(1),
                record,
                ours: side("prod", 8, "1.4.0", (4, 3, 1, 3, 0, 0)),
                others: vec![side("prod", 7, "1.4.1", (0, 1, 0, 0, 1, 0))],
                breaker: Some(Breaker {
                    enabled: true,
                    rolls_back: true,
                    failures: 0,
                    threshold: 3,
                }),
                alarms: vec![Alarm {
                    name: "prod-api-5xx".into(),
                    state: AlarmState::Alarm,
                    since: Some(ago(491)),
                    reason: None,
                    condition: Some("5xx > 5 % for 3 of 3 min".into()),
                    url: None,
                    guards_rollouts: true,
                }],
                events: vec![event(
                    12,
                    "(service api) has started 2 tasks: (task 7be1f2d0) (task 7d048d37).",
                )],
                platform_stage: None,
            }),
            lock: Some(LockRecord {
                run: RunId::new("0192e4a0-7c1f-7000-8000-000000000001"),
                owner: author("ana"),
                purpose: "roll back to 1.4.0".into(),
                taken_at: ago(47),
                expires_at: ago(47) + SignedDuration::from_mins(18),
                version: None,
            }),
            trouble: None,
            outcome: None,
            finished_at: None,
        },
        before: (Some(7.9), Some(410.0)),
        dismissed: false,
    }
}

/// The same run, over, with that outcome.
pub fn run_over(outcome: RunOutcome) -> RunView {
    let mut run = run_in_progress();
    let good = outcome == RunOutcome::Done;
    for stage in &mut run.state.stages {
        if stage.state != StageState::Done {
            stage.state = if good {
                StageState::Done
            } else {
                StageState::Failed
            };
            stage.at = Some(ago(2));
        }
    }
    run.state.outcome = Some(outcome);
    run.state.finished_at = Some(ago(2));
    run
}

/// One side of a rollout: (desired, running, pending, in service, draining, failed).
pub fn side(
    environment: &str,
    number: u32,
    release: &str,
    counts: (u32, u32, u32, u32, u32, u32),
) -> RolloutSide {
    let (desired, running, pending, in_service, draining, failed) = counts;
    RolloutSide {
        revision: revision(environment, number).into(),
        release: Some(release.into()),
        desired,
        running,
        pending,
        in_service,
        draining,
        failed,
    }
}

/// An environment's name.
pub fn name(name: &str) -> EnvironmentName {
    EnvironmentName::new(name)
}
