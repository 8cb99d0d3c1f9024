//! What the screens know of the world: every environment with a face of its own, and the runs.

use crate::{
    config::{EnvironmentConfig, Guard},
    model::{
        Amount, Assessment, Caller, EnvironmentName, Health, Metrics, Observation, Plan,
        RolloutRecord, RunId, Series, Service,
    },
    operate::RunState,
    platform::{Capabilities, PlatformError},
    store::Seen,
    tui::{
        command::{Command, KeyMap},
        message::{Message, News},
    },
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::sync::Arc;

/// The world at one moment. Plain data: tests build one and pass the time in.
#[derive(Clone, Debug)]
pub struct World {
    /// Now. Set by the app before every update and draw; nothing else reads a clock.
    pub now: Timestamp,
    /// The terminal, in columns and rows.
    pub size: (u16, u16),
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// The zone's name for the header: `UTC`, or the local abbreviation.
    pub zone_label: String,
    /// Who sits here.
    pub user: String,
    /// Which key does what: screens name keys by asking, since users bind them anew.
    pub keys: Arc<KeyMap>,
    /// True when nothing is configured and the local cloud is shown.
    pub local: bool,
    /// In the configuration's order.
    pub environments: Vec<EnvironmentState>,
    /// Runs of this session and those found unfinished at the start, newest first.
    pub runs: Vec<RunView>,
}

/// A run as the screens see it.
#[derive(Clone, Debug)]
pub struct RunView {
    /// Which.
    pub id: RunId,
    /// What is being done.
    pub plan: Arc<Plan>,
    /// How it stands.
    pub state: RunState,
    /// Error rate and p95 when it began, to be shown beside what they are now.
    pub before: (Option<f64>, Option<f64>),
    /// True when it left the header.
    pub dismissed: bool,
}

/// One environment.
#[derive(Clone, Debug)]
pub struct EnvironmentState {
    /// What the configuration says.
    pub config: Arc<EnvironmentConfig>,
    /// Label, region and abilities of its platform; `None` until it is known.
    pub capabilities: Option<Capabilities>,
    /// What the last look saw; kept when later looks fail.
    pub observation: Option<Observation>,
    /// The last series.
    pub metrics: Option<Metrics>,
    /// The rollouts, newest first.
    pub rollouts: Vec<RolloutRecord>,
    /// The judgement on them.
    pub assessment: Option<Assessment>,
    /// What it costs a month.
    pub monthly: Option<Amount>,
    /// Whom the platform takes us for.
    pub caller: Option<Caller>,
    /// True once a look succeeded in this session; before that all is from the store.
    pub live: bool,
    /// Why the last look failed, and when it first did.
    pub failure: Option<(PlatformError, Timestamp)>,
}

/// How much of an environment can be believed now. Each has its own look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Face {
    /// Nothing seen yet.
    Loading,
    /// Fresh.
    Live,
    /// Old: from the store, or looks do not come back. Seen then.
    Stale(Timestamp),
    /// Nobody answers since then.
    Unreachable {
        /// The first failed look.
        since: Timestamp,
        /// The error's text.
        why: String,
    },
    /// The credentials are not accepted.
    Expired {
        /// The command to log in again.
        remedy: String,
    },
    /// The credentials do not allow looking.
    Denied {
        /// The error's text.
        why: String,
    },
    /// The platform asks to be called less often.
    Throttled,
    /// There is no such service.
    Empty {
        /// What is not there.
        why: String,
    },
    /// Some other failure.
    Failing {
        /// The error's text.
        why: String,
    },
}

/// A look older than so many refresh intervals is stale: one may be lost without alarm.
const STALE_AFTER_REFRESHES: u64 = 4;

