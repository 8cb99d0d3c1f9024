//! A console dies in the middle; the next one finds what it left.

use super::{fake::*, world::*};
use crate::{
    config::PlatformConfig,
    model::{Action, ReleaseRef, RolloutOutcome::*, RunId, RunOutcome},
    operate::Operator,
    platform::PlatformError,
    store::NewRun,
};

fn past() -> Vec<crate::model::RolloutRecord> {
    vec![rollout(2, "1.4.1", -10), rollout(1, "1.4.0", -600)]
}

/// A process that is gone: pids are below 2^22 on Linux and 99999 on macOS.
const DEAD: u32 = 0x7fff_fff0;

/// What a console leaves that is killed between recording and sending, or right after sending.
async fn killed(console: &Console, action: Action, id: &str, watcher: u32) -> RunId {
    let plan = console.plan(action).await.unwrap();
    let id = RunId::from(id);
    let scope = config("prod", crate::config::Guard::Confirm).scope();
    console
        .store
        .begin_run(&NewRun {
            id: &id,
            scope: &scope,
            plan: &plan,
            principal: None,
            break_glass: None,
            started_at: at(0),
            deadline_at: at(30),
            watcher,
        })
        .await
        .unwrap();
    id
}

async fn resume(operator: &Operator) -> Vec<crate::operate::RunHandle> {
    operator.resume_unfinished().await.unwrap()
}

#[tokio::test]
async fn a_run_killed_while_it_was_watched_is_watched_on_and_not_sent_again() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    platform.then([Ok(InProgress)]);
    let first = Console::open(home.path(), &platform).await;
    let run = first.run(Action::Rollback { to: None }).await.unwrap();
    // The console goes away; its lock stays where it is, as after a kill -9.
    let bucket = platform.bucket.clone().unwrap();
    let lock = bucket.held.lock().unwrap().clone();
    first.operator.leave().await;
    *bucket.held.lock().unwrap() = lock;

    let next = Console::open(home.path(), &platform).await;
    let resumed = resume(&next.operator).await;
    assert_eq!(resumed[0].id, run.id);
    assert!(
        resumed[0].state.borrow().lock.is_some(),
        "its lock is its own"
    );
    assert_eq!(next.operator.running().len(), 1);
    platform.then([Ok(Succeeded)]);
    assert_eq!(outcome(resumed[0].clone()).await, RunOutcome::Done);
    assert_eq!(platform.sent().len(), 1);
    assert_eq!(*bucket.held.lock().unwrap(), None);
    assert_eq!(resume(&next.operator).await.len(), 0);
    assert_eq!(next.operator.running().len(), 0);
}

#[tokio::test]
async fn a_run_killed_before_sending_is_closed_as_unknown() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let id = killed(&console, Action::Restart, "run-1", DEAD).await;
    assert_eq!(resume(&console.operator).await.len(), 0);
    let record = console.store.run(&id).await.unwrap().unwrap();
    let Some(RunOutcome::Unknown { reason }) = record.outcome else {
        panic!("{:?}", record.outcome);
    };
    assert!(reason.ends_with("it was not sent again"), "{reason}");
    assert_eq!(platform.sent(), []);
}

#[tokio::test]
async fn a_run_killed_after_sending_is_found_by_the_mark_it_left() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let deploy = Action::Deploy {
        release: ReleaseRef::Tag("1.5.0".to_owned()),
    };
    let id = killed(&console, deploy, "run-1", DEAD).await;
    let ticket = crate::model::RolloutTicket {
        rollout: Some("deployment/ours".into()),
        revision: Some(revision(3)),
        handle: None,
        sent_at: at(0),
        desired: 4,
    };
    platform.script().marks = vec![(id.clone(), ticket.clone())];
    let resumed = resume(&console.operator).await;
    assert_eq!(outcome(resumed[0].clone()).await, RunOutcome::Done);
    let record = console.store.run(&id).await.unwrap().unwrap();
    assert_eq!(record.ticket, Some(ticket));
    assert_eq!(platform.sent(), []);
}

#[tokio::test]
async fn a_rollback_that_registers_nothing_is_found_by_its_effect() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let id = killed(&console, Action::Rollback { to: None }, "run-1", DEAD).await;
    let arrived = rollout(1, "1.4.0", 0).ended(InProgress);
    platform.script().rollouts.insert(0, arrived.clone());
    let resumed = resume(&console.operator).await;
    assert_eq!(resumed.len(), 1);
    outcome(resumed[0].clone()).await;
    let record = console.store.run(&id).await.unwrap().unwrap();
    assert_eq!(record.ticket.unwrap().rollout, Some(arrived.id));
}

