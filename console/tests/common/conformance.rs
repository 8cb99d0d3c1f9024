//! What every platform must do alike, written once: run by the ECS tests and the Kubernetes tests.
//!
//! What a platform cannot do is listed in docs/how-to/kubernetes.md with the reason, and is told
//! by its capabilities, never by its name.

use opsconsole::{
    model::{
        Action, Deployed, EnvironmentName, InstanceId, ReleaseRef, RolloutOutcome, RunOutcome,
        Service,
    },
    operate::{Confirmation, Operator, RunOptions},
    platform::{PageRequest, Platform},
};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// A rollout on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// One environment of the platform under test, at rest, running `old`; `new` is a good release.
pub struct Subject {
    pub platform: Arc<dyn Platform>,
    /// Two people on two machines.
    pub operators: (Operator, Operator),
    pub environment: EnvironmentName,
    pub old: &'static str,
    pub new: &'static str,
}

impl Subject {
    async fn service(&self) -> Service {
        self.platform.observe().await.expect("a look").service
    }

    /// Waits until nothing is going on and that release alone serves.
    async fn settled(&self, release: &str) -> (Service, Deployed) {
        let began = Instant::now();
        loop {
            let service = self.service().await;
            if let Some(live) = service.deployed.clone()
                && live.release.as_deref() == Some(release)
                && service.rollout.is_none()
                && service.running == service.desired
                && service.instances.len() == service.desired as usize
            {
                return (service, live);
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{release} does not settle: {service:?}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn carry_out(&self, action: Action) -> RunOutcome {
        let operator = &self.operators.0;
        let plan = operator
            .plan(&self.environment, action, None)
            .await
            .expect("a plan");
        assert!(
            plan.prepared.blockers.is_empty(),
            "{:?}",
            plan.prepared.blockers
        );
        let run = operator
            .execute(Arc::new(plan), yes(), RunOptions::default())
            .await
            .expect("it is sent");
        let mut state = run.state.clone();
        let ended = state.wait_for(|state| state.outcome.is_some());
        let Ok(ended) = tokio::time::timeout(PATIENCE, ended).await else {
            panic!("it does not end: {:#?}", *run.state.borrow());
        };
        let outcome = ended.expect("goes on").outcome.clone();
        outcome.expect("an outcome")
    }

    fn deploy(&self, release: &str) -> Action {
        Action::Deploy {
            release: ReleaseRef::Tag(release.to_owned()),
        }
    }
}

fn yes() -> Confirmation {
    Confirmation {
        yes: true,
        ..Confirmation::default()
    }
}

fn names(service: &Service) -> HashSet<InstanceId> {
    service
        .instances
        .iter()
        .map(|instance| instance.id.clone())
        .collect()
}

/// All of it, in an order that leaves the environment as it was.
pub async fn conforms(subject: &Subject) {
    it_shows_what_is_there(subject).await;
    it_deploys_and_remembers(subject).await;
    it_refuses_a_plan_that_the_world_overtook(subject).await;
    it_goes_back(subject).await;
    it_restarts_scales_and_replaces(subject).await;
    its_logs_have_names_that_stay(subject).await;
    it_leaves_no_lock(subject).await;
}

async fn it_shows_what_is_there(subject: &Subject) {
    let (service, live) = subject.settled(subject.old).await;
    assert!(!subject.platform.capabilities().label.is_empty());
    assert!(!live.image.is_empty());
    assert!(service.instances.iter().all(|instance| {
        instance.revision == live.revision
            && instance.release.as_deref() == Some(subject.old)
            && instance.log_stream.is_some()
    }));
    let revision = subject.platform.revision(&live.revision).await;
    let revision = revision.expect("what is live can be read");
    assert_eq!(revision.release.as_deref(), Some(subject.old));
    assert!(revision.document.is_object());
    let caller = subject.platform.caller().await.expect("somebody");
    assert!(!caller.principal.is_empty());
    let bill = subject.platform.bill().await.expect("a bill");
    assert!(!bill.lines.is_empty());
    let failing: Vec<_> = subject
        .platform
        .checks()
        .await
        .into_iter()
        .filter(|check| !check.ok && check.remedy.is_none())
        .collect();
    assert!(failing.is_empty(), "without a way out: {failing:?}");
    let absent = opsconsole::model::RevisionId::from("no-such-revision:1");
    let said = subject
        .platform
        .revision(&absent)
        .await
        .expect_err("it is not there");
    assert!(said.to_string().contains("no-such-revision"), "{said}");
}

async fn it_deploys_and_remembers(subject: &Subject) {
    let outcome = subject.carry_out(subject.deploy(subject.new)).await;
    assert_eq!(outcome, RunOutcome::Done);
    let (_, live) = subject.settled(subject.new).await;
    let rollouts = subject.platform.rollouts().await.expect("a history");
    assert_eq!(rollouts[0].to, live.revision);
    assert_eq!(rollouts[0].outcome, RolloutOutcome::Succeeded);
    assert_eq!(rollouts[0].release.as_deref(), Some(subject.new));
    let ids: BTreeSet<String> = rollouts
        .iter()
        .map(|rollout| rollout.id.to_string())
        .collect();
    assert_eq!(
        ids.len(),
        rollouts.len(),
        "each rollout has a name of its own"
    );
    assert!(
        rollouts.is_sorted_by(|a, b| a.started_at >= b.started_at),
        "newest first"
    );
    let releases = subject.platform.releases().await.expect("releases");
    for wanted in [subject.old, subject.new] {
        assert!(
            releases
                .iter()
                .any(|release| release.tags.iter().any(|tag| tag == wanted)),
            "{wanted}"
        );
    }
}

async fn it_refuses_a_plan_that_the_world_overtook(subject: &Subject) {
    let second = &subject.operators.1;
    let stale = second
        .plan(&subject.environment, subject.deploy(subject.old), None)
        .await
        .expect("a plan");
    // Word for word the same pods, but somebody was here: their own deployment, back and forth.
    assert_eq!(
        subject.carry_out(Action::Rollback { to: None }).await,
        RunOutcome::Done
    );
    subject.settled(subject.old).await;
    let refused = second
        .execute(Arc::new(stale), yes(), RunOptions::default())
        .await;
    assert!(refused.is_err(), "a plan of another world was carried out");
    let outcome = subject.carry_out(subject.deploy(subject.new)).await;
    assert_eq!(outcome, RunOutcome::Done);
    subject.settled(subject.new).await;
}

async fn it_goes_back(subject: &Subject) {
    let outcome = subject.carry_out(Action::Rollback { to: None }).await;
    assert_eq!(outcome, RunOutcome::Done);
    subject.settled(subject.old).await;
}

async fn it_restarts_scales_and_replaces(subject: &Subject) {
    let (before, _) = subject.settled(subject.old).await;
    assert_eq!(subject.carry_out(Action::Restart).await, RunOutcome::Done);
    let (after, _) = subject.settled(subject.old).await;
    assert!(
        names(&before).is_disjoint(&names(&after)),
        "each one is new"
    );
    for desired in [before.desired + 1, before.desired] {
        let outcome = subject.carry_out(Action::Scale { desired }).await;
        assert_eq!(outcome, RunOutcome::Done);
        assert_eq!(subject.settled(subject.old).await.0.desired, desired);
    }
    let (service, _) = subject.settled(subject.old).await;
    let victim = service.instances[0].id.clone();
    let stop = Action::StopInstance {
        instance: victim.clone(),
    };
    assert_eq!(subject.carry_out(stop).await, RunOutcome::Done);
    let (service, _) = subject.settled(subject.old).await;
    assert!(!names(&service).contains(&victim));
}

async fn its_logs_have_names_that_stay(subject: &Subject) {
    let access = subject.platform.logs();
    let read = || async {
        let mut request = PageRequest::default();
        let mut ids = Vec::new();
        for _ in 0..20 {
            let page = access.pages().page(&request).await.expect("a page");
            ids.extend(page.events.into_iter().map(|event| event.id));
            request.token = page.token;
            if request.token.is_none() {
                break;
            }
        }
        ids
    };
    let (first, again) = (read().await, read().await);
    let unique: HashSet<&String> = first.iter().collect();
    assert_eq!(unique.len(), first.len(), "each line has a name of its own");
    let again: HashSet<&String> = again.iter().collect();
    let lost = first
        .iter()
        .take(100)
        .filter(|id| !again.contains(id))
        .count();
    assert_eq!(lost, 0, "what was read is read again under its name");
}

async fn it_leaves_no_lock(subject: &Subject) {
    let store = subject.platform.lock_store().expect("a shared lock");
    assert!(!store.place().is_empty());
    assert_eq!(store.read().await.expect("it can be read"), None);
}
