//! What a change takes before anything is sent.

use super::{fake::*, world::*};
use crate::{
    config::{FreezeWindow, Guard},
    model::{Action, Change, InstanceId, Plan, ReleaseRef, RunOutcome},
    operate::{Confirmation, Gate, OperateError},
    store::HistoryQuery,
};

fn past() -> Vec<crate::model::RolloutRecord> {
    vec![rollout(2, "1.4.1", -10), rollout(1, "1.4.0", -600)]
}

/// Every action there is: a new one must be added here, or the match below does not compile.
fn every_action() -> Vec<Action> {
    let all = vec![
        Action::Deploy {
            release: ReleaseRef::Tag("1.5.0".to_owned()),
        },
        Action::Rollback { to: None },
        Action::Rollback {
            to: Some(revision(1)),
        },
        Action::Promote {
            from: "staging".into(),
        },
        Action::Restart,
        Action::Scale { desired: 6 },
        Action::StopInstance {
            instance: InstanceId::from("0123456789abcdef"),
        },
    ];
    for action in &all {
        match action {
            Action::Deploy { .. }
            | Action::Rollback { .. }
            | Action::Promote { .. }
            | Action::Restart
            | Action::Scale { .. }
            | Action::StopInstance { .. } => {}
        }
    }
    all
}

/// `prod` with that guard, and a `staging` to promote from.
async fn console_with(
    data_dir: &std::path::Path,
    guard: Guard,
) -> (Console, std::sync::Arc<FakePlatform>) {
    let platform = FakePlatform::running(2, "1.4.1", past());
    let task = crate::model::Instance {
        id: InstanceId::from("0123456789abcdef"),
        revision: revision(2),
        release: None,
        digest: None,
        state: crate::model::InstanceState::Running,
        healthy: Some(true),
        started_at: None,
        cpu_percent: None,
        memory_percent: None,
        address: None,
        zone: None,
        log_stream: None,
    };
    platform.script().observation.service.instances = vec![task];
    let staging = FakePlatform::running(7, "1.5.0", vec![rollout(7, "1.5.0", -90)]);
    let console = Console::open_fleet(
        data_dir,
        vec![
            (config("prod", guard), platform.clone()),
            (config("staging", Guard::Confirm), staging),
        ],
    )
    .await;
    (console, platform)
}

#[tokio::test]
async fn no_action_whatever_passes_a_read_only_environment() {
    let home = tempfile::tempdir().unwrap();
    let (console, platform) = console_with(home.path(), Guard::ReadOnly).await;
    let everything = Confirmation {
        yes: true,
        typed_name: Some("prod".to_owned()),
        break_glass: Some("the site is down".to_owned()),
    };
    for action in every_action() {
        let plan = console.plan(action.clone()).await.unwrap();
        let gate = console.operator.gate(&plan).await.unwrap();
        assert!(matches!(gate, Gate::Refused { .. }), "{action:?}");
        let refused = console.execute(plan, everything.clone()).await.unwrap_err();
        assert_eq!(refused.exit_code(), 4, "{action:?}");
    }
    assert_eq!(platform.sent(), []);
    let history = console.store.history(&HistoryQuery::default()).await;
    assert_eq!(history.unwrap(), []);
}

#[tokio::test]
async fn every_action_takes_the_name_typed_where_that_is_the_guard() {
    let home = tempfile::tempdir().unwrap();
    let (console, platform) = console_with(home.path(), Guard::TypeName).await;
    for action in every_action() {
        let plan = console.plan(action.clone()).await.unwrap();
        assert_eq!(console.operator.gate(&plan).await.unwrap(), Gate::TypeName);
        for confirmation in [
            Confirmation::default(),
            yes(),
            typed("staging"),
            typed("Prod"),
        ] {
            let refused = console
                .execute(plan.clone(), confirmation)
                .await
                .unwrap_err();
            assert!(
                matches!(refused, OperateError::Refused { .. }),
                "{action:?}"
            );
        }
        let before = platform.sent().len();
        let run = console.execute(plan, typed("prod")).await.unwrap();
        assert_eq!(outcome(run).await, RunOutcome::Done);
        assert_eq!(platform.sent().len(), before + 1, "{action:?}");
    }
}

#[tokio::test]
async fn a_confirm_guard_takes_a_yes_and_nothing_less() {
    let home = tempfile::tempdir().unwrap();
    let (console, platform) = console_with(home.path(), Guard::Confirm).await;
    for action in every_action() {
        let plan = console.plan(action).await.unwrap();
        let refused = console
            .execute(plan.clone(), Confirmation::default())
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("must be confirmed"));
        outcome(console.execute(plan, yes()).await.unwrap()).await;
    }
    assert_eq!(platform.sent().len(), every_action().len());
}

