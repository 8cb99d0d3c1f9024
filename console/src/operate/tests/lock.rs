//! Two consoles, one environment.

use super::{fake::*, world::*};
use crate::{
    model::{Action, LockRecord, ReleaseRef, RolloutOutcome, RunId, RunOutcome},
    operate::{Confirmation, Gate, OperateError, RunHandle},
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

/// A deploy of 1.6.1 under somebody's lock, in flight, and the plan that stops it.
async fn a_deploy_in_flight(platform: &Arc<FakePlatform>, console: &Console) -> RunHandle {
    platform.then([Ok(RolloutOutcome::InProgress)]);
    let deploy = Action::Deploy {
        release: ReleaseRef::Tag("1.6.1".to_owned()),
    };
    let run = console.run(deploy).await.unwrap();
    let mut coming = rollout(90, "1.6.1", 0)
        .coming_from(2)
        .ended(RolloutOutcome::InProgress);
    coming.id = "deployment/ours".into();
    platform.rolls_out(coming);
    run
}

#[tokio::test]
async fn ones_own_deploy_in_flight_can_be_stopped_in_spite_of_its_lock() {
    for shared in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let platform = if shared {
            FakePlatform::with_bucket(2, "1.4.1", past())
        } else {
            FakePlatform::running(2, "1.4.1", past())
        };
        let console = Console::open(home.path(), &platform).await;
        let deploy = a_deploy_in_flight(&platform, &console).await;
        let plan = console.roll_back().await.unwrap();
        assert_eq!(console.operator.gate(&plan).await.unwrap(), Gate::Confirm);
        let stop = console.execute(plan, yes()).await.unwrap();
        // The lock has gone over to the stop; the deploy is watched on without it.
        let held = stop.state.borrow().lock.clone().unwrap();
        assert_eq!(held.run, stop.id);
        platform.then([Ok(RolloutOutcome::RolledBack)]);
        assert_eq!(outcome(stop).await, RunOutcome::Done);
        assert!(matches!(
            outcome(deploy).await,
            RunOutcome::RolledBack { .. }
        ));
        platform.then([Ok(RolloutOutcome::Succeeded)]);
        assert_eq!(platform.sent().len(), 2);
        // And is free when both are over.
        outcome(console.run(Action::Restart).await.unwrap()).await;
    }
}

#[tokio::test]
async fn somebody_elses_deploy_in_flight_is_stopped_with_a_reason_from_another_machine_too() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    let [first, second] = two_consoles(&platform, [&homes[0], &homes[1]]).await;
    a_deploy_in_flight(&platform, &first).await;
    let bucket = platform.bucket.clone().unwrap();
    bucket.held.lock().unwrap().as_mut().unwrap().owner = author("ben");
    let plan = second.roll_back().await.unwrap();
    let Gate::BreakGlass { why, .. } = second.operator.gate(&plan).await.unwrap() else {
        panic!("ben's lock is not in the way");
    };
    assert_eq!(
        why,
        "ben on laptop holds the lock for \"deploy 1.6.1\", which this puts an end to"
    );
    second.execute(plan.clone(), yes()).await.unwrap_err();
    let reasoned = Confirmation {
        yes: true,
        break_glass: Some("5xx everywhere".to_owned()),
        typed_name: None,
    };
    second.execute(plan, reasoned).await.unwrap();
    assert_eq!(platform.sent().len(), 2);
}

#[tokio::test]
async fn a_lock_for_something_else_is_not_passed_by_stopping_a_rollout() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    platform.rolls_out(
        rollout(3, "1.6.1", -1)
            .coming_from(2)
            .ended(RolloutOutcome::InProgress),
    );
    let bucket = platform.bucket.clone().unwrap();
    *bucket.held.lock().unwrap() = Some(bens_lock(5));
    let refused = console
        .run(Action::Rollback { to: None })
        .await
        .unwrap_err();
    assert!(matches!(refused, OperateError::Locked { .. }), "{refused}");
}