impl EnvironmentState {
    /// One of which nothing is known yet.
    pub fn new(config: Arc<EnvironmentConfig>) -> Self {
        Self {
            config,
            capabilities: None,
            observation: None,
            metrics: None,
            rollouts: Vec::new(),
            assessment: None,
            monthly: None,
            caller: None,
            live: false,
            failure: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &EnvironmentName {
        &self.config.name
    }

    /// True where a mistake is dear: its guard wants the name typed, or its name says production.
    pub fn is_production(&self) -> bool {
        self.config.guard == Guard::TypeName
            || Guard::default_for(self.config.name.as_str()) == Guard::TypeName
    }

    /// The service as last seen.
    pub fn service(&self) -> Option<&Service> {
        self.observation.as_ref().map(|seen| &seen.service)
    }

    /// One word on its health.
    pub fn health(&self) -> Health {
        self.assessment
            .as_ref()
            .map_or(Health::Unknown, |assessment| assessment.health)
    }

    /// How much of it can be believed at `now`.
    pub fn face(&self, now: Timestamp) -> Face {
        if let Some((error, since)) = &self.failure {
            return match error {
                PlatformError::Unreachable { .. } => Face::Unreachable {
                    since: *since,
                    why: error.to_string(),
                },
                PlatformError::Credentials { remedy, .. } => Face::Expired {
                    remedy: remedy.clone(),
                },
                PlatformError::Throttled { .. } => Face::Throttled,
                PlatformError::Denied { .. } => Face::Denied {
                    why: error.to_string(),
                },
                PlatformError::NotFound { .. } => Face::Empty {
                    why: error.to_string(),
                },
                _ => Face::Failing {
                    why: error.to_string(),
                },
            };
        }
        let Some(seen) = &self.observation else {
            return Face::Loading;
        };
        let limit_s = self.config.refresh_s.saturating_mul(STALE_AFTER_REFRESHES);
        let age = now.duration_since(seen.at);
        if !self.live || age > SignedDuration::from_secs(limit_s.try_into().unwrap_or(i64::MAX)) {
            return Face::Stale(seen.at);
        }
        Face::Live
    }

    fn take(&mut self, news: &News, now: Timestamp) {
        match news {
            News::Connected(capabilities) => self.capabilities = Some(capabilities.clone()),
            News::Cached(seen, assessment) => self.remember(seen, assessment.as_ref()),
            News::Observed(Ok(observation)) => {
                self.observation = Some(observation.clone());
                self.live = true;
                self.failure = None;
            }
            News::Observed(Err(error)) => {
                let since = self.failure.as_ref().map_or(now, |(_, since)| *since);
                self.failure = Some((error.clone(), since));
            }
            News::Measured(Ok(metrics)) => {
                let mut metrics = metrics.clone();
                without_unfinished(&mut metrics.requests_per_second, now);
                self.metrics = Some(metrics);
            }
            News::Rollouts(Ok(rollouts)) => self.rollouts.clone_from(rollouts),
            News::Assessed(assessment) => self.assessment = Some(assessment.clone()),
            News::Priced(Ok(amount)) => self.monthly = Some(*amount),
            News::Caller(Ok(caller)) => self.caller = Some(caller.clone()),
            // The look at the service says what is wrong; its lesser siblings keep what they had.
            News::Measured(Err(_))
            | News::Rollouts(Err(_))
            | News::Priced(Err(_))
            | News::Caller(Err(_)) => {}
        }
    }

    /// Takes what the store remembers, where nothing fresher is known.
    fn remember(&mut self, seen: &Seen, assessment: Option<&Assessment>) {
        if self.live {
            return;
        }
        self.observation = seen.observation.as_ref().map(|aged| aged.value.clone());
        self.metrics = seen.metrics.as_ref().map(|aged| aged.value.clone());
        self.rollouts = seen
            .rollouts
            .as_ref()
            .map(|aged| aged.value.clone())
            .unwrap_or_default();
        self.assessment = assessment.cloned();
    }
}

/// Takes away the newest value of a rate while its time is not over: half counted, it would look
/// like a fall. (Shares and percentiles are right with half of the requests.)
fn without_unfinished(series: &mut Series, now: Timestamp) {
    let count = i64::try_from(series.values.len()).unwrap_or(0);
    let end_s = series.start_s + count * series.step_s;
    if end_s > now.as_second()
        && let Some(last) = series.values.last_mut()
    {
        *last = None;
    }
}

impl World {
    /// The environment of that name.
    pub fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentState> {
        self.environments.iter().find(|env| env.name() == name)
    }

    /// The run of that id.
    pub fn run(&self, id: &RunId) -> Option<&RunView> {
        self.runs.iter().find(|run| run.id == *id)
    }

    /// The newest run of an environment.
    pub fn run_of(&self, environment: &EnvironmentName) -> Option<&RunView> {
        self.runs
            .iter()
            .find(|run| run.plan.environment == *environment)
    }

    /// Takes a message's part that concerns everyone.
    pub fn take(&mut self, message: &Message) {
        match message {
            Message::World(name, news) => {
                let now = self.now;
                if let Some(env) = self.environments.iter_mut().find(|env| env.name() == name) {
                    env.take(news, now);
                }
            }
            Message::Run(id, plan, state) => match self.runs.iter_mut().find(|run| run.id == *id) {
                Some(run) => run.state = (**state).clone(),
                None => {
                    let before = self.rates(&plan.environment);
                    self.runs.insert(
                        0,
                        RunView {
                            id: id.clone(),
                            plan: Arc::clone(plan),
                            state: (**state).clone(),
                            before,
                            dismissed: false,
                        },
                    );
                }
            },
            _ => {}
        }
    }

    /// Error percent and p95 of an environment now.
    pub fn rates(&self, environment: &EnvironmentName) -> (Option<f64>, Option<f64>) {
        let metrics = self
            .environment(environment)
            .and_then(|env| env.metrics.as_ref());
        (
            metrics.and_then(|m| m.error_percent.latest_within(5)),
            metrics.and_then(|m| m.p95_ms.latest_within(5)),
        )
    }

    /// How long ago, never negative.
    pub fn ago(&self, then: Timestamp) -> SignedDuration {
        self.now.duration_since(then).max(SignedDuration::ZERO)
    }

    /// The key of a command, as it is shown; empty when it has none.
    pub fn key(&self, command: Command) -> String {
        self.keys
            .keys(command)
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Rows of a page on this terminal: what Ctrl-F moves by.
    pub fn page_rows(&self) -> usize {
        usize::from(self.size.1).saturating_sub(8).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    fn measured(end_s_after_now: i64) -> Option<f64> {
        let mut world = fixtures::world();
        let mut metrics = world.environments[0].metrics.clone().expect("metrics");
        let count = metrics.requests_per_second.values.len();
        metrics.requests_per_second.values[count - 1] = Some(1.0);
        metrics.requests_per_second.start_s = fixtures::now().as_second() + end_s_after_now - 3_600;
        let news = News::Measured(Ok(metrics));
        world.take(&Message::World("dev".into(), Box::new(news)));
        let metrics = world.environments[0].metrics.as_ref().expect("metrics");
        metrics.requests_per_second.values[count - 1]
    }

    #[test]
    fn a_minute_that_is_half_counted_does_not_look_like_a_fall() {
        assert_eq!(measured(30), None);
        assert_eq!(measured(0), Some(1.0));
    }

    #[test]
    fn a_look_that_succeeds_ends_the_trouble() {
        let mut world = fixtures::world();
        let error = PlatformError::Unreachable {
            endpoint: "x".into(),
            cause: "y".into(),
        };
        let look = world.environments[0].observation.clone().expect("a look");
        world.take(&Message::World(
            "dev".into(),
            Box::new(News::Observed(Err(error))),
        ));
        assert!(matches!(
            world.environments[0].face(world.now),
            Face::Unreachable { .. }
        ));
        world.take(&Message::World(
            "dev".into(),
            Box::new(News::Observed(Ok(look))),
        ));
        assert_eq!(world.environments[0].face(world.now), Face::Live);
    }

    #[test]
    fn what_is_live_is_never_overwritten_by_the_cache() {
        let mut world = fixtures::world();
        world.take(&Message::World(
            "dev".into(),
            Box::new(News::Cached(Box::default(), None)),
        ));
        assert!(world.environments[0].observation.is_some());
    }
}
