//! Changes from plan to end: the adapter under the executor, against rollouts that really happen.

use crate::laboratory::{
    Laboratory, ROLLOUT_TIME, carry_out, deploy, finished, outcome, plan, refused, steady,
    wait_for, yes,
};
use opsconsole::{
    model::{
        Action, EnvironmentName, InstanceId, RevisionId, RolloutOutcome, RunOutcome, document_diff,
    },
    operate::RunOptions,
    platform::Platform,
};
use std::{collections::HashSet, sync::Arc};

async fn live(platform: &dyn Platform) -> opsconsole::model::Deployed {
    let service = platform.observe().await.expect("a look").service;
    service.deployed.expect("something is live")
}

async fn instances(platform: &dyn Platform) -> HashSet<InstanceId> {
    let service = platform.observe().await.expect("a look").service;
    service.instances.into_iter().map(|task| task.id).collect()
}

#[tokio::test]
async fn a_good_release_goes_out_as_a_signed_clone_in_which_only_the_image_differs() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("dev").await;
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    let before = live(&*platform).await;
    let before = platform
        .revision(&before.revision)
        .await
        .expect("a revision");
    let operator = laboratory.operator("ana").await;

    let state = carry_out(&operator, "dev", deploy("1.4.0")).await;
    assert_eq!(outcome(&state), &RunOutcome::Done);

    let deployed = live(&*platform).await;
    assert_eq!(deployed.release.as_deref(), Some("1.4.0"));
    assert!(deployed.image.contains("@sha256:"), "{}", deployed.image);
    assert_eq!(
        deployed.author.map(|author| author.name).as_deref(),
        Some("ana")
    );
    let after = platform
        .revision(&deployed.revision)
        .await
        .expect("a revision");
    assert_eq!(after.reason.as_deref(), Some("a test"));
    let diff = document_diff(&before.document, &after.document);
    let paths: Vec<&str> = diff.lines.iter().map(|line| line.path.as_str()).collect();
    assert_eq!(paths, ["containerDefinitions[api].image"]);

    let newest = platform.rollouts().await.expect("a history").remove(0);
    assert_eq!(newest.to, deployed.revision);
    assert_eq!(newest.outcome, RolloutOutcome::Succeeded);
    assert_eq!(newest.release.as_deref(), Some("1.4.0"));
    assert_eq!(newest.digest, deployed.digest);
}

#[tokio::test]
async fn a_release_that_never_becomes_ready_trips_the_breaker_while_the_old_one_serves() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("staging").await;
    let platform = laboratory.platform("staging");
    steady(&*platform).await;
    let before = live(&*platform).await;
    let operator = laboratory.operator("ben").await;
    let bad = plan(&operator, "staging", deploy("1.6.0")).await;
    let handle = operator
        .execute(Arc::new(bad), yes(), RunOptions::default())
        .await
        .expect("the change is sent");

    let seen = wait_for("a failed task", ROLLOUT_TIME, || async {
        let rollout = platform.observe().await.ok()?.service.rollout?;
        (rollout.breaker?.failures > 0).then_some(rollout)
    })
    .await;
    assert_eq!(seen.record.release.as_deref(), Some("1.6.0"));
    assert_eq!(seen.ours.in_service, 0);
    assert_eq!(seen.breaker.map(|breaker| breaker.threshold), Some(3));
    let old: u32 = seen.others.iter().map(|side| side.in_service).sum();
    assert_eq!(old, 2, "{seen:?}");

    let state = finished(handle.state).await;
    let RunOutcome::RolledBack { reason } = outcome(&state) else {
        panic!("{state:?}");
    };
    assert!(reason.contains("circuit breaker"), "{reason}");
    steady(&*platform).await;
    let after = live(&*platform).await;
    assert_eq!(after.revision, before.revision);
    let service = platform.observe().await.expect("a look").service;
    assert!(service.stopped.iter().any(|task| task.reason.is_some()));
}

