//! The platforms an environment can live on, behind one trait.
//!
//! SDK types stop here. Nothing above this room asks which platform it talks to: where a platform
//! cannot do something it says so in its [`Capabilities`].

mod connections;
mod draft;
pub mod ecs;
mod error;
mod fleet;
pub mod kubernetes;
mod text;

pub use crate::model::LockRecord;
pub use connections::{Connections, Connector};
pub use error::PlatformError;
pub use fleet::{Environment, Fleet};

use crate::model::{
    BillOfResources, Caller, Change, InstanceId, Metrics, Observation, Prepared, RawLogEvent,
    Release, ReleaseRef, Revision, RevisionId, RolloutProgress, RolloutRecord, RolloutTicket,
    Window,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// Connects an environment to the platform that its configuration names.
///
/// # Errors
/// When the configuration names something that cannot be right, or what it names is not there.
pub async fn connect(
    environment: &crate::config::EnvironmentConfig,
) -> Result<Arc<dyn Platform>, PlatformError> {
    match &environment.platform {
        crate::config::PlatformConfig::Ecs(_) => ecs::EcsPlatform::connect(environment),
        crate::config::PlatformConfig::Kubernetes(config) => {
            kubernetes::KubernetesPlatform::connect(environment, config)
        }
    }
}

/// What every platform does. One value serves one environment.
///
/// Reading calls must not change anything; the ECS adapter enforces that at the wire. The only
/// mutating calls are [`execute`](Self::execute) and the methods of the [`LockStore`], and both
/// take a [`Permit`], which only the executor in [`crate::operate`] issues.
#[async_trait]
pub trait Platform: Send + Sync {
    /// What it can do, and what people call it (`ecs`, `ecs local`).
    fn capabilities(&self) -> &Capabilities;

    /// Whom the platform takes us for. Checked against the configured account before a mutation.
    async fn caller(&self) -> Result<Caller, PlatformError>;

    /// One look at the service and all that hangs on it, cheap enough for every few seconds.
    async fn observe(&self) -> Result<Observation, PlatformError>;

    /// Measured series over `window`.
    async fn metrics(&self, window: Window) -> Result<Metrics, PlatformError>;

    /// Finished and running rollouts, newest first, as far back as the platform remembers
    /// (ECS: 90 days).
    async fn rollouts(&self) -> Result<Vec<RolloutRecord>, PlatformError>;

    /// One revision with its document.
    async fn revision(&self, id: &RevisionId) -> Result<Revision, PlatformError>;

    /// The releases in the registry, newest first.
    async fn releases(&self) -> Result<Vec<Release>, PlatformError>;

    /// Finds one release, or `None` when the registry does not hold it.
    async fn release(&self, reference: &ReleaseRef) -> Result<Option<Release>, PlatformError>;

    /// What the environment runs that costs money.
    async fn bill(&self) -> Result<BillOfResources, PlatformError>;

    /// Makes a change ready with reading calls only: document diff, blockers, warnings, the
    /// request to send, and the state of the world that it presumes.
    async fn prepare(&self, change: &Change, note: &ChangeNote) -> Result<Prepared, PlatformError>;

    /// Does it. Fails with [`PlatformError::Conflict`] and does nothing when the world is no
    /// longer as `prepared.precondition` says.
    async fn execute(
        &self,
        permit: &Permit,
        prepared: &Prepared,
    ) -> Result<RolloutTicket, PlatformError>;

    /// How OUR rollout stands; its record's outcome is `Superseded` when another took its place.
    /// Of a stop it tells how the stopped rollout itself ended: `RolledBack` is what was asked.
    async fn progress(&self, ticket: &RolloutTicket) -> Result<RolloutProgress, PlatformError>;

    /// Finds what `run` sent to make `change`, when the console was killed before it could record
    /// its ticket: by the mark that the run left, or by an effect that only it can have had.
    /// `None` when there is no trace; that is the default for platforms that leave none.
    async fn find_run(
        &self,
        _run: &crate::model::RunId,
        _change: &Change,
        _since: Timestamp,
    ) -> Result<Option<RolloutTicket>, PlatformError> {
        Ok(None)
    }

    /// The service's logs.
    fn logs(&self) -> LogAccess;

    /// The shared lock, where the environment has one; else the lock holds on this machine only.
    fn lock_store(&self) -> Option<Arc<dyn LockStore>>;

    /// Pages in the platform's own console and elsewhere, for `o`.
    fn links(&self, of: &LinkTarget) -> Option<String>;

    /// Checks for `doctor`, one line each; failures are results, not errors.
    async fn checks(&self) -> Vec<Check>;
}

/// What a platform can do. The screens show or hide keys by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// For the PLATFORM column: `ecs`, `ecs local`.
    pub label: String,
    /// The region, for the header.
    pub region: String,
    /// Goes back by itself when a rollout fails.
    pub rolls_back_by_itself: bool,
    /// Can stop a rollout in flight and go back.
    pub stops_rollouts: bool,
    /// True on the local cloud: prices are as if in us-east-1, and the screen says "local cloud".
    pub local: bool,
}

/// Who, why and which release: written on what is registered (ECS: tags of the task definition).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeNote {
    /// Who.
    pub author: crate::model::Author,
    /// Why.
    pub reason: Option<String>,
    /// The release's name.
    pub release: Option<String>,
    /// The rollout in flight that this knowingly takes the place of: a warning then, no blocker.
    pub replaces: Option<crate::model::RolloutId>,
}

