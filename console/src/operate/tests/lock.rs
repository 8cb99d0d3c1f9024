//! Two consoles, one environment.

use super::{fake::*, world::*};
use crate::{
    model::{Action, LockRecord, RolloutOutcome, RunId, RunOutcome},
    operate::{Confirmation, Gate, OperateError},
    platform::LockStore,
};
use std::sync::Arc;

fn past() -> Vec<crate::model::RolloutRecord> {
    vec![rollout(2, "1.4.1", -10), rollout(1, "1.4.0", -600)]
}

fn bens_lock(until_minute: i64) -> LockRecord {
    LockRecord {
        run: RunId::from("somebody-elses-run"),
        owner: author("ben"),
        purpose: "deploy 1.5.0".to_owned(),
        taken_at: at(-10),
        expires_at: at(until_minute),
        version: Some("77".to_owned()),
    }
}

/// A bucket on two machines, or one data directory on one.
async fn two_consoles(
    platform: &Arc<FakePlatform>,
    homes: [&tempfile::TempDir; 2],
) -> [Console; 2] {
    [
        Console::open(homes[0].path(), platform).await,
        Console::open(homes[1].path(), platform).await,
    ]
}

async fn the_second_is_told_who_holds_it(platform: Arc<FakePlatform>, consoles: [Console; 2]) {
    platform.then([Ok(RolloutOutcome::InProgress)]);
    let [first, second] = consoles;
    let plan = second.roll_back().await.unwrap();
    let run = first.run(Action::Rollback { to: None }).await.unwrap();
    let refused = second.execute(plan, yes()).await.unwrap_err();
    let OperateError::Locked { owner, purpose, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(owner, "ana on laptop");
    assert_eq!(purpose, "roll back to 1.4.0");
    assert_eq!(refused.exit_code(), 4);
    assert_eq!(platform.sent().len(), 1);
    // The first is over: the lock is free again.
    platform.then([Ok(RolloutOutcome::Succeeded)]);
    outcome(run).await;
    outcome(second.run(Action::Restart).await.unwrap()).await;
    assert_eq!(platform.sent().len(), 2);
}

#[tokio::test]
async fn of_two_consoles_on_two_machines_one_gets_the_bucket_lock() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    let consoles = two_consoles(&platform, [&homes[0], &homes[1]]).await;
    the_second_is_told_who_holds_it(platform, consoles).await;
}

#[tokio::test]
async fn of_two_consoles_on_one_machine_one_gets_the_local_lock() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let consoles = two_consoles(&platform, [&home, &home]).await;
    the_second_is_told_who_holds_it(platform, consoles).await;
}

