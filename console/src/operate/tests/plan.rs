//! What a plan says.

use super::{fake::*, world::*};
use crate::{
    config::Guard,
    model::{
        Action, Change, InstanceId, Judgement, Metrics, Release, ReleaseDigest, ReleaseRef,
        RolloutOutcome::*, Verdict,
    },
    operate::{Gate, OperateError},
};

fn past() -> Vec<crate::model::RolloutRecord> {
    vec![rollout(2, "1.4.1", -10), rollout(1, "1.4.0", -8650)]
}

#[tokio::test]
async fn a_rollback_says_from_what_to_what_and_how_each_fared() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.script().metrics = errors_since(-8, 7.9);
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    let (from, to) = (plan.from.clone().unwrap(), plan.to.clone().unwrap());
    assert_eq!(from.deployed.name(), "1.4.1");
    assert_eq!(
        from.fared,
        "5xx 7.9 % since 13:52 — began 2 min after 1.4.1 went out"
    );
    assert_eq!(to.deployed.name(), "1.4.0");
    assert_eq!(to.deployed.digest, Some(digest("1.4.0")));
    assert_eq!(to.deployed.author, Some(author("ana")));
    assert_eq!(to.fared, "ran 5 d 23 h, no alarm known");
    assert_eq!(
        plan.because,
        "last known-good (the platform says its rollout succeeded)"
    );
    assert_eq!(
        plan.prepared.change,
        Change::ToRevision {
            revision: revision(1)
        }
    );
}

#[tokio::test]
async fn what_the_console_saw_ring_is_remembered_for_the_next_rollback() {
    let home = tempfile::tempdir().unwrap();
    let past = vec![
        rollout(3, "1.6.2", -10),
        rollout(2, "1.6.1", -40),
        rollout(1, "1.4.0", -600),
    ];
    let platform = FakePlatform::running(3, "1.6.2", past.clone());
    let console = Console::open(home.path(), &platform).await;
    let mut then = observation(2, "1.6.1");
    then.at = at(-30);
    then.service.alarms = vec![ringing("prod-api-5xx", -35)];
    console
        .operator
        .remember(&prod(), &then, None, Some(&past[1..]), at(-30))
        .await;
    // Another console, later, on the same machine; the alarm is quiet again.
    let next = Console::open(home.path(), &platform).await;
    let plan = next.roll_back().await.unwrap();
    assert_eq!(plan.to.unwrap().deployed.name(), "1.4.0");
    assert_eq!(
        plan.passed_over,
        [(
            "1.6.1 (api-prod:2)".to_owned(),
            "alarm prod-api-5xx rang while it was live, at 2026-03-01 13:25 UTC".to_owned()
        )]
    );
}

#[tokio::test]
async fn a_bad_release_that_nobody_watched_is_passed_over_by_its_metrics() {
    let home = tempfile::tempdir().unwrap();
    let past = vec![
        rollout(3, "1.6.2", -10),
        rollout(2, "1.6.1", -40),
        rollout(1, "1.4.0", -600),
    ];
    let platform = FakePlatform::running(3, "1.6.2", past);
    platform.script().metrics = Metrics {
        error_percent: hour(|m| Some(if (-39..-9).contains(&m) { 8.0 } else { 0.0 })),
        ..Metrics::default()
    };
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    assert_eq!(plan.to.unwrap().deployed.name(), "1.4.0");
    assert_eq!(plan.passed_over[0].0, "1.6.1 (api-prod:2)");
    assert!(plan.passed_over[0].1.starts_with("5xx 8.0 %"));
}

#[tokio::test]
async fn nothing_to_go_back_to_lists_what_was_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(
        2,
        "1.4.1",
        vec![
            rollout(2, "1.4.1", -10),
            rollout(1, "1.4.0", -600).ended(Failed),
        ],
    );
    let console = Console::open(home.path(), &platform).await;
    let nowhere = console.roll_back().await.unwrap_err();
    assert!(matches!(nowhere, OperateError::NoKnownGood { .. }));
    assert!(
        nowhere
            .to_string()
            .contains("1.4.0 (api-prod:1): its rollout failed"),
        "{nowhere}"
    );
    assert_eq!(nowhere.exit_code(), 4);
}

