//! The lock of one environment: in the bucket that the configuration names, where other machines
//! see it, else in this machine's store.
//!
//! Advisory, because ECS itself takes a change from anybody; it keeps two consoles from changing
//! one environment at once. It has an owner and an expiry, so a console that was killed blocks
//! nobody for ever.

use super::OperateError;
use crate::{
    config::EnvironmentConfig,
    model::{Action, Author, Change, LockRecord, Plan, RolloutRecord, RunId},
    platform::{Environment, LockStore, Permit, PlatformError},
    store::{RunRecord, Store},
};
use jiff::Timestamp;
use std::sync::Arc;

/// Where the lock is kept.
#[derive(Clone)]
pub(super) enum Lock {
    /// Seen by every machine.
    Shared(Arc<dyn LockStore>),
    /// Seen by this machine's consoles.
    Machine { store: Store, scope: String },
}

/// How the lock stands for somebody who wants it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// Nobody has it.
    Free,
    /// Somebody has it.
    Held(LockRecord),
    /// Its owner has not renewed it in time: only a typed reason takes it over.
    Stale(LockRecord),
    /// It is held for the very rollout in flight that the plan puts an end to.
    OfThisRollout {
        /// Who holds it.
        record: LockRecord,
        /// True when that is us.
        own: bool,
    },
    /// The run it was taken for is over, as our own audit knows; it was only not let go.
    Leftover(LockRecord),
}

/// Who wants the lock, for what.
pub(super) struct Wanted<'a> {
    pub environment: &'a Environment,
    pub store: &'a Store,
    pub plan: &'a Plan,
    pub by: &'a Author,
    pub now: Timestamp,
}

impl Standing {
    /// The record that must be replaced to take the lock.
    pub fn replaced(&self) -> Option<&LockRecord> {
        match self {
            Self::Free => None,
            Self::Held(record)
            | Self::Stale(record)
            | Self::Leftover(record)
            | Self::OfThisRollout { record, .. } => Some(record),
        }
    }
}

impl Lock {
    pub fn of(environment: &Environment, store: &Store) -> Self {
        match environment.platform.lock_store() {
            Some(shared) => Self::Shared(shared),
            None => Self::Machine {
                store: store.clone(),
                scope: environment.config.scope(),
            },
        }
    }

    /// Where it is, for messages.
    pub fn place(&self) -> String {
        match self {
            Self::Shared(shared) => shared.place(),
            Self::Machine { .. } => "this machine only".to_owned(),
        }
    }

    pub async fn read(&self) -> Result<Option<LockRecord>, OperateError> {
        match self {
            Self::Shared(shared) => Ok(shared.read().await?),
            Self::Machine { store, scope } => Ok(store.read_lock(scope).await?),
        }
    }

    /// How it stands now for somebody with that plan.
    pub async fn standing(&self, wanted: &Wanted<'_>) -> Result<Standing, OperateError> {
        let Some(record) = self.read().await? else {
            return Ok(Standing::Free);
        };
        // An audit that cannot be read knows nothing of the run; the lock then counts in full.
        let run = wanted.store.run(&record.run).await.ok().flatten();
        if run.as_ref().is_some_and(|run| run.finished_at.is_some()) {
            return Ok(Standing::Leftover(record));
        }
        if record.is_stale(wanted.now) {
            return Ok(Standing::Stale(record));
        }
        if let Some(in_flight) = in_flight(wanted.plan)
            && started(wanted, &record, run.as_ref(), in_flight).await
        {
            let own = record.owner == *wanted.by;
            return Ok(Standing::OfThisRollout { record, own });
        }
        Ok(Standing::Held(record))
    }

    /// Takes it: from nobody, or from exactly `replacing`. False when somebody was faster.
    pub async fn take(
        &self,
        permit: &Permit,
        record: &LockRecord,
        replacing: Option<&LockRecord>,
    ) -> Result<bool, OperateError> {
        match self {
            Self::Shared(shared) => match shared.take(permit, record, replacing).await {
                Ok(()) => Ok(true),
                Err(PlatformError::Conflict { .. }) => Ok(false),
                Err(error) => Err(error.into()),
            },
            Self::Machine { store, scope } => Ok(store.take_lock(scope, record, replacing).await?),
        }
    }

    /// Moves its expiry. `None` when it is not this run's any more.
    pub async fn renew(
        &self,
        permit: &Permit,
        expires_at: Timestamp,
    ) -> Result<Option<LockRecord>, OperateError> {
        let Some(held) = self.read().await? else {
            return Ok(None);
        };
        if held.run != *permit.run() {
            return Ok(None);
        }
        let renewed = LockRecord {
            expires_at,
            version: None,
            ..held.clone()
        };
        Ok(self
            .take(permit, &renewed, Some(&held))
            .await?
            .then_some(renewed))
    }

    /// Lets it go if it is still this run's.
    pub async fn release(&self, permit: &Permit) -> Result<(), OperateError> {
        match self {
            Self::Shared(shared) => {
                // What is there now carries the version to compare with.
                let Some(held) = shared.read().await? else {
                    return Ok(());
                };
                if held.run == *permit.run() {
                    shared.release(permit, &held).await?;
                }
                Ok(())
            }
            Self::Machine { store, scope } => Ok(store.release_lock(scope, permit.run()).await?),
        }
    }
}

/// The rollout in flight that a plan to go back puts an end to.
fn in_flight(plan: &Plan) -> Option<&RolloutRecord> {
    if !matches!(plan.action, Action::Rollback { .. }) {
        return None;
    }
    let rollout = plan.from.as_ref()?.rollout.as_ref()?;
    rollout.outcome.is_in_progress().then_some(rollout)
}

/// Whether the lock's run started that rollout: as our audit knows, or, when it was made on
/// another machine, as the platform tells by the run's mark.
async fn started(
    wanted: &Wanted<'_>,
    lock: &LockRecord,
    run: Option<&RunRecord>,
    rollout: &RolloutRecord,
) -> bool {
    let ticket = match run {
        Some(run) => run.ticket.clone(),
        None => {
            let brought = Change::ToRevision {
                revision: rollout.to.clone(),
            };
            let platform = &wanted.environment.platform;
            // Not knowing, the lock counts in full.
            platform
                .find_run(&lock.run, &brought, lock.taken_at)
                .await
                .ok()
                .flatten()
        }
    };
    ticket.is_some_and(|ticket| match &ticket.rollout {
        Some(id) => *id == rollout.id,
        None => ticket.revision.as_ref() == Some(&rollout.to),
    })
}

/// The refusal when somebody else has the lock.
pub(super) fn locked(config: &EnvironmentConfig, record: &LockRecord) -> OperateError {
    OperateError::Locked {
        environment: config.name.clone(),
        owner: who(record),
        purpose: record.purpose.clone(),
        until: record.expires_at,
    }
}

/// `ana on mac-17`.
pub(super) fn who(record: &LockRecord) -> String {
    match &record.owner.host {
        Some(host) => format!("{} on {host}", record.owner.name),
        None => record.owner.name.clone(),
    }
}

/// A new run's id: a UUID v7, so that ids sort by time.
pub(super) fn new_run_id() -> RunId {
    RunId::new(uuid::Uuid::now_v7().to_string())
}
