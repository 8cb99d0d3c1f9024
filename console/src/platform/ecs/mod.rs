//! Environments on Amazon ECS: the AWS SDKs, with an endpoint override for the local cloud.

mod alarms;
mod balancer;
mod bill;
mod cache;
mod checks;
mod deployments;
mod discover;
mod download;
mod errors;
mod execute;
mod find_run;
mod history;
mod image;
mod links;
mod lock;
mod log_pages;
mod manifest;
mod metrics;
mod observe;
pub mod operations;
mod prepare;
mod progress;
mod rates;
mod registry;
mod request;
mod rollout_view;
mod service;
mod session;
mod shortage;
mod task_definition;
mod tasks;
mod time;
mod warnings;
mod wire_guard;

pub use discover::{discover, discover_with};

use super::text;
use super::{
    Capabilities, ChangeNote, Check, LinkTarget, LockStore, LogAccess, Permit, Platform,
    PlatformError,
};
use crate::{
    config::{EcsConfig, EnvironmentConfig, PlatformConfig},
    model::{
        Architecture, BillOfResources, Caller, Change, Metrics, Observation, Prepared, Release,
        ReleaseDigest, ReleaseRef, Revision, RevisionId, RolloutId, RolloutProgress, RolloutRecord,
        RolloutTicket, RunId, Window,
    },
};
use async_trait::async_trait;
use balancer::Balancers;
use cache::Cache;
use deployments::{DeploymentView, RevisionView};
use jiff::Timestamp;
use metrics::TaskUse;
use operations::GET_CALLER_IDENTITY;
use session::Session;
use std::{collections::HashMap, sync::Arc, time::Duration};
use task_definition::{AwsLogs, TaskDefinition};

/// How long a load balancer is taken for unchanged.
const BALANCERS_FOR: Duration = Duration::from_secs(300);
/// How long a log group is taken for the running one.
const LOG_GROUP_FOR: Duration = Duration::from_secs(60);
/// How long a digest's tag is believed; tags move.
const TAGS_FOR: Duration = Duration::from_secs(300);
/// CloudWatch has a new value once a minute, and each one asked for costs money.
const MEASURED_FOR: Duration = Duration::from_secs(60);
const MEASURED_LOCAL_FOR: Duration = Duration::from_secs(2);
/// Without Container Insights no task is ever measured; it is seldom switched on.
const NOT_MEASURED_FOR: Duration = Duration::from_secs(900);
/// How long measured parts of the bill are good for.
const RATES_FOR: Duration = Duration::from_secs(600);
const RATES_LOCAL_FOR: Duration = Duration::from_secs(30);

/// One ECS service. Cheap to clone: clones share connections and caches.
#[derive(Clone)]
pub struct EcsPlatform {
    environment: Arc<EnvironmentConfig>,
    config: Arc<EcsConfig>,
    capabilities: Arc<Capabilities>,
    session: Arc<Session>,
    caches: Arc<Caches>,
}

struct Caches {
    task_definitions: Cache<RevisionId, Arc<TaskDefinition>>,
    deployments: Cache<RolloutId, DeploymentView>,
    service_revisions: Cache<String, Arc<RevisionView>>,
    architectures: Cache<ReleaseDigest, Vec<Architecture>>,
    tags: Cache<ReleaseDigest, Option<String>>,
    balancers: Cache<String, Arc<Balancers>>,
    log_group: Cache<(), AwsLogs>,
    metrics: Cache<(i64, usize), Metrics>,
    task_use: Cache<(), Arc<HashMap<String, TaskUse>>>,
    no_task_use: Cache<(), ()>,
    rates: Cache<(), rates::Rates>,
    caller: Cache<(), Caller>,
}

impl EcsPlatform {
    /// Prepares the clients of an environment. Nothing is sent and nothing is read before the
    /// first call, so this takes no time and succeeds without a network.
    ///
    /// # Errors
    /// When the environment names something that cannot be right, such as an endpoint that is no
    /// URL.
    pub fn connect(environment: &EnvironmentConfig) -> Result<Arc<dyn Platform>, PlatformError> {
        Ok(Arc::new(Self::new(environment)?))
    }