#[tokio::test]
async fn an_image_that_is_gone_from_the_registry_blocks_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform
        .script()
        .releases
        .retain(|release| release.tags[0] != "1.4.0");
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    assert!(
        plan.prepared.blockers[0]
            .what
            .contains("not in the registry")
    );
    let Gate::Refused { why, .. } = console.operator.gate(&plan).await.unwrap() else {
        panic!("it must not pass");
    };
    assert!(why.contains("1.4.0"), "{why}");
}

#[tokio::test]
async fn a_revision_that_the_operator_chose_shows_its_record() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(
        3,
        "1.5.0",
        vec![
            rollout(3, "1.5.0", -10),
            rollout(2, "1.6.1", -60).ended(RolledBack),
            rollout(1, "1.4.0", -600),
        ],
    );
    let console = Console::open(home.path(), &platform).await;
    let plan = console
        .plan(Action::Rollback {
            to: Some(revision(2)),
        })
        .await
        .unwrap();
    assert_eq!(
        plan.prepared.warnings[0],
        "1.6.1 is not known to be good: its rollout was rolled back"
    );
    assert_eq!(plan.because, "the operator's choice");
    // Allowed all the same: the operator has seen its record.
    assert_eq!(console.operator.gate(&plan).await.unwrap(), Gate::Confirm);
}

#[tokio::test]
async fn a_known_good_that_is_word_for_word_what_runs_is_passed_over() {
    // Revision 3 is a clone of revision 1, registered again by a rollback.
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(
        3,
        "1.4.1",
        vec![
            rollout(3, "1.4.1", -10),
            rollout(2, "1.6.1", -60),
            rollout(1, "1.4.1", -600),
            rollout(9, "1.4.0", -900),
        ],
    );
    platform.script().same_as_running = vec![revision(1)];
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    assert_eq!(plan.to.unwrap().deployed.name(), "1.4.0");
    assert!(
        plan.passed_over.contains(&(
            "1.4.1 (api-prod:1)".to_owned(),
            "it is word for word what runs".to_owned()
        )),
        "{:?}",
        plan.passed_over
    );
}

#[tokio::test]
async fn pressing_r_again_while_the_way_back_is_in_flight_does_not_bring_the_bad_one_back() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(
        2,
        "1.6.1",
        vec![rollout(2, "1.6.1", -30), rollout(1, "1.4.0", -600)],
    );
    platform.rolls_out(rollout(1, "1.4.0", -1).coming_from(2).ended(InProgress));
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    let Gate::Refused { why, .. } = console.operator.gate(&plan).await.unwrap() else {
        panic!("stopping the way back must not pass");
    };
    assert!(
        why.starts_with("1.4.0 (api-prod:1) is on its way; stopping it would bring 1.6.1 back"),
        "{why}"
    );
}

#[tokio::test]
async fn a_rollout_over_a_bad_release_is_not_stopped_but_replaced_by_a_good_one() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(
        2,
        "1.6.1",
        vec![rollout(2, "1.6.1", -30), rollout(1, "1.4.0", -600)],
    );
    platform.rolls_out(rollout(3, "1.6.2", -1).coming_from(2).ended(InProgress));
    let console = Console::open(home.path(), &platform).await;
    console
        .store
        .judge(&Judgement {
            environment: prod(),
            revision: revision(2),
            digest: Some(digest("1.6.1")),
            verdict: Verdict::Alarmed,
            detail: "alarm prod-api-5xx rang".to_owned(),
            by: None,
            run: None,
            at: at(-25),
        })
        .await
        .unwrap();
    let plan = console.roll_back().await.unwrap();
    assert_eq!(
        plan.prepared.change,
        Change::ToRevision {
            revision: revision(1)
        }
    );
    assert_eq!(plan.passed_over[0].0, "1.6.1 (api-prod:2)");
    // The platform is told that this is meant: a rollout in flight would block it otherwise.
    let note = platform.script().notes.last().cloned().unwrap();
    assert_eq!(note.replaces, Some("deployment/3@-1".into()));
}

#[tokio::test]
async fn a_release_that_does_not_exist_is_answered_with_the_nearest() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let unknown = console
        .plan(Action::Deploy {
            release: ReleaseRef::Tag("1.5".to_owned()),
        })
        .await
        .unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "release 1.5 does not exist. Did you mean 1.5.0?"
    );
    assert_eq!(unknown.exit_code(), 2);
}

