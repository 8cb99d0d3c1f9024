//! How runs end, and what does not end them.

use super::{fake::*, world::*};
use crate::{
    model::{Action, Change, RolloutOutcome::*, RolloutSide, RunOutcome, StageState, Verdict},
    operate::RunOptions,
    platform::PlatformError,
    store::HistoryQuery,
};
use std::{sync::Arc, time::Duration};

fn past() -> Vec<crate::model::RolloutRecord> {
    vec![rollout(2, "1.4.1", -10), rollout(1, "1.4.0", -600)]
}

#[tokio::test]
async fn each_end_of_a_rollout_has_its_own_outcome_and_exit_code() {
    for (said, word, code) in [
        (Succeeded, "done", 0),
        (RolledBack, "rolled back", 3),
        (Superseded, "superseded", 7),
        (Failed, "failed", 8),
        (Stopped, "stopped", 9),
    ] {
        let home = tempfile::tempdir().unwrap();
        let platform = FakePlatform::running(2, "1.4.1", past());
        platform.then([Ok(InProgress), Ok(InProgress), Ok(said)]);
        platform.script().progress_reason = Some("the platform's words".to_owned());
        let console = Console::open(home.path(), &platform).await;
        let run = console.run(Action::Restart).await.unwrap();
        let id = run.id.clone();
        let ended = outcome(run).await;
        assert_eq!((ended.word(), ended.exit_code()), (word, code));
        let expected = (said != Succeeded).then(|| "the platform's words".to_owned());
        assert_eq!(ended.reason(), expected);
        let record = console.store.run(&id).await.unwrap().unwrap();
        assert_eq!(record.outcome, Some(ended));
    }
}

#[tokio::test]
async fn the_stages_are_reached_one_after_the_other() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.then([Ok(InProgress)]);
    let console = Console::open(home.path(), &platform).await;
    let mut run = console.run(Action::Restart).await.unwrap();
    let rolling = until(&mut run, |state| state.progress.is_some()).await;
    let states: Vec<_> = rolling
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.state))
        .collect();
    assert_eq!(
        states,
        [
            ("planned", StageState::Done),
            ("confirmed", StageState::Done),
            ("locked", StageState::Done),
            ("sent", StageState::Done),
            ("new tasks", StageState::Running),
            ("draining", StageState::Waiting),
            ("stable", StageState::Waiting),
        ]
    );
    assert_eq!(rolling.stages[4].detail.as_deref(), Some("2/4 healthy"));
    platform.then([Ok(Succeeded)]);
    let state = ended(run).await;
    assert!(
        state
            .stages
            .iter()
            .all(|stage| stage.state == StageState::Done)
    );
}

#[tokio::test]
async fn a_failure_marks_the_stage_it_happened_in() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.then([Ok(InProgress), Ok(RolledBack)]);
    platform.script().progress_reason = Some("circuit breaker".to_owned());
    let console = Console::open(home.path(), &platform).await;
    let state = ended(console.run(Action::Restart).await.unwrap()).await;
    let failed: Vec<_> = state
        .stages
        .iter()
        .filter(|stage| stage.state == StageState::Failed)
        .map(|stage| stage.detail.clone().unwrap())
        .collect();
    assert_eq!(failed, ["rolled back: circuit breaker"]);
}

#[tokio::test]
async fn throttling_outages_and_expired_credentials_never_end_a_watch() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let expired = PlatformError::Credentials {
        cause: "ExpiredToken".to_owned(),
        remedy: "Log in again".to_owned(),
    };
    let console = Console::open(home.path(), &platform).await;
    platform.then([Err(expired)]);
    let mut run = console.run(Action::Restart).await.unwrap();
    let troubled = until(&mut run, |state| state.trouble.is_some()).await;
    assert!(troubled.trouble.unwrap().contains("Log in again"));
    assert_eq!(troubled.outcome, None);
    platform.then([
        Err(throttled()),
        Err(unreachable()),
        Err(throttled()),
        Ok(InProgress),
        Err(unreachable()),
        Ok(Succeeded),
    ]);
    let state = ended(run).await;
    assert_eq!(state.outcome, Some(RunOutcome::Done));
    assert_eq!(state.trouble, None);
}

#[tokio::test]
async fn a_rollout_that_does_not_end_in_time_is_timed_out() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.then([Ok(InProgress)]);
    let console = Console::open(home.path(), &platform).await;
    let plan = console.plan(Action::Restart).await.unwrap();
    let options = RunOptions {
        timeout: Duration::from_secs(600),
        watch: true,
    };
    let mut run = console
        .operator
        .execute(Arc::new(plan), yes(), options)
        .await
        .unwrap();
    until(&mut run, |state| state.progress.is_some()).await;
    console.wait_minutes(11);
    let ended = outcome(run).await;
    assert_eq!(ended, RunOutcome::TimedOut { after_s: 660 });
    assert_eq!(ended.exit_code(), 6);
}