/// The right to change one environment, issued by the executor after guard, lock and audit.
/// Its constructor is called in `operate/executor.rs` only; a test walks the sources for it.
#[derive(Debug)]
pub struct Permit {
    run: crate::model::RunId,
}

impl Permit {
    /// For `operate/executor.rs`.
    pub(crate) fn issue(run: crate::model::RunId) -> Self {
        Self { run }
    }

    /// The run this permit was issued for.
    pub fn run(&self) -> &crate::model::RunId {
        &self.run
    }
}

/// How logs are read.
#[derive(Clone)]
pub enum LogAccess {
    /// Page by page, by polling (CloudWatch Logs).
    Pages(Arc<dyn LogPages>),
    /// One stream for each source (Kubernetes: a container); what is past is read by pages too.
    Streams {
        /// What is there already.
        pages: Arc<dyn LogPages>,
        /// What comes.
        streams: Arc<dyn LogStreams>,
    },
}

impl LogAccess {
    /// What is there already, page by page.
    pub fn pages(&self) -> &Arc<dyn LogPages> {
        match self {
            Self::Pages(pages) | Self::Streams { pages, .. } => pages,
        }
    }
}

/// Logs that come as streams, one for each source.
pub trait LogStreams: Send + Sync {
    /// Streams that may be held open at once; sources beyond are read in turns.
    fn open_max(&self) -> usize;

    /// All sources there are, told anew whenever that changes. Trouble is told and tried again:
    /// the stream does not end.
    fn sources(&self) -> BoxStream<'static, Result<Vec<LogSource>, PlatformError>>;

    /// Opens a source. The stream ends when the platform ends it, which does not mean that nothing
    /// more is written; an error is its last item.
    fn open(
        &self,
        source: &LogSource,
        how: &OpenLog,
    ) -> BoxStream<'static, Result<Vec<StreamLine>, PlatformError>>;
}

/// Where lines come from: a container, over all its restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSource {
    /// Names it for good (Kubernetes: the pod's uid and the container).
    pub id: String,
    /// What the screen calls it: `api-6c9f/api`.
    pub stream: String,
    /// How often it was started again.
    pub restarts: u32,
    /// True when nothing more will be written: its log is read to the end once more.
    pub is_over: bool,
}

/// How to open a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenLog {
    /// Only from that second on; everything that is kept when `None`.
    pub since: Option<Timestamp>,
    /// At most so many of the newest lines.
    pub last_lines: Option<u32>,
    /// Go on with what is written from now on.
    pub follow: bool,
    /// The log of the run before the newest restart.
    pub previous: bool,
}

/// One line of a stream, in the order in which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLine {
    /// When it was written, in nanoseconds since the epoch.
    pub at_ns: i64,
    /// The text as received, without its end.
    pub text: String,
}

/// Logs that are read page by page.
#[async_trait]
pub trait LogPages: Send + Sync {
    /// Who shares this source's rate budget: account and region (CloudWatch's FilterLogEvents
    /// limit is per account and region).
    fn budget_key(&self) -> String;

    /// Reads one page. An empty page with a token is normal: go on.
    async fn page(&self, request: &PageRequest) -> Result<Page, PlatformError>;
}

/// Which page to read. Times are milliseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Inclusive.
    pub start_ms: i64,
    /// Exclusive; open when `None`.
    pub end_ms: Option<i64>,
    /// The platform's own filter pattern; everything when `None`.
    pub filter: Option<String>,
    /// Only these streams (at most 100); all when empty.
    pub streams: Vec<String>,
    /// Where the page before ended.
    pub token: Option<String>,
    /// At most so many events (1–10,000).
    pub limit: Option<u32>,
}

/// One page of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the platform's order, which need not be by time across streams.
    pub events: Vec<RawLogEvent>,
    /// More to read when `Some`, even if `events` is empty.
    pub token: Option<String>,
}

/// A lock that other machines see.
#[async_trait]
pub trait LockStore: Send + Sync {
    /// Where it is, for messages: `s3://bucket/opsconsole/prod.lock`.
    fn place(&self) -> String;

    /// Who holds it now.
    async fn read(&self) -> Result<Option<LockRecord>, PlatformError>;

    /// Takes it if nobody has it (S3 `If-None-Match: *`), else [`PlatformError::Conflict`].
    /// With `replacing`, takes it over if it is still exactly that record (S3 `If-Match`).
    async fn take(
        &self,
        permit: &Permit,
        record: &LockRecord,
        replacing: Option<&LockRecord>,
    ) -> Result<(), PlatformError>;

    /// Lets it go if it is still this run's.
    async fn release(&self, permit: &Permit, record: &LockRecord) -> Result<(), PlatformError>;
}

/// What a link is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    /// The service's page.
    Service,
    /// An alarm's page.
    Alarm(String),
    /// The rollout's page.
    Rollout(String),
    /// One instance's page.
    Instance(InstanceId),
    /// The runbook that the configuration names.
    Runbook,
}

/// One line of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked: `credentials`, `ecs:DescribeServices`.
    pub name: String,
    /// Whether it is fine.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do, when it is not fine.
    pub remedy: Option<String>,
    /// How long it took.
    pub took: Duration,
}