#[tokio::test]
async fn deploying_a_release_that_failed_here_before_says_so() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(
        3,
        "1.4.1",
        vec![
            rollout(3, "1.4.1", -10),
            rollout(2, "1.6.1", -60).ended(RolledBack),
        ],
    );
    let console = Console::open(home.path(), &platform).await;
    let plan = console
        .plan(Action::Deploy {
            release: ReleaseRef::Tag("1.6.1".to_owned()),
        })
        .await
        .unwrap();
    assert_eq!(
        plan.prepared.warnings[0],
        "1.6.1 ran here before: its rollout was rolled back"
    );
    assert_eq!(plan.author, author("ana"));
}

#[tokio::test]
async fn a_promotion_takes_the_digest_that_the_other_environment_runs() {
    let home = tempfile::tempdir().unwrap();
    let prod = FakePlatform::running(2, "1.4.1", past());
    let staging = FakePlatform::running(7, "1.5.0", vec![rollout(7, "1.5.0", -90)]);
    // In prod's registry the same image is called something else first.
    prod.script().releases = vec![Release {
        tags: vec!["nightly".to_owned(), "1.5.0".to_owned()],
        ..release("1.5.0")
    }];
    let fleet = vec![
        (config("prod", Guard::Confirm), prod.clone()),
        (config("staging", Guard::Confirm), staging.clone()),
    ];
    let console = Console::open_fleet(home.path(), fleet).await;
    let promote = Action::Promote {
        from: "staging".into(),
    };
    let plan = console.plan(promote.clone()).await.unwrap();
    let Change::NewImage { release } = &plan.prepared.change else {
        panic!("{:?}", plan.prepared.change);
    };
    assert_eq!(release.digest, digest("1.5.0"));
    assert_eq!(plan.to.unwrap().deployed.name(), "1.5.0");

    // Staging is sick: the plan says so before anybody confirms.
    staging.script().metrics = errors_since(-8, 9.0);
    let plan = console.plan(promote.clone()).await.unwrap();
    assert!(
        plan.prepared
            .warnings
            .iter()
            .any(|warning| warning.starts_with("staging is not well: 5xx 9.0 %")),
        "{:?}",
        plan.prepared.warnings
    );

    // Prod's registry does not have it.
    prod.script().releases.clear();
    let missing = console.plan(promote).await.unwrap_err();
    assert!(missing.to_string().contains("push it there"), "{missing}");
}

#[tokio::test]
async fn an_environment_is_not_promoted_to_itself() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let refused = console
        .plan(Action::Promote { from: prod() })
        .await
        .unwrap_err();
    assert_eq!(refused.exit_code(), 4);
}

#[tokio::test]
async fn what_would_change_nothing_is_not_executed() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.script().same_as_running = vec![revision(1)];
    let console = Console::open(home.path(), &platform).await;
    let plan = console
        .plan(Action::Rollback {
            to: Some(revision(1)),
        })
        .await
        .unwrap();
    assert!(plan.is_noop());
    console.execute(plan, yes()).await.unwrap_err();
    let refused = console.run(Action::Scale { desired: 4 }).await.unwrap_err();
    assert!(refused.to_string().contains("wanted already"), "{refused}");
    let stop = Action::StopInstance {
        instance: InstanceId::from("gone"),
    };
    console.run(stop).await.unwrap_err();
    assert_eq!(platform.sent(), []);
}

#[tokio::test]
async fn our_own_audit_vouches_for_what_the_platform_has_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(1, "1.4.0", vec![rollout(1, "1.4.0", -600)]);
    let console = Console::open(home.path(), &platform).await;
    let deploy = Action::Deploy {
        release: ReleaseRef::Tag("1.5.0".to_owned()),
    };
    outcome(console.run(deploy).await.unwrap()).await;
    // Much later: the platform remembers only the newest rollout.
    console.wait_minutes(200);
    {
        let mut script = platform.script();
        script.rollouts = vec![rollout(91, "1.6.1", 190)];
        script.observation = observation(91, "1.6.1");
    }
    let plan = console.roll_back().await.unwrap();
    assert_eq!(plan.to.as_ref().unwrap().deployed.name(), "1.5.0");
    assert_eq!(
        plan.because,
        "last known-good (our audit says its rollout succeeded)"
    );
}

#[test]
fn digests_of_fixtures_differ_by_release() {
    let unique: std::collections::BTreeSet<ReleaseDigest> =
        ["1.4.0", "1.4.1", "1.5.0"].map(digest).into();
    assert_eq!(unique.len(), 3);
}
