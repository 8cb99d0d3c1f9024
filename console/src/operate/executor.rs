//! The one executor: the only place that issues permits and lets a platform change something.

use super::{Confirmation, Gate, OperateError, RunHandle, RunOptions};
use crate::{
    model::{Action, Author, EnvironmentName, Metrics, Observation, Plan, RolloutRecord},
    platform::Connections,
    store::Store,
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// Times of the executor; tests shorten them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A lock is stale this long after its last renewal.
    pub lock_ttl: Duration,
    /// The watcher looks no more often than this.
    pub poll_min: Duration,
    /// And no more rarely than this.
    pub poll_max: Duration,
    /// A plan older than this must be made anew.
    pub plan_ttl: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lock_ttl: Duration::from_secs(300),
            poll_min: Duration::from_millis(500),
            poll_max: Duration::from_secs(10),
            plan_ttl: Duration::from_secs(300),
        }
    }
}

/// The executor. Cheap to clone; every change of every environment passes here.
#[derive(Clone)]
pub struct Operator {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Connections,
    store: Store,
    author: Author,
    settings: Settings,
}

impl Operator {
    /// The executor for these environments.
    pub fn new(connections: Connections, store: Store, author: Author, settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                connections,
                store,
                author,
                settings,
            }),
        }
    }

    /// Makes a plan with reading calls only: what would be done, from what to what, why that
    /// target, the diff, the cost. Nothing is changed.
    ///
    /// # Errors
    /// When the environment cannot be reached, the release does not exist, or there is nothing
    /// to go back to. Blockers are part of the plan, not errors.
    pub async fn plan(
        &self,
        _environment: &EnvironmentName,
        _action: Action,
        _reason: Option<String>,
    ) -> Result<Plan, OperateError> {
        Err(self.not_yet())
    }

    /// What must be given before this plan is executed. Reads the lock, so it takes a moment.
    ///
    /// # Errors
    /// When the lock cannot be read.
    pub async fn gate(&self, _plan: &Plan) -> Result<Gate, OperateError> {
        Err(self.not_yet())
    }

    /// Executes a plan: guard, confirmation, account, lock, audit, send; then watches it in the
    /// background. Returns as soon as the platform has taken the change.
    ///
    /// # Errors
    /// When nothing was begun: refused, locked, not recorded, or refused by the platform.
    pub async fn execute(
        &self,
        _plan: Arc<Plan>,
        _confirmation: Confirmation,
        _options: RunOptions,
    ) -> Result<RunHandle, OperateError> {
        Err(self.not_yet())
    }

    /// Resumes runs whose console ended before they did: in watching only, never sent again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn resume_unfinished(&self) -> Result<Vec<RunHandle>, OperateError> {
        Err(self.not_yet())
    }

    /// The runs that are being watched now, oldest first.
    pub fn running(&self) -> Vec<RunHandle> {
        Vec::new()
    }

    /// Remembers a look at an environment: caches it for the next start, and notes what it holds
    /// against the revision that is live, for rollbacks to come. Call it after every look; a
    /// store that cannot be written is no error here.
    pub async fn remember(
        &self,
        _environment: &EnvironmentName,
        _observation: &Observation,
        _metrics: Option<&Metrics>,
        _rollouts: Option<&[RolloutRecord]>,
        _now: Timestamp,
    ) {
    }

    /// Stops watching, lets the locks go and leaves the runs to the next console. For a quit
    /// while something rolls out.
    pub async fn leave(&self) {}

    fn not_yet(&self) -> OperateError {
        OperateError::Refused {
            why: format!(
                "the executor of {} over {} ({:?}) is not built",
                self.inner.author.name,
                self.inner.connections.configs().count(),
                self.inner.settings
            ),
            remedy: self.inner.store.path().display().to_string(),
        }
    }
}
