//! A platform that does what a story says, and remembers what was asked of it.

use super::world::{at, author, digest, now, observation, revision};
use crate::{
    model::{
        BillOfResources, Caller, Change, DiffLine, DocumentDiff, LockRecord, Metrics, Observation,
        Prepared, RawLogEvent, Release, ReleaseRef, Revision, RevisionId, RolloutId,
        RolloutOutcome, RolloutProgress, RolloutRecord, RolloutSide, RolloutTicket, RunId, Window,
    },
    platform::{
        Capabilities, ChangeNote, Check, LinkTarget, LockStore, LogAccess, LogPages, Page,
        PageRequest, Permit, Platform, PlatformError,
    },
};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

/// What happens when a change is sent.
#[derive(Clone, Debug)]
pub enum Sending {
    /// The platform takes it.
    Taken,
    /// The platform answers with an error and does nothing.
    Refused(PlatformError),
    /// It takes it, and the answer is lost on the way.
    AnswerLost,
}

pub struct Script {
    pub observation: Observation,
    pub rollouts: Vec<RolloutRecord>,
    pub metrics: Metrics,
    pub releases: Vec<Release>,
    pub account: String,
    pub blockers: Vec<crate::model::Blocker>,
    /// Why every change takes a reason.
    pub break_glass: Option<String>,
    /// Revisions whose document equals what runs.
    pub same_as_running: Vec<RevisionId>,
    pub sending: Sending,
    /// What is answered to progress, one after the other; the last stays.
    pub progress: VecDeque<Result<RolloutOutcome, PlatformError>>,
    pub progress_reason: Option<String>,
    /// What progress calls ours and the others, where a story is about that.
    pub sides: Option<(RolloutSide, RolloutSide)>,
    /// What a run left as its mark.
    pub marks: Vec<(RunId, RolloutTicket)>,
    /// What came with each change that was prepared.
    pub notes: Vec<ChangeNote>,
    /// Everything asked that changes something, in order.
    pub sent: Vec<Change>,
    /// How often progress was asked.
    pub looks: u32,
}

/// A bucket that takes conditional puts, as S3 does.
#[derive(Default)]
pub struct Bucket {
    pub held: Mutex<Option<LockRecord>>,
    versions: Mutex<u64>,
}

pub struct FakePlatform {
    capabilities: Capabilities,
    script: Mutex<Script>,
    pub bucket: Option<Arc<Bucket>>,
    /// Held by a story that wants sending to wait; `execute` takes it.
    pub sending_gate: tokio::sync::Semaphore,
}

impl FakePlatform {
    /// Runs `release` as revision `number`; everything asked of it succeeds.
    pub fn running(number: u32, release: &str, rollouts: Vec<RolloutRecord>) -> Arc<Self> {
        Arc::new(Self::new(number, release, rollouts, false))
    }

    /// As [`running`](Self::running), with a lock bucket.
    pub fn with_bucket(number: u32, release: &str, rollouts: Vec<RolloutRecord>) -> Arc<Self> {
        Arc::new(Self::new(number, release, rollouts, true))
    }

