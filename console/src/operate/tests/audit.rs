//! Nothing is done that is not recorded.

use super::{fake::*, world::*};
use crate::{
    model::{Action, RolloutOutcome, RunOutcome, Verdict},
    operate::{OperateError, RunOptions},
    store::{HistoryQuery, Store},
};
use std::sync::Arc;

fn past() -> Vec<crate::model::RolloutRecord> {
    vec![rollout(2, "1.4.1", -10), rollout(1, "1.4.0", -600)]
}

#[tokio::test]
async fn the_record_tells_who_what_and_how_it_ended() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let plan = console
        .operator
        .plan(
            &prod(),
            Action::Rollback { to: None },
            Some("5xx since the deploy".to_owned()),
        )
        .await
        .unwrap();
    let run = console.execute(plan, yes()).await.unwrap();
    let id = run.id.clone();
    outcome(run).await;
    let record = console.store.run(&id).await.unwrap().unwrap();
    assert_eq!(record.author, author("ana"));
    assert_eq!(
        record.principal.as_deref(),
        Some("arn:aws:iam::123456789012:user/ana")
    );
    assert_eq!(record.verb, "roll back");
    assert_eq!(record.reason.as_deref(), Some("5xx since the deploy"));
    assert_eq!(
        (record.from.as_deref(), record.to.as_deref()),
        (Some("1.4.1"), Some("1.4.0"))
    );
    assert_eq!(record.outcome, Some(RunOutcome::Done));
    assert_eq!(record.ticket.unwrap().revision, Some(revision(1)));
    let plan = record.plan.unwrap();
    assert!(plan.prepared.request.is_null());
    assert!(plan.prepared.precondition.is_null());
    let judged = console.store.judgements(&prod()).await.unwrap();
    assert_eq!(judged.len(), 1);
    assert_eq!(
        (judged[0].revision.clone(), judged[0].verdict),
        (revision(2), Verdict::RolledAway)
    );
}

#[tokio::test]
async fn the_request_never_reaches_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    outcome(console.run(Action::Restart).await.unwrap()).await;
    console.store.close().await;
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(memchr::memmem::find(&bytes, b"hunter2").is_none());
    }
}

#[tokio::test]
async fn the_record_is_on_the_disk_before_anything_is_sent() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    let gate = platform.sending_gate.acquire_many(1000).await.unwrap();
    let operator = console.operator.clone();
    let sending = tokio::spawn(async move {
        operator
            .execute(Arc::new(plan), yes(), RunOptions::default())
            .await
    });
    // Another process reads the file while the platform has not been asked yet.
    let (reader, _) = Store::open(home.path()).await;
    let found = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        loop {
            let runs = reader.unfinished_runs().await.unwrap();
            if let Some(run) = runs.into_iter().next() {
                break run;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(found.ticket, None);
    assert_eq!(platform.sent(), []);
    drop(gate);
    outcome(sending.await.unwrap().unwrap()).await;
    assert_eq!(platform.sent().len(), 1);
}

#[tokio::test]
async fn a_full_disk_refuses_the_change_and_keeps_nothing_locked() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::with_bucket(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    console.store.fill_disk_for_tests().await;
    let refused = console.execute(plan.clone(), yes()).await.unwrap_err();
    assert!(matches!(refused, OperateError::Audit { .. }), "{refused}");
    assert!(refused.to_string().contains("is full"), "{refused}");
    assert_eq!(refused.exit_code(), 4);
    assert_eq!(platform.sent(), []);
    let bucket = platform.bucket.clone().unwrap();
    assert_eq!(*bucket.held.lock().unwrap(), None);
    // Space again: the same plan goes through.
    console.store.free_disk_for_tests().await;
    outcome(console.execute(plan, yes()).await.unwrap()).await;
    assert_eq!(platform.sent().len(), 1);
}

#[tokio::test]
async fn a_full_disk_refuses_the_machine_local_lock_as_well() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    console.store.fill_disk_for_tests().await;
    let refused = console.execute(plan, yes()).await.unwrap_err();
    assert!(matches!(refused, OperateError::Audit { .. }), "{refused}");
    assert_eq!(platform.sent(), []);
}

#[tokio::test]
async fn without_a_store_one_can_look_and_plan_and_nothing_more() {
    let home = tempfile::tempdir().unwrap();
    // A file where the directory should be: cannot be made, whoever asks (root included).
    let blocked = home.path().join("not-a-directory");
    std::fs::write(&blocked, "").unwrap();
    let (store, notices) = Store::open(&blocked).await;
    assert!(notices[0].contains("OPSCONSOLE_DATA_DIR"), "{notices:?}");
    let platform = FakePlatform::running(2, "1.4.1", past());
    let fleet = vec![(
        config("prod", crate::config::Guard::Confirm),
        platform.clone(),
    )];
    let console = Console::over(store, fleet);
    let plan = console.roll_back().await.unwrap();
    assert_eq!(plan.to.as_ref().unwrap().deployed.name(), "1.4.0");
    let refused = console.execute(plan, yes()).await.unwrap_err();
    assert_eq!(refused.exit_code(), 4);
    assert!(
        refused.to_string().contains("could not be recorded"),
        "{refused}"
    );
    assert_eq!(platform.sent(), []);
}

#[tokio::test]
async fn what_the_platform_refused_is_in_the_history_too() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.script().sending = Sending::Refused(crate::platform::PlatformError::Denied {
        principal: "ana".to_owned(),
        action: "ecs:UpdateService".to_owned(),
        resource: "prod/api".to_owned(),
    });
    let console = Console::open(home.path(), &platform).await;
    let denied = console.run(Action::Restart).await.unwrap_err();
    assert_eq!(denied.exit_code(), 5);
    let history = console
        .store
        .history(&HistoryQuery::default())
        .await
        .unwrap();
    assert_eq!(history.len(), 1);
    assert!(
        matches!(&history[0].outcome, Some(RunOutcome::NotSent { reason }) if reason.contains("ecs:UpdateService"))
    );
}

#[tokio::test]
async fn an_answer_that_was_lost_on_the_way_is_looked_for_and_not_sent_again() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.script().sending = Sending::AnswerLost;
    let console = Console::open(home.path(), &platform).await;
    let run = console.run(Action::Restart).await.unwrap();
    assert_eq!(outcome(run).await, RunOutcome::Done);
    assert_eq!(platform.sent().len(), 1);
}

#[tokio::test]
async fn a_connection_that_broke_before_anything_arrived_is_told_as_such() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.script().sending = Sending::Refused(unreachable());
    let console = Console::open(home.path(), &platform).await;
    let broken = console.run(Action::Restart).await.unwrap_err();
    assert_eq!(broken.exit_code(), 5);
    let history = console
        .store
        .history(&HistoryQuery::default())
        .await
        .unwrap();
    assert!(matches!(
        &history[0].outcome,
        Some(RunOutcome::NotSent { reason }) if reason.contains("no trace")
    ));
}

#[tokio::test]
async fn the_aftermath_of_a_rollback_that_ends_badly_condemns_nobody() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.then([Ok(RolloutOutcome::RolledBack)]);
    let console = Console::open(home.path(), &platform).await;
    outcome(console.run(Action::Rollback { to: None }).await.unwrap()).await;
    assert_eq!(console.store.judgements(&prod()).await.unwrap(), []);
}