    /// As [`connect`](Self::connect), with its own type.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn new(environment: &EnvironmentConfig) -> Result<Self, PlatformError> {
        let PlatformConfig::Ecs(config) = &environment.platform else {
            return Err(PlatformError::Invalid {
                operation: format!("connecting to {}", environment.name),
                cause: "it is not on ECS".to_owned(),
            });
        };
        if let Some(url) = &config.endpoint_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return Err(PlatformError::Invalid {
                operation: format!("connecting to {}", environment.name),
                cause: format!("the endpoint {url} is not an http or https URL"),
            });
        }
        let (measured_for, not_measured_for, rates_for) = if config.local {
            (MEASURED_LOCAL_FOR, MEASURED_LOCAL_FOR, RATES_LOCAL_FOR)
        } else {
            (MEASURED_FOR, NOT_MEASURED_FOR, RATES_FOR)
        };
        Ok(Self {
            capabilities: Arc::new(Capabilities {
                label: if config.local { "ecs local" } else { "ecs" }.to_owned(),
                region: config.region.clone(),
                rolls_back_by_itself: true,
                stops_rollouts: true,
                local: config.local,
            }),
            session: Arc::new(Session::new(config)),
            caches: Arc::new(Caches {
                task_definitions: Cache::for_ever(),
                deployments: Cache::for_ever(),
                service_revisions: Cache::for_ever(),
                architectures: Cache::for_ever(),
                tags: Cache::for_a_while(TAGS_FOR),
                balancers: Cache::for_a_while(BALANCERS_FOR),
                log_group: Cache::for_a_while(LOG_GROUP_FOR),
                metrics: Cache::for_a_while(measured_for),
                task_use: Cache::for_a_while(measured_for),
                no_task_use: Cache::for_a_while(not_measured_for),
                rates: Cache::for_a_while(rates_for),
                caller: Cache::for_ever(),
            }),
            environment: Arc::new(environment.clone()),
            config: Arc::new(config.clone()),
        })
    }

    /// The account, if it is configured or was seen.
    fn known_account(&self) -> Option<String> {
        self.environment
            .account
            .clone()
            .or_else(|| self.caches.caller.get(&())?.account)
    }
}

#[async_trait]
impl Platform for EcsPlatform {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn caller(&self) -> Result<Caller, PlatformError> {
        // Never from the cache: this is what the account check before a change relies on.
        let answer = self
            .session
            .read(&GET_CALLER_IDENTITY, |clients| {
                clients.sts.get_caller_identity().send()
            })
            .await?;
        let caller = Caller {
            account: answer.account().map(text::clean),
            principal: answer.arn().map(text::clean).unwrap_or_default(),
        };
        self.caches.caller.put((), caller.clone());
        Ok(caller)
    }

    async fn observe(&self) -> Result<Observation, PlatformError> {
        self.look().await
    }

    async fn metrics(&self, window: Window) -> Result<Metrics, PlatformError> {
        self.measure(window).await
    }

    async fn rollouts(&self) -> Result<Vec<RolloutRecord>, PlatformError> {
        self.rollout_history().await
    }

    async fn revision(&self, id: &RevisionId) -> Result<Revision, PlatformError> {
        let definition = self.fresh_task_definition(id).await?;
        let wanted = self.config.container.as_deref();
        let mut revision = definition.to_revision(wanted, None);
        revision.release = self
            .release_name(&definition, revision.digest.clone())
            .await;
        Ok(revision)
    }

    async fn releases(&self) -> Result<Vec<Release>, PlatformError> {
        self.list_releases().await
    }

    async fn release(&self, reference: &ReleaseRef) -> Result<Option<Release>, PlatformError> {
        self.find_release(reference).await
    }

    async fn bill(&self) -> Result<BillOfResources, PlatformError> {
        self.current_bill().await
    }

    async fn prepare(&self, change: &Change, note: &ChangeNote) -> Result<Prepared, PlatformError> {
        self.make_ready(change, note).await
    }

    async fn execute(
        &self,
        permit: &Permit,
        prepared: &Prepared,
    ) -> Result<RolloutTicket, PlatformError> {
        self.carry_out(permit, prepared).await
    }

    async fn find_run(
        &self,
        run: &RunId,
        change: &Change,
        since: Timestamp,
    ) -> Result<Option<RolloutTicket>, PlatformError> {
        self.trace_of(run, change, since).await
    }

    async fn progress(&self, ticket: &RolloutTicket) -> Result<RolloutProgress, PlatformError> {
        self.follow(ticket).await
    }

    fn logs(&self) -> LogAccess {
        LogAccess::Pages(Arc::new(log_pages::EcsLogs::new(self.clone())))
    }

    fn lock_store(&self) -> Option<Arc<dyn LockStore>> {
        let location = self.environment.lock.as_ref()?;
        Some(Arc::new(lock::S3Lock::new(self.clone(), location)))
    }

    fn links(&self, of: &LinkTarget) -> Option<String> {
        self.link(of)
    }

    async fn checks(&self) -> Vec<Check> {
        self.examine().await
    }
}