    fn new(number: u32, release: &str, rollouts: Vec<RolloutRecord>, shared_lock: bool) -> Self {
        let releases = ["1.4.0", "1.4.1", "1.5.0", "1.6.1", "1.6.2"]
            .iter()
            .map(|tag| super::fake::release(tag))
            .collect();
        Self {
            capabilities: Capabilities {
                label: "fake".to_owned(),
                region: "us-east-1".to_owned(),
                rolls_back_by_itself: true,
                stops_rollouts: true,
                local: false,
            },
            script: Mutex::new(Script {
                observation: observation(number, release),
                rollouts,
                metrics: Metrics::default(),
                releases,
                account: "123456789012".to_owned(),
                blockers: Vec::new(),
                break_glass: None,
                same_as_running: Vec::new(),
                sending: Sending::Taken,
                progress: VecDeque::from([Ok(RolloutOutcome::Succeeded)]),
                progress_reason: None,
                sides: None,
                marks: Vec::new(),
                notes: Vec::new(),
                sent: Vec::new(),
                looks: 0,
            }),
            bucket: shared_lock.then(Arc::default),
            sending_gate: tokio::sync::Semaphore::new(1000),
        }
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    pub fn sent(&self) -> Vec<Change> {
        self.script().sent.clone()
    }

    /// A rollout is in flight.
    pub fn rolls_out(&self, record: RolloutRecord) {
        let mut script = self.script();
        let progress = progress_of(record.clone());
        script.observation.service.rollout = Some(progress);
        script.rollouts.insert(0, record);
    }

    /// What is asked of progress from now on.
    pub fn then(&self, outcomes: impl IntoIterator<Item = Result<RolloutOutcome, PlatformError>>) {
        self.script().progress = outcomes.into_iter().collect();
    }
}

pub fn release(tag: &str) -> Release {
    Release {
        repository: "registry/api".to_owned(),
        tags: vec![tag.to_owned()],
        digest: digest(tag),
        pushed_at: None,
        size_bytes: None,
        architectures: Vec::new(),
    }
}

pub fn progress_of(record: RolloutRecord) -> RolloutProgress {
    let over = !record.outcome.is_in_progress();
    RolloutProgress {
        at: now(),
        ours: RolloutSide {
            revision: record.to.clone(),
            release: record.release.clone(),
            desired: 4,
            running: if over { 4 } else { 3 },
            pending: u32::from(!over),
            in_service: if over { 4 } else { 2 },
            draining: 0,
            failed: 0,
        },
        others: Vec::new(),
        breaker: None,
        alarms: Vec::new(),
        events: Vec::new(),
        platform_stage: None,
        record,
    }
}

pub fn unreachable() -> PlatformError {
    PlatformError::Unreachable {
        endpoint: "http://127.0.0.1:1".to_owned(),
        cause: "connection refused".to_owned(),
    }
}

pub fn throttled() -> PlatformError {
    PlatformError::Throttled {
        operation: "ecs:DescribeServiceDeployments".to_owned(),
        retry_after: std::time::Duration::from_millis(2),
    }
}

#[async_trait]
impl Platform for FakePlatform {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn caller(&self) -> Result<Caller, PlatformError> {
        Ok(Caller {
            account: Some(self.script().account.clone()),
            principal: "arn:aws:iam::123456789012:user/ana".to_owned(),
        })
    }

    async fn observe(&self) -> Result<Observation, PlatformError> {
        Ok(self.script().observation.clone())
    }

    async fn metrics(&self, _window: Window) -> Result<Metrics, PlatformError> {
        Ok(self.script().metrics.clone())
    }

    async fn rollouts(&self) -> Result<Vec<RolloutRecord>, PlatformError> {
        Ok(self.script().rollouts.clone())
    }

    async fn revision(&self, id: &RevisionId) -> Result<Revision, PlatformError> {
        let script = self.script();
        let known = script.rollouts.iter().find(|rollout| rollout.to == *id);
        let Some(known) = known else {
            return Err(PlatformError::NotFound {
                what: id.to_string(),
                hint: None,
            });
        };
        Ok(Revision {
            id: id.clone(),
            image: "registry/api".to_owned(),
            release: known.release.clone(),
            digest: known.digest.clone(),
            active: true,
            registered_at: None,
            author: known.author.clone(),
            reason: None,
            document: serde_json::Value::Null,
        })
    }

    async fn releases(&self) -> Result<Vec<Release>, PlatformError> {
        Ok(self.script().releases.clone())
    }

    async fn release(&self, reference: &ReleaseRef) -> Result<Option<Release>, PlatformError> {
        let found = |release: &&Release| match reference {
            ReleaseRef::Tag(tag) => release.tags.contains(tag),
            ReleaseRef::Digest(digest) => release.digest == *digest,
        };
        Ok(self.script().releases.iter().find(found).cloned())
    }

    async fn bill(&self) -> Result<BillOfResources, PlatformError> {
        Ok(BillOfResources::default())
    }

    async fn prepare(&self, change: &Change, note: &ChangeNote) -> Result<Prepared, PlatformError> {
        let mut script = self.script();
        script.notes.push(note.clone());
        let same = matches!(change, Change::ToRevision { revision } if script.same_as_running.contains(revision));
        let lines = if same {
            Vec::new()
        } else {
            vec![DiffLine {
                path: "containerDefinitions[api].image".to_owned(),
                from: Some("old".to_owned()),
                to: Some("new".to_owned()),
            }]
        };
        Ok(Prepared {
            change: change.clone(),
            diff: DocumentDiff { lines },
            blockers: script.blockers.clone(),
            warnings: Vec::new(),
            break_glass: script.break_glass.clone(),
            precondition: serde_json::json!({"world": "as planned"}),
            request: serde_json::json!({"password": "hunter2-not-for-the-disk"}),
            bill_after: None,
        })
    }