#[tokio::test]
async fn a_run_that_a_living_console_watches_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let parent = std::os::unix::process::parent_id();
    killed(&console, Action::Restart, "run-1", parent).await;
    assert_eq!(resume(&console.operator).await.len(), 0);
    assert_eq!(console.store.unfinished_runs().await.unwrap().len(), 1);
    // A minute without a sign of life: the pid is somebody else's by now.
    console.wait_minutes(2);
    resume(&console.operator).await;
    assert_eq!(console.store.unfinished_runs().await.unwrap().len(), 0);
}

#[tokio::test]
async fn of_two_consoles_that_start_at_once_one_resumes() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.then([Ok(InProgress)]);
    let console = Console::open(home.path(), &platform).await;
    let run = console.run(Action::Restart).await.unwrap();
    console.operator.leave().await;
    let record = console.store.run(&run.id).await.unwrap().unwrap();
    let (first, second) = tokio::join!(
        console.store.claim_run(&record, 1, at(0)),
        console.store.claim_run(&record, 2, at(0)),
    );
    assert_ne!(first.unwrap(), second.unwrap());
}

#[tokio::test]
async fn a_run_past_its_deadline_gets_one_good_look_first() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.then([Ok(InProgress)]);
    let console = Console::open(home.path(), &platform).await;
    console.run(Action::Restart).await.unwrap();
    console.operator.leave().await;
    let next = Console::open(home.path(), &platform).await;
    next.wait_minutes(600);
    platform.then([Ok(RolledBack)]);
    let resumed = resume(&next.operator).await;
    assert!(matches!(
        outcome(resumed[0].clone()).await,
        RunOutcome::RolledBack { .. }
    ));
}

#[tokio::test]
async fn an_environment_of_another_configuration_keeps_its_runs() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    killed(&console, Action::Restart, "run-1", DEAD).await;
    let other = Console::open_with(home.path(), &platform, |config| {
        let PlatformConfig::Ecs(ecs) = &mut config.platform else {
            panic!("the fake's environments are on ECS");
        };
        ecs.service = "another".to_owned();
    })
    .await;
    assert_eq!(resume(&other.operator).await.len(), 0);
    assert_eq!(console.store.unfinished_runs().await.unwrap().len(), 1);
}

#[tokio::test]
async fn leaving_lets_the_lock_go_and_the_run_live() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    platform.then([Err::<_, PlatformError>(throttled())]);
    let console = Console::open(home.path(), &platform).await;
    let run = console.run(Action::Restart).await.unwrap();
    console.operator.leave().await;
    let bucket = platform.bucket.clone().unwrap();
    assert_eq!(*bucket.held.lock().unwrap(), None);
    let record = console.store.run(&run.id).await.unwrap().unwrap();
    assert_eq!((record.outcome, record.watcher), (None, None));
    assert_eq!(console.operator.running().len(), 0);
}

#[tokio::test]
async fn a_command_that_does_not_stay_records_what_is_over_and_leaves_the_rest() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    platform.then([Ok(InProgress)]);
    let console = Console::open(home.path(), &platform).await;
    let run = console.run(Action::Restart).await.unwrap();
    console.operator.leave().await;

    let command = Console::open(home.path(), &platform).await;
    let moment = std::time::Duration::from_millis(20);
    command.operator.settle_unfinished(moment).await.unwrap();
    assert_eq!(command.store.unfinished_runs().await.unwrap().len(), 1);
    platform.then([Ok(Succeeded)]);
    let enough = std::time::Duration::from_secs(20);
    command.operator.settle_unfinished(enough).await.unwrap();
    let record = command.store.run(&run.id).await.unwrap().unwrap();
    assert_eq!(record.outcome, Some(RunOutcome::Done));
    assert_eq!(*platform.bucket.clone().unwrap().held.lock().unwrap(), None);
    assert_eq!(platform.sent().len(), 1);
}

#[tokio::test]
async fn who_brought_an_old_revision_back_is_named_and_not_who_registered_it() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    outcome(console.run(Action::Rollback { to: None }).await.unwrap()).await;
    let mut back = rollout(1, "1.4.0", 0).by("whoever registered it");
    back.id = "deployment/ours".into();
    let mut rollouts = [back, past()[0].clone().by("ben")];
    console
        .operator
        .credit(&prod(), &mut rollouts)
        .await
        .unwrap();
    assert_eq!(rollouts[0].author, Some(author("ana")));
    assert_eq!(rollouts[1].author, Some(author("ben")));
}