#[tokio::test]
async fn a_rollout_in_flight_is_stopped_and_success_means_that_the_old_one_is_back() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("staging").await;
    let platform = laboratory.platform("staging");
    steady(&*platform).await;
    let before = live(&*platform).await;
    let operator = laboratory.operator("cem").await;
    let unwatched = RunOptions {
        watch: false,
        ..RunOptions::default()
    };
    let bad = plan(&operator, "staging", deploy("1.6.0")).await;
    operator
        .execute(Arc::new(bad), yes(), unwatched)
        .await
        .expect("the change is sent");
    wait_for("the rollout", ROLLOUT_TIME, || async {
        platform.observe().await.ok()?.service.rollout
    })
    .await;

    // Whoever deploys now is told whose rollout is in the way.
    let eve = laboratory.operator("eve").await;
    let late = plan(&eve, "staging", deploy("1.5.0")).await;
    let whats: Vec<&str> = late
        .prepared
        .blockers
        .iter()
        .map(|b| b.what.as_str())
        .collect();
    assert!(
        whats
            .iter()
            .any(|what| what.contains("1.6.0") && what.contains("by cem")),
        "{whats:?}"
    );

    let state = carry_out(&operator, "staging", Action::Rollback { to: None }).await;
    assert_eq!(outcome(&state), &RunOutcome::Done, "{state:?}");
    let after = live(&*platform).await;
    assert_eq!(after.revision, before.revision);
    let newest = platform.rollouts().await.expect("a history").remove(0);
    assert_eq!(newest.outcome, RolloutOutcome::RolledBack);
}

#[tokio::test]
async fn somebody_elses_deployment_in_the_middle_is_superseded_and_not_success() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("dev").await;
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    let operator = laboratory.operator("dan").await;
    // It never becomes ready by itself, so the other one surely comes in the middle.
    let ours = plan(&operator, "dev", deploy("1.6.0")).await;
    let handle = operator
        .execute(Arc::new(ours), yes(), RunOptions::default())
        .await
        .expect("the change is sent");
    let started = || async {
        let rollout = platform.observe().await.ok()?.service.rollout?;
        (rollout.record.release.as_deref() == Some("1.6.0")).then_some(())
    };
    wait_for("our rollout", ROLLOUT_TIME, started).await;

    laboratory.somebody_deploys("dev", "api-dev:2").await;
    let state = finished(handle.state).await;
    let RunOutcome::Superseded { by } = outcome(&state) else {
        panic!("{state:?}");
    };
    assert!(!by.is_empty());
    steady(&*platform).await;
    let rollouts = platform.rollouts().await.expect("a history");
    assert_eq!(
        rollouts[1].outcome,
        RolloutOutcome::Superseded,
        "{rollouts:#?}"
    );
    assert_eq!(rollouts[0].outcome, RolloutOutcome::Succeeded);
}

#[tokio::test]
async fn a_plan_made_before_somebody_elses_deployment_is_refused_and_touches_nothing() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("dev").await;
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    let operator = laboratory.operator("fay").await;
    let stale = plan(&operator, "dev", deploy("1.3.0")).await;
    laboratory.somebody_deploys("dev", "api-dev:2").await;

    let sent = operator
        .execute(Arc::new(stale), yes(), RunOptions::default())
        .await;
    let words = refused(sent);
    assert!(
        words.contains("api-dev:2") || words.contains("another deployment"),
        "{words}"
    );
    steady(&*platform).await;
    let newest = platform.rollouts().await.expect("a history").remove(0);
    assert_eq!(newest.to.short(), "api-dev:2", "ours was not rolled out");
}

#[tokio::test]
async fn a_restart_replaces_every_task_and_keeps_the_release() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("dev").await;
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    let (before, old) = (live(&*platform).await, instances(&*platform).await);
    let operator = laboratory.operator("gus").await;

    let state = carry_out(&operator, "dev", Action::Restart).await;
    assert_eq!(outcome(&state), &RunOutcome::Done, "{state:?}");
    steady(&*platform).await;
    let new = instances(&*platform).await;
    assert!(old.is_disjoint(&new), "{old:?} {new:?}");
    assert_eq!(live(&*platform).await.revision, before.revision);
}

#[tokio::test]
async fn scaling_is_done_when_as_many_run_as_were_asked_for() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("dev").await;
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    let operator = laboratory.operator("hal").await;
    for desired in [3, 2] {
        let scale = plan(&operator, "dev", Action::Scale { desired }).await;
        let after = scale.prepared.bill_after.as_ref().expect("a bill");
        let vcpu = after
            .lines
            .iter()
            .find(|line| line.sku == "fargate.linux.x86.vcpu");
        assert_eq!(
            vcpu.map(|line| line.quantity),
            Some(0.25 * f64::from(desired))
        );
        let handle = operator
            .execute(Arc::new(scale), yes(), RunOptions::default())
            .await
            .expect("the change is sent");
        let state = finished(handle.state).await;
        assert_eq!(outcome(&state), &RunOutcome::Done, "{state:?}");
        let service = platform.observe().await.expect("a look").service;
        assert_eq!((service.desired, service.running), (desired, desired));
    }
}