#[tokio::test]
async fn two_confirmations_at_the_same_moment_send_one_change() {
    for shared in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let platform = if shared {
            FakePlatform::with_bucket(2, "1.4.1", past())
        } else {
            FakePlatform::running(2, "1.4.1", past())
        };
        platform.then([Ok(RolloutOutcome::InProgress)]);
        let [first, second] = two_consoles(&platform, [&home, &home]).await;
        let plans = (
            first.roll_back().await.unwrap(),
            second.roll_back().await.unwrap(),
        );
        let (one, other) = tokio::join!(
            first.execute(plans.0, yes()),
            second.execute(plans.1, yes())
        );
        assert_eq!(platform.sent().len(), 1, "shared: {shared}");
        let refused = match (one, other) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("{both:?}"),
        };
        assert!(matches!(refused, OperateError::Locked { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_lock_left_behind_is_taken_over_only_with_a_reason() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let bucket = platform.bucket.clone().unwrap();
    *bucket.held.lock().unwrap() = Some(bens_lock(-1));
    let plan = console.roll_back().await.unwrap();
    let Gate::BreakGlass { why, .. } = console.operator.gate(&plan).await.unwrap() else {
        panic!("a stale lock is not in the way");
    };
    assert!(why.contains("ben on laptop"), "{why}");
    console.execute(plan.clone(), yes()).await.unwrap_err();
    let reasoned = Confirmation {
        yes: true,
        break_glass: Some("ben's laptop died".to_owned()),
        typed_name: None,
    };
    let run = console.execute(plan, reasoned).await.unwrap();
    let id = run.id.clone();
    assert_eq!(outcome(run).await, RunOutcome::Done);
    let record = console.store.run(&id).await.unwrap().unwrap();
    assert_eq!(record.break_glass.as_deref(), Some("ben's laptop died"));
    assert_eq!(bucket.read().await.unwrap(), None);
}

#[tokio::test]
async fn a_lock_that_is_held_passes_with_no_reason_at_all() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let bucket = platform.bucket.clone().unwrap();
    *bucket.held.lock().unwrap() = Some(bens_lock(5));
    let plan = console.roll_back().await.unwrap();
    let everything = Confirmation {
        yes: true,
        typed_name: Some("prod".to_owned()),
        break_glass: Some("I want to".to_owned()),
    };
    let refused = console.execute(plan, everything).await.unwrap_err();
    assert!(matches!(refused, OperateError::Locked { .. }), "{refused}");
    assert_eq!(bucket.read().await.unwrap(), Some(bens_lock(5)));
    assert_eq!(platform.sent(), []);
}

#[tokio::test]
async fn the_lock_is_let_go_when_the_platform_refuses() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    platform.script().sending = Sending::Refused(crate::platform::PlatformError::Conflict {
        what: "service prod/api".to_owned(),
        change: "it runs api-prod:3 now".to_owned(),
    });
    let console = Console::open(home.path(), &platform).await;
    let refused = console.run(Action::Restart).await.unwrap_err();
    assert_eq!(refused.exit_code(), 7);
    let bucket = platform.bucket.clone().unwrap();
    assert_eq!(bucket.read().await.unwrap(), None);
}

#[tokio::test]
async fn the_lock_is_let_go_when_the_rollout_fails() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    platform.then([Ok(RolloutOutcome::Failed)]);
    let console = Console::open(home.path(), &platform).await;
    let run = console.run(Action::Restart).await.unwrap();
    assert!(matches!(outcome(run).await, RunOutcome::Failed { .. }));
    let bucket = platform.bucket.clone().unwrap();
    assert_eq!(bucket.read().await.unwrap(), None);
}

#[tokio::test]
async fn a_lock_is_renewed_while_its_run_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    platform.then([Ok(RolloutOutcome::InProgress)]);
    let console = Console::open_hasty(home.path(), &platform).await;
    let mut run = console.run(Action::Restart).await.unwrap();
    let first = run.state.borrow().lock.clone().unwrap();
    console.wait_minutes(3);
    let renewed = until(&mut run, |state| {
        state
            .lock
            .as_ref()
            .is_some_and(|lock| lock.expires_at > first.expires_at)
    })
    .await;
    assert_eq!(renewed.lock.unwrap().run, run.id);
    platform.then([Ok(RolloutOutcome::Succeeded)]);
    outcome(run).await;
}

#[tokio::test]
async fn a_run_whose_lock_was_taken_over_goes_on_watching_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    platform.then([Ok(RolloutOutcome::InProgress)]);
    let console = Console::open_hasty(home.path(), &platform).await;
    let mut run = console.run(Action::Restart).await.unwrap();
    let bucket = platform.bucket.clone().unwrap();
    *bucket.held.lock().unwrap() = Some(bens_lock(5));
    until(&mut run, |state| state.lock.is_none()).await;
    platform.then([Ok(RolloutOutcome::Succeeded)]);
    assert_eq!(outcome(run).await, RunOutcome::Done);
    // Ben's lock is not ours to let go.
    assert_eq!(bucket.read().await.unwrap(), Some(bens_lock(5)));
}

#[tokio::test]
async fn without_a_bucket_the_plan_says_that_the_lock_holds_here_only() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    assert_eq!(
        plan.prepared.warnings,
        ["no lock bucket is configured: the lock holds on this machine only"]
    );
}
