//! Environments on Kubernetes: one Deployment each, its own or a Helm release's.

mod annotations;
mod autoscaler;
mod bill;
mod budget;
mod checks;
mod clock;
mod errors;
mod execute;
mod find_run;
mod gitops;
mod helm;
mod helm_program;
mod helm_run;
mod lock;
mod log_lines;
mod log_stream;
mod logs;
mod memo;
mod mirror;
mod observe;
mod pods;
mod prepare;
mod progress;
mod releases;
mod request;
mod revisions;
mod scene;
mod session;
mod surroundings;
mod template;
mod usage;
mod wire_guard;

use super::{
    Capabilities, ChangeNote, Check, LinkTarget, LockStore, LogAccess, Permit, Platform,
    PlatformError, text::clean,
};
use crate::{
    config::{EnvironmentConfig, KubernetesConfig},
    model::{
        Autoscaler, BillOfResources, Caller, Change, DisruptionBudget, Metrics, Observation,
        Prepared, Release, ReleaseRef, Revision, RevisionId, RolloutProgress, RolloutRecord,
        RolloutTicket, RunId, Window,
    },
};
use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, api::PostParams};
use memo::Memo;
use mirror::Mirror;
use session::{Session, op};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Where users come in seldom changes.
const URL_KEPT: Duration = Duration::from_secs(60);
/// Autoscalers look every 15 s (kube-controller-manager, `--horizontal-pod-autoscaler-sync-period`);
/// a budget is counted anew with every pod.
const RULES_KEPT: Duration = Duration::from_secs(5);

/// Autoscaler and disruption budget.
type Rules = (Option<Autoscaler>, Option<DisruptionBudget>);

/// One Deployment. Cheap to clone: clones share the connection.
#[derive(Clone)]
pub struct KubernetesPlatform {
    environment: Arc<EnvironmentConfig>,
    config: Arc<KubernetesConfig>,
    capabilities: Arc<Capabilities>,
    session: Arc<Session>,
    /// The Deployment's name, where it was found by its Helm release.
    found: Arc<OnceLock<String>>,
    /// What a container that crashed said last, for the moments in which the kubelet cannot tell.
    last_words: Arc<progress::LastWords>,
    mirror: Arc<Mirror>,
    urls: Arc<Memo<Option<String>>>,
    rules: Arc<Memo<Rules>>,
    helms: Arc<helm_run::Helms>,
}

impl KubernetesPlatform {
    /// Prepares an environment. Nothing is read and nothing is sent before the first call.
    ///
    /// # Errors
    /// None today; the kubeconfig is read by the first call, so that one which is mended meanwhile
    /// is picked up.
    pub fn connect(
        environment: &EnvironmentConfig,
        config: &KubernetesConfig,
    ) -> Result<Arc<dyn Platform>, PlatformError> {
        let config = Arc::new(config.clone());
        let session = Arc::new(Session::new(config.clone()));
        Ok(Arc::new(Self {
            mirror: Arc::new(Mirror::new(session.clone())),
            urls: Arc::new(Memo::new(URL_KEPT)),
            rules: Arc::new(Memo::new(RULES_KEPT)),
            helms: Arc::default(),
            capabilities: Arc::new(Capabilities {
                label: "kubernetes".to_owned(),
                region: config.region.clone(),
                rolls_back_by_itself: false,
                stops_rollouts: true,
                local: false,
            }),
            session,
            environment: Arc::new(environment.clone()),
            found: Arc::new(OnceLock::new()),
            last_words: Arc::default(),
            config,
        }))
    }

    fn deployment_name(&self) -> Option<String> {
        let found = || self.found.get().cloned();
        self.config.deployment.clone().or_else(found)
    }

    fn remember_name(&self, name: &str) {
        // Another call may have been faster, and has found the same.
        let _ = self.found.set(name.to_owned());
    }
}

#[async_trait]
impl Platform for KubernetesPlatform {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn caller(&self) -> Result<Caller, PlatformError> {
        let link = self.session.link().await?;
        let api: Api<SelfSubjectReview> = Api::all(link.client.clone());
        match api
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
        {
            Ok(review) => Ok(Caller {
                account: None,
                principal: review
                    .status
                    .and_then(|status| status.user_info)
                    .and_then(|user| user.username)
                    .map_or(link.user, |name| clean(&name)),
            }),
            Err(error) => Err(self
                .session
                .sorted(&op("create", "selfsubjectreviews", ""), error)
                .await),
        }
    }

    async fn observe(&self) -> Result<Observation, PlatformError> {
        self.look().await
    }

    /// Kubernetes itself keeps no series; every value is a hole, never a zero. What the pods use at
    /// the moment stands beside each of them.
    async fn metrics(&self, _window: Window) -> Result<Metrics, PlatformError> {
        Ok(Metrics::default())
    }

    async fn rollouts(&self) -> Result<Vec<RolloutRecord>, PlatformError> {
        let scene = self.watched().await?;
        let mut records = self.records(&scene);
        records.reverse();
        Ok(records)
    }

    async fn revision(&self, id: &RevisionId) -> Result<Revision, PlatformError> {
        self.revision_of(id).await
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

    async fn progress(&self, ticket: &RolloutTicket) -> Result<RolloutProgress, PlatformError> {
        self.follow(ticket).await
    }

    async fn find_run(
        &self,
        run: &RunId,
        change: &Change,
        since: Timestamp,
    ) -> Result<Option<RolloutTicket>, PlatformError> {
        self.trace_of(run, change, since).await
    }

    fn logs(&self) -> LogAccess {
        LogAccess::Streams {
            pages: Arc::new(logs::PodLogs::new(self.clone())),
            streams: Arc::new(log_stream::PodStreams::new(self.clone())),
        }
    }

    fn lock_store(&self) -> Option<Arc<dyn LockStore>> {
        Some(Arc::new(lock::LeaseLock::new(self.clone())))
    }

    /// A cluster has no page of its own that all installations share.
    fn links(&self, of: &LinkTarget) -> Option<String> {
        match of {
            LinkTarget::Runbook => self.environment.runbook.clone(),
            _ => None,
        }
    }

    async fn checks(&self) -> Vec<Check> {
        self.examine().await
    }
}
