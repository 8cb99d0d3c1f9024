//! The small world the stories play in: builders for a past, and two consoles over one platform.

use super::fake::FakePlatform;
use crate::{
    config::{Config, EnvironmentConfig, Guard},
    model::{
        Action, Alarm, AlarmState, Author, Deployed, EnvironmentName, Metrics, Observation, Plan,
        ReleaseDigest, RevisionId, RolloutId, RolloutOutcome, RolloutRecord, Series, Service,
        ServiceName,
    },
    operate::{
        Confirmation, OperateError, Operator, RunHandle, RunOptions, RunOutcome, RunState, Settings,
    },
    platform::{Connections, Connector, Environment},
    store::Store,
};
use jiff::{SignedDuration, Timestamp};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The stories' "now": 2026-03-01 14:00 UTC.
pub fn now() -> Timestamp {
    "2026-03-01T14:00:00Z".parse().unwrap()
}

/// Minutes from [`now`]; negative ones are past.
pub fn at(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

pub fn revision(number: u32) -> RevisionId {
    RevisionId::new(format!(
        "arn:aws:ecs:us-east-1:123456789012:task-definition/api-prod:{number}"
    ))
}

/// The image of a release: the same name, the same image.
pub fn digest(release: &str) -> ReleaseDigest {
    ReleaseDigest::new(format!("sha256:{:0>64}", release.replace('.', "a")))
}

pub fn author(name: &str) -> Author {
    Author {
        name: name.to_owned(),
        host: Some("laptop".to_owned()),
    }
}

/// A rollout that succeeded within a minute.
pub fn rollout(number: u32, release: &str, minute: i64) -> RolloutRecord {
    RolloutRecord {
        inferred: false,
        id: RolloutId::new(format!("deployment/{number}@{minute}")),
        from: None,
        to: revision(number),
        release: Some(release.to_owned()),
        digest: Some(digest(release)),
        started_at: at(minute),
        finished_at: Some(at(minute + 1)),
        outcome: RolloutOutcome::Succeeded,
        reason: None,
        alarms: Vec::new(),
        author: Some(author("ana")),
    }
}

pub trait RolloutStory {
    fn ended(self, outcome: RolloutOutcome) -> Self;
    fn coming_from(self, number: u32) -> Self;
    fn by(self, name: &str) -> Self;
}

impl RolloutStory for RolloutRecord {
    fn ended(mut self, outcome: RolloutOutcome) -> Self {
        if outcome.is_in_progress() {
            self.finished_at = None;
        }
        self.outcome = outcome;
        self
    }

    fn coming_from(mut self, number: u32) -> Self {
        self.from = Some(revision(number));
        self
    }

    fn by(mut self, name: &str) -> Self {
        self.author = Some(author(name));
        self
    }
}

/// A healthy service with four tasks that runs that revision.
pub fn observation(number: u32, release: &str) -> Observation {
    Observation {
        clock_ahead_s: None,
        at: now(),
        service: Service {
            name: ServiceName::from("api"),
            cluster: "prod".into(),
            desired: 4,
            running: 4,
            pending: 0,
            deployed: Some(Deployed {
                revision: revision(number),
                image: format!("registry/api@{}", digest(release)),
                release: Some(release.to_owned()),
                digest: Some(digest(release)),
                deployed_at: None,
                author: None,
            }),
            rollout: None,
            instances: Vec::new(),
            stopped: Vec::new(),
            targets: Vec::new(),
            events: Vec::new(),
            alarms: Vec::new(),
            url: None,
            autoscaler: None,
            budget: None,
            shortage: None,
        },
    }
}

pub fn ringing(name: &str, since_minute: i64) -> Alarm {
    Alarm {
        name: name.to_owned(),
        state: AlarmState::Alarm,
        since: Some(at(since_minute)),
        reason: None,
        condition: None,
        url: None,
        guards_rollouts: false,
    }
}

/// An hour of values until now, one a minute; the function takes the minute, -60 to -1.
pub fn hour(value: impl Fn(i64) -> Option<f64>) -> Series {
    Series {
        start_s: at(-60).as_second(),
        step_s: 60,
        values: (-60..0).map(value).collect(),
    }
}

/// Errors that jump from none to `percent` at a minute; plenty of requests.
pub fn errors_since(minute: i64, percent: f64) -> Metrics {
    Metrics {
        error_percent: hour(|now| Some(if now >= minute { percent } else { 0.0 })),
        requests_per_second: hour(|_| Some(80.0)),
        p95_ms: hour(|_| Some(12.0)),
        ..Metrics::default()
    }
}

/// A console: an executor with its own store handle on a data directory.
pub struct Console {
    pub operator: Operator,
    pub store: Store,
    clock: Arc<Mutex<Timestamp>>,
}

pub fn prod() -> EnvironmentName {
    EnvironmentName::from("prod")
}

/// `prod` and `staging` of the local cloud's configuration, with the guard that a story needs.
pub fn config(name: &str, guard: Guard) -> EnvironmentConfig {
    let mut config = Config::local_cloud()
        .environments
        .into_iter()
        .find(|environment| environment.name.as_str() == name)
        .unwrap();
    config.guard = guard;
    config.account = Some("123456789012".to_owned());
    config
}

impl Console {
    /// Opens a console on a data directory, over one platform for `prod`.
    pub async fn open(data_dir: &Path, platform: &Arc<FakePlatform>) -> Self {
        Self::open_with(data_dir, platform, |_| {}).await
    }

    /// As [`open`](Self::open), with another configuration.
    pub async fn open_with(
        data_dir: &Path,
        platform: &Arc<FakePlatform>,
        change: impl FnOnce(&mut EnvironmentConfig),
    ) -> Self {
        let mut prod = config("prod", Guard::Confirm);
        change(&mut prod);
        Self::open_fleet(data_dir, vec![(prod, platform.clone())]).await
    }

    pub async fn open_fleet(
        data_dir: &Path,
        fleet: Vec<(EnvironmentConfig, Arc<FakePlatform>)>,
    ) -> Self {
        let (store, notices) = Store::open(data_dir).await;
        assert_eq!(notices, Vec::<String>::new());
        Self::over(store, fleet)
    }

    /// A console that renews its locks all the time.
    pub async fn open_hasty(data_dir: &Path, platform: &Arc<FakePlatform>) -> Self {
        let (store, _) = Store::open(data_dir).await;
        let fleet = vec![(config("prod", Guard::Confirm), platform.clone())];
        Self::with_lock_ttl(store, fleet, Duration::from_millis(3))
    }

    pub fn over(store: Store, fleet: Vec<(EnvironmentConfig, Arc<FakePlatform>)>) -> Self {
        Self::with_lock_ttl(store, fleet, Duration::from_secs(300))
    }

    fn with_lock_ttl(
        store: Store,
        fleet: Vec<(EnvironmentConfig, Arc<FakePlatform>)>,
        lock_ttl: Duration,
    ) -> Self {
        let configs = fleet.iter().map(|(config, _)| config.clone()).collect();
        let connector: Connector = Arc::new(move |config| {
            let platform = fleet
                .iter()
                .find(|(known, _)| known.name == config.name)
                .map(|(_, platform)| platform.clone());
            Box::pin(async move {
                Ok(Environment {
                    config,
                    platform: platform.unwrap(),
                })
            })
        });
        let clock = Arc::new(Mutex::new(now()));
        let hand = clock.clone();
        let settings = Settings {
            lock_ttl,
            poll_min: Duration::from_millis(1),
            poll_max: Duration::from_millis(5),
            plan_ttl: Duration::from_secs(300),
        };
        let operator = Operator::with_clock(
            Connections::new(configs, connector),
            store.clone(),
            author("ana"),
            settings,
            Arc::new(move || *hand.lock().unwrap()),
        );
        Self {
            operator,
            store,
            clock,
        }
    }

    /// Moves this console's clock.
    pub fn wait_minutes(&self, minutes: i64) {
        let mut clock = self.clock.lock().unwrap();
        *clock += SignedDuration::from_mins(minutes);
    }

    pub async fn plan(&self, action: Action) -> Result<Plan, OperateError> {
        self.operator.plan(&prod(), action, None).await
    }

    pub async fn roll_back(&self) -> Result<Plan, OperateError> {
        self.plan(Action::Rollback { to: None }).await
    }

    /// Plans and executes with a yes.
    pub async fn run(&self, action: Action) -> Result<RunHandle, OperateError> {
        let plan = self.plan(action).await?;
        self.execute(plan, yes()).await
    }

    pub async fn execute(
        &self,
        plan: Plan,
        confirmation: Confirmation,
    ) -> Result<RunHandle, OperateError> {
        self.operator
            .execute(Arc::new(plan), confirmation, RunOptions::default())
            .await
    }
}

pub fn yes() -> Confirmation {
    Confirmation {
        yes: true,
        ..Confirmation::default()
    }
}

/// A yes with the glass broken.
pub fn reasoned() -> Confirmation {
    Confirmation {
        break_glass: Some("checkout is down".to_owned()),
        ..yes()
    }
}

pub fn typed(name: &str) -> Confirmation {
    Confirmation {
        typed_name: Some(name.to_owned()),
        ..Confirmation::default()
    }
}

/// The run's last state.
pub async fn ended(mut run: RunHandle) -> RunState {
    until(&mut run, |state| state.outcome.is_some()).await
}

/// The run's outcome.
pub async fn outcome(run: RunHandle) -> RunOutcome {
    ended(run).await.outcome.unwrap()
}

/// The first state that is as wanted, within a deadline.
pub async fn until(run: &mut RunHandle, wanted: impl Fn(&RunState) -> bool) -> RunState {
    tokio::time::timeout(
        Duration::from_secs(20),
        run.state.wait_for(|state| wanted(state)),
    )
    .await
    .expect("the run did not get there in time")
    .expect("the watcher is gone")
    .clone()
}