#[tokio::test]
async fn rolling_back_in_flight_stops_the_rollout_and_going_back_is_done() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(1, "1.4.0", vec![rollout(1, "1.4.0", -600)]);
    let coming = rollout(2, "1.6.1", -1).coming_from(1).ended(InProgress);
    platform.rolls_out(coming.clone());
    platform.then([Ok(InProgress), Ok(RolledBack)]);
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    assert_eq!(plan.from.as_ref().unwrap().deployed.name(), "1.6.1");
    assert_eq!(plan.to.as_ref().unwrap().deployed.name(), "1.4.0");
    let run = console.execute(plan, yes()).await.unwrap();
    assert_eq!(outcome(run).await, RunOutcome::Done);
    assert_eq!(
        platform.sent(),
        [Change::StopRollout { rollout: coming.id }]
    );
    let judged = console.store.judgements(&prod()).await.unwrap();
    assert_eq!(
        (judged[0].revision.clone(), judged[0].verdict),
        (revision(2), Verdict::Stopped)
    );
}

#[tokio::test]
async fn going_back_in_flight_counts_the_side_that_comes_back_whichever_the_platform_calls_ours() {
    let side = |number, healthy, failed| RolloutSide {
        revision: revision(number),
        release: None,
        desired: healthy,
        running: healthy,
        pending: 0,
        in_service: healthy,
        draining: 0,
        failed,
    };
    let (back, stopped) = (side(1, 4, 0), side(2, 0, 1));
    let as_ecs = (stopped.clone(), back.clone());
    let as_kubernetes = (back, stopped);
    for sides in [as_ecs, as_kubernetes] {
        let home = tempfile::tempdir().unwrap();
        let platform = FakePlatform::running(1, "1.4.0", vec![rollout(1, "1.4.0", -600)]);
        platform.rolls_out(rollout(2, "1.6.1", -1).coming_from(1).ended(InProgress));
        platform.then([Ok(RolledBack)]);
        platform.script().sides = Some(sides);
        let console = Console::open(home.path(), &platform).await;
        let plan = console.roll_back().await.unwrap();
        let run = console.execute(plan, yes()).await.unwrap();
        let state = ended(run).await;
        let arrival = state.stages.iter().find(|stage| stage.name == "new tasks");
        assert_eq!(arrival.unwrap().detail.as_deref(), Some("4/4 healthy"));
    }
}

#[tokio::test]
async fn a_rollout_that_is_stopped_and_still_live_is_a_failure() {
    for (ended, live, word) in [
        (Stopped, 2, "failed"),
        (Stopped, 1, "done"),
        // It was faster than the stop.
        (Succeeded, 2, "failed"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let platform = FakePlatform::running(1, "1.4.0", vec![rollout(1, "1.4.0", -600)]);
        platform.rolls_out(rollout(2, "1.6.1", -1).coming_from(1).ended(InProgress));
        let console = Console::open(home.path(), &platform).await;
        let plan = console.roll_back().await.unwrap();
        platform.then([Ok(ended)]);
        platform.script().observation = observation(live, "whatever");
        let run = console.execute(plan, yes()).await.unwrap();
        assert_eq!(outcome(run).await.word(), word);
    }
}

#[tokio::test]
async fn not_waiting_lets_the_lock_go_and_the_next_console_records_the_end() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    platform.then([Ok(Succeeded)]);
    let console = Console::open(home.path(), &platform).await;
    let plan = console.plan(Action::Restart).await.unwrap();
    let options = RunOptions {
        watch: false,
        ..RunOptions::default()
    };
    let run = console
        .operator
        .execute(Arc::new(plan), yes(), options)
        .await
        .unwrap();
    assert_eq!(run.state.borrow().outcome, None);
    let bucket = platform.bucket.clone().unwrap();
    assert_eq!(*bucket.held.lock().unwrap(), None);
    assert_eq!(platform.script().looks, 0);

    let next = Console::open(home.path(), &platform).await;
    let resumed = next.operator.resume_unfinished().await.unwrap();
    assert_eq!(resumed.len(), 1);
    assert_eq!(resumed[0].id, run.id);
    assert_eq!(outcome(resumed[0].clone()).await, RunOutcome::Done);
    assert_eq!(platform.sent().len(), 1);
}

#[tokio::test]
async fn history_is_paged_by_environment_newest_first() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let run = console.run(Action::Restart).await.unwrap();
        ids.push(run.id.clone());
        outcome(run).await;
    }
    ids.reverse();
    let mut query = HistoryQuery {
        environment: Some(prod()),
        before: None,
        limit: 2,
    };
    let mut read = Vec::new();
    loop {
        let page = console.store.history(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.before = Some(last.id.clone());
        read.extend(page.into_iter().map(|run| run.id));
    }
    assert_eq!(read, ids);
    query.environment = Some("dev".into());
    query.before = None;
    assert_eq!(console.store.history(&query).await.unwrap(), []);
}