    async fn execute(
        &self,
        permit: &Permit,
        prepared: &Prepared,
    ) -> Result<RolloutTicket, PlatformError> {
        let _turn = self.sending_gate.acquire().await;
        let mut script = self.script();
        let sending = script.sending.clone();
        if let Sending::Refused(error) = sending {
            return Err(error);
        }
        script.sent.push(prepared.change.clone());
        let ticket = RolloutTicket {
            rollout: Some(RolloutId::from("deployment/ours")),
            revision: match &prepared.change {
                Change::ToRevision { revision } => Some(revision.clone()),
                _ => Some(revision(90)),
            },
            handle: None,
            sent_at: now(),
            desired: 4,
        };
        script.marks.push((permit.run().clone(), ticket.clone()));
        match sending {
            Sending::AnswerLost => Err(unreachable()),
            _ => Ok(ticket),
        }
    }

    async fn progress(&self, ticket: &RolloutTicket) -> Result<RolloutProgress, PlatformError> {
        let mut script = self.script();
        script.looks += 1;
        let next = match script.progress.len() {
            0 => Ok(RolloutOutcome::InProgress),
            1 => script.progress[0].clone(),
            _ => script.progress.pop_front().unwrap(),
        };
        let outcome = next?;
        let mut progress = progress_of(RolloutRecord {
            inferred: false,
            id: ticket.rollout.clone().unwrap(),
            from: None,
            to: ticket.revision.clone().unwrap_or_else(|| revision(90)),
            release: None,
            digest: None,
            started_at: at(0),
            finished_at: None,
            outcome,
            reason: script.progress_reason.clone(),
            alarms: Vec::new(),
            author: Some(author("ana")),
        });
        if let Some((ours, other)) = script.sides.clone() {
            (progress.ours, progress.others) = (ours, vec![other]);
        }
        Ok(progress)
    }

    async fn find_run(
        &self,
        run: &RunId,
        _change: &Change,
        _since: Timestamp,
    ) -> Result<Option<RolloutTicket>, PlatformError> {
        let script = self.script();
        let mark = script.marks.iter().find(|(marked, _)| marked == run);
        Ok(mark.map(|(_, ticket)| ticket.clone()))
    }

    fn logs(&self) -> LogAccess {
        LogAccess::Pages(Arc::new(Silence))
    }

    fn lock_store(&self) -> Option<Arc<dyn LockStore>> {
        self.bucket
            .clone()
            .map(|bucket| bucket as Arc<dyn LockStore>)
    }

    fn links(&self, _of: &LinkTarget) -> Option<String> {
        None
    }

    async fn checks(&self) -> Vec<Check> {
        Vec::new()
    }
}

#[async_trait]
impl LockStore for Bucket {
    fn place(&self) -> String {
        "s3://locks/prod.lock".to_owned()
    }

    async fn read(&self) -> Result<Option<LockRecord>, PlatformError> {
        Ok(self.held.lock().unwrap().clone())
    }

    async fn take(
        &self,
        _permit: &Permit,
        record: &LockRecord,
        replacing: Option<&LockRecord>,
    ) -> Result<(), PlatformError> {
        let mut held = self.held.lock().unwrap();
        let version = |record: &LockRecord| record.version.clone();
        if held.as_ref().map(version) != replacing.map(version) {
            return Err(PlatformError::Conflict {
                what: self.place(),
                change: "somebody was faster".to_owned(),
            });
        }
        let mut versions = self.versions.lock().unwrap();
        *versions += 1;
        let mut record = record.clone();
        record.version = Some(versions.to_string());
        *held = Some(record);
        Ok(())
    }

    async fn release(&self, permit: &Permit, record: &LockRecord) -> Result<(), PlatformError> {
        let mut held = self.held.lock().unwrap();
        let ours = held
            .as_ref()
            .is_some_and(|held| held.run == *permit.run() && held.version == record.version);
        if ours {
            *held = None;
        }
        Ok(())
    }
}

struct Silence;

#[async_trait]
impl LogPages for Silence {
    fn budget_key(&self) -> String {
        String::new()
    }

    async fn page(&self, _request: &PageRequest) -> Result<Page, PlatformError> {
        Ok(Page {
            events: Vec::<RawLogEvent>::new(),
            token: None,
        })
    }
}
