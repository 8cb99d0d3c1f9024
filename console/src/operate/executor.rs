//! The one executor: the only place that issues permits and lets a platform change something.
//!
//! Every mutation passes here in one order: guard, confirmation, account, lock, audit, send,
//! watch. Safety that is added action by action leaks, so there is no second way.

use super::{
    Confirmation, Gate, OperateError, RunHandle, RunOptions, RunState,
    guard::{self, Approach},
    lock::{Lock, Standing, Wanted, locked, new_run_id},
    notes::Known,
    plan, resume, stages,
    watch::{Watch, signed},
};
use crate::{
    config::nearest,
    model::{
        Action, Author, EnvironmentName, LockRecord, Metrics, Observation, Plan, RolloutRecord,
        RolloutTicket, RunId, RunOutcome, StageState,
    },
    platform::{Connections, Environment, Permit, PlatformError},
    store::{HistoryQuery, NewRun, RunRecord, Store, StoreError},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A run that is resumed after its deadline gets at least this long for one good look.
const LAST_LOOK: SignedDuration = SignedDuration::from_secs(30);

/// Looks for a change whose sending failed in a way that does not say whether it arrived.
const TRACES: u32 = 3;

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

/// What the executor's parts share.
pub(super) struct Inner {
    pub connections: Connections,
    pub store: Store,
    pub author: Author,
    pub settings: Settings,
    /// The wall clock; tests set it.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    running: Mutex<Vec<Running>>,
}

/// A run under watch, and how to leave it.
struct Running {
    handle: RunHandle,
    left: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// A change that the platform has taken, about to be watched.
struct Sent<'a> {
    environment: &'a Environment,
    plan: Arc<Plan>,
    ticket: RolloutTicket,
    permit: Permit,
    lock: Option<Lock>,
    deadline: Timestamp,
}

impl Operator {
    /// The executor for these environments.
    pub fn new(connections: Connections, store: Store, author: Author, settings: Settings) -> Self {
        Self::with_clock(
            connections,
            store,
            author,
            settings,
            Arc::new(Timestamp::now),
        )
    }

    /// As [`new`](Self::new), with a clock of the caller's.
    pub(super) fn with_clock(
        connections: Connections,
        store: Store,
        author: Author,
        settings: Settings,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                connections,
                store,
                author,
                settings,
                clock,
                running: Mutex::default(),
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
        environment: &EnvironmentName,
        action: Action,
        reason: Option<String>,
    ) -> Result<Plan, OperateError> {
        let environment = self.inner.environment(environment).await?;
        plan::make(&self.inner, &environment, action, reason).await
    }

    /// What must be given before this plan is executed. Reads the lock, so it takes a moment.
    ///
    /// # Errors
    /// When the environment or its lock cannot be read.
    pub async fn gate(&self, plan: &Plan) -> Result<Gate, OperateError> {
        let environment = self.inner.environment(&plan.environment).await?;
        let lock = Lock::of(&environment, &self.inner.store);
        let standing = self.inner.standing(&environment, &lock, plan).await?;
        Ok(self.inner.gate(&environment, plan, &standing))
    }

    /// Executes a plan: guard, confirmation, account, lock, audit, send; then watches it in the
    /// background. Returns as soon as the platform has taken the change.
    ///
    /// # Errors
    /// When nothing was begun: refused, locked, not recorded, or refused by the platform.
    pub async fn execute(
        &self,
        plan: Arc<Plan>,
        confirmation: Confirmation,
        options: RunOptions,
    ) -> Result<RunHandle, OperateError> {
        let inner = &self.inner;
        let started_at = inner.now();
        let environment = inner.environment(&plan.environment).await?;
        let config = &environment.config;
        let lock = Lock::of(&environment, &inner.store);

        // Two reading calls at once: they are all that the network costs before the lock.
        let (standing, caller) = tokio::join!(
            inner.standing(&environment, &lock, &plan),
            environment.platform.caller()
        );
        let standing = standing?;
        let gate = inner.gate(&environment, &plan, &standing);
        if let (Gate::Refused { .. }, Standing::Held(record)) = (&gate, &standing)
            && inner.gate(&environment, &plan, &Standing::Free) != gate
        {
            return Err(locked(config, record));
        }
        let break_glass = guard::admit(&gate, config, &confirmation)?;
        let caller = caller?;
        if let Some(expected) = &config.account
            && let Some(blocker) = guard::wrong_account(config, expected, &caller)
        {
            return Err(OperateError::Refused {
                why: blocker.what,
                remedy: blocker.remedy,
            });
        }

        let id = new_run_id();
        let permit = Permit::issue(id.clone());
        let record = LockRecord {
            run: id.clone(),
            owner: inner.author.clone(),
            purpose: purpose(&plan),
            taken_at: started_at,
            expires_at: started_at + signed(inner.settings.lock_ttl),
            version: None,
        };
        let taken = lock
            .take(&permit, &record, standing.replaced())
            .await
            .map_err(unrecorded)?;
        if !taken {
            return Err(match lock.read().await? {
                Some(holder) => locked(config, &holder),
                None => OperateError::Refused {
                    why: format!("{} was locked and let go again meanwhile", config.name),
                    remedy: "Try again".to_owned(),
                },
            });
        }
        let mut state = stages::begin(plan.made_at, started_at);
        state.reach("locked", StageState::Done, inner.now(), Some(lock.place()));
        state.lock = Some(record);

        let scope = config.scope();
        let deadline = started_at + signed(options.timeout);
        let new_run = NewRun {
            id: &id,
            scope: &scope,
            plan: &plan,
            principal: Some(&caller.principal),
            break_glass: break_glass.as_deref(),
            started_at,
            deadline_at: deadline,
            watcher: std::process::id(),
        };
        if let Err(error) = inner.store.begin_run(&new_run).await {
            let _ = lock.release(&permit).await;
            return Err(not_recorded(&error));
        }
        if let Some(reason) = &break_glass {
            tracing::warn!(run = %id, environment = %config.name, reason, "the glass was broken");
        }

        let ticket = match environment.platform.execute(&permit, &plan.prepared).await {
            Ok(ticket) => ticket,
            Err(error) => match self
                .settle(&environment, &plan, &id, started_at, &error)
                .await
            {
                Some(ticket) => ticket,
                None => {
                    let _ = lock.release(&permit).await;
                    return Err(error.into());
                }
            },
        };
        if let Err(error) = inner.store.record_ticket(&id, &ticket).await {
            // It is sent; going on watching is the best that can be done.
            state.trouble = Some(error.to_string());
        }
        state.reach("sent", StageState::Done, inner.now(), None);

        if !options.watch {
            let released = lock.release(&permit).await;
            if let Err(error) = released {
                state.trouble = Some(error.to_string());
            }
            state.lock = None;
            inner.store.leave_run(&id).await?;
            return Ok(RunHandle {
                id,
                plan,
                state: watch::channel(state).1,
            });
        }
        state.reach("new tasks", StageState::Running, inner.now(), None);
        Ok(self.watch(
            Sent {
                environment: &environment,
                plan,
                ticket,
                permit,
                lock: Some(lock),
                deadline,
            },
            state,
        ))
    }

    /// Resumes runs whose console ended before they did: in watching only, never sent again.
    /// One environment that cannot be reached keeps its runs for the next start.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn resume_unfinished(&self) -> Result<Vec<RunHandle>, OperateError> {
        let inner = &self.inner;
        let mut resumed = Vec::new();
        for record in inner.store.unfinished_runs().await? {
            let mine: Vec<RunId> = self.running().into_iter().map(|run| run.id).collect();
            let now = inner.now();
            if !resume::is_orphaned(&record, now, &mine) {
                continue;
            }
            let known = inner
                .connections
                .config(&record.environment)
                .is_some_and(|config| config.scope() == record.scope);
            if !known {
                continue;
            }
            let Some(plan) = record.plan.clone() else {
                self.give_up(&record, "it was recorded by another version of opsconsole")
                    .await?;
                continue;
            };
            let environment = match inner.environment(&record.environment).await {
                Ok(environment) => environment,
                Err(error) => {
                    tracing::warn!(run = %record.id, %error, "a run cannot be resumed now");
                    continue;
                }
            };
            if !inner
                .store
                .claim_run(&record, std::process::id(), now)
                .await?
            {
                continue;
            }
            if let Some(handle) = self.resume(&environment, record, Arc::new(plan)).await? {
                resumed.push(handle);
            }
        }
        Ok(resumed)
    }

    /// For commands that do not stay: resumes what is unfinished, records what is over within
    /// `wait`, and leaves the rest to the next start.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn settle_unfinished(&self, wait: Duration) -> Result<(), OperateError> {
        let resumed = self.resume_unfinished().await?;
        if resumed.is_empty() {
            return Ok(());
        }
        let all_over = futures::future::join_all(resumed.into_iter().map(|mut run| async move {
            // A watcher that is gone has nothing to tell any more.
            let _ = run.state.wait_for(|state| state.outcome.is_some()).await;
        }));
        // Running out of time is no failure: the rest is left below.
        let _ = tokio::time::timeout(wait, all_over).await;
        self.leave().await;
        Ok(())
    }

    /// Names who started each rollout that was ours. The platform knows who registered a revision,
    /// which is somebody else when an old one was brought back.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn credit(
        &self,
        environment: &EnvironmentName,
        rollouts: &mut [RolloutRecord],
    ) -> Result<(), StoreError> {
        let query = HistoryQuery {
            environment: Some(environment.clone()),
            before: None,
            limit: plan::RUNS_READ,
        };
        let runs = self.inner.store.history(&query).await?;
        plan::credit(&runs, rollouts);
        Ok(())
    }

    /// The runs that are being watched now, oldest first.
    pub fn running(&self) -> Vec<RunHandle> {
        self.inner
            .runs()
            .iter()
            .map(|running| running.handle.clone())
            .collect()
    }

    /// Remembers a look at an environment: caches it for the next start, and notes what it holds
    /// against the revision that is live, for rollbacks to come. Call it after every look; a
    /// store that cannot be written is no error here.
    pub async fn remember(
        &self,
        environment: &EnvironmentName,
        observation: &Observation,
        metrics: Option<&Metrics>,
        rollouts: Option<&[RolloutRecord]>,
        now: Timestamp,
    ) {
        let inner = &self.inner;
        let Some(config) = inner.connections.config(environment) else {
            return;
        };
        let scope = config.scope();
        let remembered = async {
            inner.store.save_observation(&scope, observation).await?;
            if let Some(metrics) = metrics {
                inner.store.save_metrics(&scope, now, metrics).await?;
            }
            let Some(rollouts) = rollouts else {
                return Ok(());
            };
            inner.store.save_rollouts(&scope, now, rollouts).await?;
            let judgements = inner.store.judgements(environment).await?;
            let known = Known {
                environment,
                rollouts,
                judgements: &judgements,
                now,
            };
            let mut found = known.by_alarms(observation);
            if let Some(metrics) = metrics {
                found.extend(known.by_metrics(metrics));
            }
            for judgement in found {
                let is_known = judgements.iter().any(|old| {
                    old.revision == judgement.revision && old.verdict == judgement.verdict
                });
                if !is_known {
                    inner.store.judge(&judgement).await?;
                }
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = remembered.await {
            tracing::debug!(%environment, %error, "the look was not remembered");
        }
    }

    /// Stops watching, lets the locks go and leaves the runs to the next console. For a quit
    /// while something rolls out.
    pub async fn leave(&self) {
        let running: Vec<Running> = self.inner.runs().drain(..).collect();
        for run in &running {
            run.left.cancel();
        }
        for run in running {
            // A watcher that panicked has nothing left to do.
            let _ = run.task.await;
        }
    }

    /// Sending failed. `Some` when the change arrived all the same; else the run is closed.
    ///
    /// A refusal is final. A connection that broke says nothing: the platform is asked.
    async fn settle(
        &self,
        environment: &Environment,
        plan: &Plan,
        id: &RunId,
        since: Timestamp,
        error: &PlatformError,
    ) -> Option<RolloutTicket> {
        let mut outcome = RunOutcome::NotSent {
            reason: error.to_string(),
        };
        let ambiguous = matches!(
            error,
            PlatformError::Unreachable { .. } | PlatformError::Other { .. }
        );
        if ambiguous {
            for attempt in 0..TRACES {
                if attempt > 0 {
                    tokio::time::sleep(self.inner.settings.poll_min * attempt).await;
                }
                match resume::trace(environment.platform.as_ref(), id, plan, since).await {
                    Ok(Some(ticket)) => return Some(ticket),
                    Ok(None) => {
                        outcome = RunOutcome::NotSent {
                            reason: format!("{error} (the platform shows no trace of it)"),
                        };
                    }
                    Err(untraced) => {
                        outcome = RunOutcome::Unknown {
                            reason: format!(
                                "{error}; and whether it arrived cannot be told: {untraced}"
                            ),
                        };
                    }
                }
            }
        }
        let finished = self
            .inner
            .store
            .finish_run(id, &outcome, self.inner.now())
            .await;
        if let Err(error) = finished {
            tracing::error!(run = %id, %error, "the outcome could not be recorded");
        }
        None
    }

    /// Goes on with a claimed run: from its ticket, or from the trace it left.
    async fn resume(
        &self,
        environment: &Environment,
        record: RunRecord,
        plan: Arc<Plan>,
    ) -> Result<Option<RunHandle>, OperateError> {
        let inner = &self.inner;
        let id = record.id.clone();
        let permit = Permit::issue(id.clone());
        let lock = Lock::of(environment, &inner.store);
        let ticket = match record.ticket {
            Some(ticket) => ticket,
            None => {
                let platform = environment.platform.as_ref();
                match resume::trace(platform, &id, &plan, record.started_at).await {
                    Ok(Some(ticket)) => {
                        inner.store.record_ticket(&id, &ticket).await?;
                        ticket
                    }
                    Ok(None) => {
                        let _ = lock.release(&permit).await;
                        self.give_up(
                            &record,
                            "opsconsole ended between recording and sending, and the platform shows no trace of it",
                        )
                        .await?;
                        return Ok(None);
                    }
                    Err(error) => {
                        // Not now; the next start finds it again.
                        inner.store.leave_run(&id).await?;
                        tracing::warn!(run = %id, %error, "a run cannot be traced now");
                        return Ok(None);
                    }
                }
            }
        };
        let now = inner.now();
        let mut state = stages::begin(plan.made_at, record.started_at);
        state.reach(
            "locked",
            StageState::Done,
            record.started_at,
            Some(lock.place()),
        );
        state.reach("sent", StageState::Done, ticket.sent_at, None);
        state.reach("new tasks", StageState::Running, now, None);
        // Whoever took the lock meanwhile keeps it; we watch without.
        let expires_at = now + signed(inner.settings.lock_ttl);
        let held = lock.renew(&permit, expires_at).await.ok().flatten();
        state.lock = held.clone();
        let deadline = record.deadline_at.max(now + LAST_LOOK);
        let lock = held.is_some().then_some(lock);
        Ok(Some(self.watch(
            Sent {
                environment,
                plan,
                ticket,
                permit,
                lock,
                deadline,
            },
            state,
        )))
    }

    async fn give_up(&self, record: &RunRecord, reason: &str) -> Result<(), StoreError> {
        let outcome = RunOutcome::Unknown {
            reason: format!("{reason}; it was not sent again"),
        };
        self.inner
            .store
            .finish_run(&record.id, &outcome, self.inner.now())
            .await
    }

    fn watch(&self, sent: Sent<'_>, state: RunState) -> RunHandle {
        let (sender, receiver) = watch::channel(state);
        let handle = RunHandle {
            id: sent.permit.run().clone(),
            plan: sent.plan.clone(),
            state: receiver,
        };
        let left = CancellationToken::new();
        let watch = Watch {
            inner: self.inner.clone(),
            platform: sent.environment.platform.clone(),
            plan: sent.plan,
            ticket: sent.ticket,
            permit: sent.permit,
            lock: sent.lock,
            deadline: sent.deadline,
            state: sender,
            left: left.clone(),
        };
        // Held over the spawn, so that a run that ends at once is registered before it is
        // forgotten.
        let mut runs = self.inner.runs();
        let task = tokio::spawn(watch.run());
        runs.push(Running {
            handle: handle.clone(),
            left,
            task,
        });
        handle
    }
}

impl Inner {
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The environment, connected.
    pub async fn environment(&self, name: &EnvironmentName) -> Result<Environment, OperateError> {
        if self.connections.config(name).is_none() {
            let names = self
                .connections
                .configs()
                .map(|config| config.name.as_str());
            return Err(OperateError::NoEnvironment {
                name: name.clone(),
                nearest: nearest(name.as_str(), names).map(EnvironmentName::from),
            });
        }
        Ok(self.connections.connect(name).await?)
    }

    /// A run is over, or left.
    pub fn forget(&self, run: &RunId) {
        self.runs().retain(|running| running.handle.id != *run);
    }

    async fn standing(
        &self,
        environment: &Environment,
        lock: &Lock,
        plan: &Plan,
    ) -> Result<Standing, OperateError> {
        // A lock kept in a store that cannot be read is no reason to say so twice: the gate
        // refuses for the store.
        if self.store.check_writable().is_err() {
            return Ok(Standing::Free);
        }
        lock.standing(&Wanted {
            environment,
            store: &self.store,
            plan,
            by: &self.author,
            now: self.now(),
        })
        .await
    }

    fn gate(&self, environment: &Environment, plan: &Plan, lock: &Standing) -> Gate {
        guard::gate(&Approach {
            config: &environment.config,
            plan,
            lock,
            store: self.store.check_writable(),
            plan_ttl: self.settings.plan_ttl,
            now: self.now(),
        })
    }

    fn runs(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `roll back to 1.4.0`.
fn purpose(plan: &Plan) -> String {
    let verb = plan.action.verb();
    match (&plan.action, &plan.to) {
        (Action::Scale { desired }, _) => format!("{verb} to {desired}"),
        (Action::StopInstance { instance }, _) => format!("{verb} {}", instance.short()),
        (Action::Deploy { .. } | Action::Promote { .. }, Some(to)) => {
            format!("{verb} {}", to.deployed.name())
        }
        (Action::Rollback { .. }, Some(to)) => format!("{verb} to {}", to.deployed.name()),
        _ => verb.to_owned(),
    }
}

/// A machine-local lock that cannot be written is the audit's trouble come early: same file.
fn unrecorded(error: OperateError) -> OperateError {
    match error {
        OperateError::Store(error) => not_recorded(&error),
        other => other,
    }
}

fn not_recorded(error: &StoreError) -> OperateError {
    let (cause, remedy) = match error {
        StoreError::Full { path } => (
            format!("the disk that holds {path} is full"),
            "Free some space and try again".to_owned(),
        ),
        other => (
            other.to_string(),
            "Changes are possible again as soon as it can be written".to_owned(),
        ),
    };
    OperateError::Audit { cause, remedy }
}