fn frozen(config: &mut crate::config::EnvironmentConfig) {
    config.freeze = vec![FreezeWindow {
        reason: "Black Friday".to_owned(),
        start: at(-60),
        end: at(60),
    }];
}

#[tokio::test]
async fn a_freeze_passes_only_with_a_reason_and_the_reason_is_recorded() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open_with(home.path(), &platform, frozen).await;
    let plan = console.roll_back().await.unwrap();
    let gate = console.operator.gate(&plan).await.unwrap();
    assert_eq!(
        gate,
        Gate::BreakGlass {
            why: "prod is frozen until 2026-03-01 15:00 UTC: Black Friday".to_owned(),
            type_name: false
        }
    );
    let refused = console.execute(plan.clone(), yes()).await.unwrap_err();
    assert!(refused.to_string().contains("Black Friday"), "{refused}");
    let empty = Confirmation {
        yes: true,
        break_glass: Some("  ".to_owned()),
        typed_name: None,
    };
    console.execute(plan.clone(), empty).await.unwrap_err();
    passes_with_a_reason_on_record(&console, plan).await;
}

#[tokio::test]
async fn a_way_that_the_platform_calls_break_glass_takes_a_reason_and_nothing_is_sent_without() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    platform.script().break_glass = Some("Helm's record stays as it is".to_owned());
    let console = Console::open_with(home.path(), &platform, |_| {}).await;
    let plan = console.roll_back().await.unwrap();
    let refused = console.execute(plan.clone(), yes()).await.unwrap_err();
    assert!(refused.to_string().contains("Helm's record"), "{refused}");
    assert_eq!(platform.sent(), []);
    passes_with_a_reason_on_record(&console, plan).await;
}

#[tokio::test]
async fn a_broken_glass_still_takes_the_name_where_the_guard_asks_for_it() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open_with(home.path(), &platform, |config| {
        frozen(config);
        config.guard = Guard::TypeName;
    })
    .await;
    let plan = console.roll_back().await.unwrap();
    let mut confirmation = reasoned();
    console
        .execute(plan.clone(), confirmation.clone())
        .await
        .unwrap_err();
    assert_eq!(platform.sent(), []);
    confirmation.typed_name = Some("prod".to_owned());
    outcome(console.execute(plan, confirmation).await.unwrap()).await;
    assert_eq!(platform.sent().len(), 1);
}

#[tokio::test]
async fn after_the_freeze_a_yes_is_enough_again() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open_with(home.path(), &platform, frozen).await;
    console.wait_minutes(60);
    let plan = console.roll_back().await.unwrap();
    assert_eq!(console.operator.gate(&plan).await.unwrap(), Gate::Confirm);
}

#[tokio::test]
async fn a_plan_that_has_gone_stale_must_be_made_anew() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let plan = console.roll_back().await.unwrap();
    console.wait_minutes(6);
    let refused = console.execute(plan, yes()).await.unwrap_err();
    assert!(refused.to_string().contains("6 min old"), "{refused}");
    assert_eq!(platform.sent(), []);
}

#[tokio::test]
async fn credentials_for_another_account_are_stopped_in_the_plan_and_again_at_the_last_moment() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let good = console.roll_back().await.unwrap();
    // Between plan and confirmation somebody logs in elsewhere.
    platform.script().account = "999999999999".to_owned();
    let refused = console.execute(good, yes()).await.unwrap_err();
    assert!(refused.to_string().contains("999999999999"), "{refused}");
    let plan = console.roll_back().await.unwrap();
    assert!(
        plan.prepared.blockers[0]
            .what
            .contains("in account 123456789012")
    );
    assert_eq!(platform.sent(), []);
}

#[tokio::test]
async fn a_blocked_plan_is_refused_with_the_way_out() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    platform.script().blockers = vec![crate::model::Blocker {
        what: "the image is for arm64".to_owned(),
        remedy: "Build it for amd64".to_owned(),
    }];
    let refused = console.run(Action::Restart).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "refused: the image is for arm64. Build it for amd64"
    );
    assert_eq!(platform.sent(), Vec::<Change>::new());
}

#[tokio::test]
async fn an_environment_that_does_not_exist_is_answered_with_the_nearest() {
    let home = tempfile::tempdir().unwrap();
    let platform = FakePlatform::running(2, "1.4.1", past());
    let console = Console::open(home.path(), &platform).await;
    let unknown = console
        .operator
        .plan(&"prdo".into(), Action::Restart, None)
        .await
        .unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no environment prdo; did you mean prod?"
    );
    assert_eq!(unknown.exit_code(), 2);
}

async fn passes_with_a_reason_on_record(console: &Console, plan: Plan) {
    let run = console.execute(plan, reasoned()).await.unwrap();
    let id = run.id.clone();
    outcome(run).await;
    let record = console.store.run(&id).await.unwrap().unwrap();
    assert_eq!(record.break_glass.as_deref(), Some("checkout is down"));
}