#[tokio::test]
async fn a_stopped_task_is_replaced() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("dev").await;
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    let victim = instances(&*platform)
        .await
        .into_iter()
        .next()
        .expect("a task");
    let operator = laboratory.operator("ida").await;
    let stop = Action::StopInstance {
        instance: victim.clone(),
    };
    let state = carry_out(&operator, "dev", stop).await;
    assert_eq!(outcome(&state), &RunOutcome::Done, "{state:?}");
    steady(&*platform).await;
    assert!(!instances(&*platform).await.contains(&victim));
}

#[tokio::test]
async fn an_inactive_revision_is_cloned_and_registered_again_word_for_word() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("dev").await;
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    let operator = laboratory.operator("jan").await;
    let first = RevisionId::from("arn:aws:ecs:us-east-1:123456789012:task-definition/api-dev:1");
    let state = carry_out(&operator, "dev", deploy("1.3.0")).await;
    assert_eq!(outcome(&state), &RunOutcome::Done, "{state:?}");
    let original = platform.revision(&first).await.expect("a revision");
    laboratory.deregister(&first).await;

    let back = Action::Rollback {
        to: Some(first.clone()),
    };
    let state = carry_out(&operator, "dev", back).await;
    assert_eq!(outcome(&state), &RunOutcome::Done, "{state:?}");
    let deployed = live(&*platform).await;
    assert_ne!(deployed.revision, first);
    let clone = platform
        .revision(&deployed.revision)
        .await
        .expect("a revision");
    assert!(clone.active);
    assert_eq!(clone.document, original.document);
}

#[tokio::test]
async fn of_two_consoles_at_once_one_gets_the_shared_lock_and_the_other_is_told_who_has_it() {
    let laboratory = Laboratory::shared();
    let _turn = laboratory.turn("staging").await;
    let platform = laboratory.platform("staging");
    steady(&*platform).await;
    let (kim, lou) = (
        laboratory.operator("kim").await,
        laboratory.operator("lou").await,
    );
    let staging = EnvironmentName::from("staging");
    let make = |operator: &opsconsole::operate::Operator| {
        let (operator, staging) = (operator.clone(), staging.clone());
        async move {
            operator
                .plan(&staging, Action::Restart, None)
                .await
                .expect("a plan")
        }
    };
    let (first, second) = tokio::join!(make(&kim), make(&lou));
    let (first, second) = tokio::join!(
        kim.execute(Arc::new(first), yes(), RunOptions::default()),
        lou.execute(Arc::new(second), yes(), RunOptions::default()),
    );
    let (won, lost) = match (first, second) {
        (Ok(won), lost) => (won, refused(lost)),
        (lost, Ok(won)) => (won, refused(lost)),
        (Err(first), Err(second)) => panic!("nobody won: {first}; {second}"),
    };
    assert!(lost.contains("kim") || lost.contains("lou"), "{lost}");
    let store = platform.lock_store().expect("a lock bucket");
    let held = store.read().await.expect("an answer").expect("it is held");
    assert_eq!(held.run, won.id);
    assert_eq!(outcome(&finished(won.state).await), &RunOutcome::Done);
    wait_for("the lock to be let go", ROLLOUT_TIME, || async {
        store
            .read()
            .await
            .expect("an answer")
            .is_none()
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn ecs_does_what_every_platform_does() {
    // A cloud of its own: which release is known to be good hangs on all that happened before.
    let laboratory = Laboratory::alone();
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    // Of releases that served for a moment only, none is better known than another.
    let served = || async {
        let since = live(&*platform).await.deployed_at.expect("a time");
        jiff::Timestamp::now().duration_since(since).as_secs()
    };
    while served().await < 6 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    super::conformance::conforms(&super::conformance::Subject {
        platform: platform.clone(),
        operators: (
            laboratory.operator("kim").await,
            laboratory.operator("lea").await,
        ),
        environment: opsconsole::model::EnvironmentName::from("dev"),
        old: "1.5.0",
        // Not 1.4.1: it ran here before, so that going to it would be going back.
        new: "1.4.0",
    })
    .await;
}
