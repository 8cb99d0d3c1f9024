//! Bad days: each has its own error, loses nothing, and is over when it is over.

use crate::laboratory::{Laboratory, carry_out, deploy, outcome, plan, refused, steady, yes};
use opsconsole::{model::RunOutcome, operate::RunOptions, platform::PlatformError};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn a_bad_day_is_told_apart_from_the_others_and_ends_without_a_restart() {
    let laboratory = Laboratory::alone();
    let platform = laboratory.platform("dev");
    steady(&*platform).await;

    laboratory
        .fault(json!({"kind": "expired-credentials", "service": "ecs"}))
        .await;
    let error = platform
        .observe()
        .await
        .expect_err("the credentials have expired");
    assert!(
        matches!(error, PlatformError::Credentials { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("opsconsole local up"), "{error}");
    laboratory.no_faults().await;
    platform.observe().await.expect("they are good again");

    laboratory
        .fault(json!({"kind": "throttle", "operation": "DescribeServices"}))
        .await;
    let error = platform.observe().await.expect_err("it is throttled");
    assert!(
        matches!(&error, PlatformError::Throttled { operation, .. }
        if operation == "ecs:DescribeServices"),
        "{error:?}"
    );
    assert!(error.is_transient());
    laboratory.no_faults().await;

    laboratory
        .fault(json!({"kind": "throttle", "operation": "DescribeServices", "count": 1}))
        .await;
    platform
        .observe()
        .await
        .expect("a single throttled call is tried again");

    laboratory
        .fault(json!({"kind": "blackout", "durationMs": 3000}))
        .await;
    let error = platform.observe().await.expect_err("nobody answers");
    assert!(
        matches!(error, PlatformError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains(&laboratory.endpoint.url),
        "{error}"
    );
    steady(&*platform).await;
}

#[tokio::test]
async fn a_missing_permission_leaves_a_hole_and_doctor_names_it() {
    let laboratory = Laboratory::alone();
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    laboratory
        .fault(json!({"kind": "deny", "operation": "DescribeAlarms"}))
        .await;

    let service = platform
        .observe()
        .await
        .expect("a look all the same")
        .service;
    assert!(service.alarms.is_empty());
    assert_eq!(service.instances.len(), 2);
    let checks = platform.checks().await;
    let wrong: Vec<_> = checks.iter().filter(|check| !check.ok).collect();
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    assert_eq!(wrong[0].name, "cloudwatch:DescribeAlarms");
    assert!(
        wrong[0]
            .remedy
            .as_deref()
            .is_some_and(|remedy| remedy.contains("Allow"))
    );
}

#[tokio::test]
async fn without_the_deployments_api_our_rollout_is_still_followed_to_its_own_end() {
    let laboratory = Laboratory::alone();
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    let operator = laboratory.operator("ana").await;
    let denied = ["ListServiceDeployments", "DescribeServiceDeployments"];
    for (tag, good) in [("1.4.0", true), ("1.5.1", false)] {
        let change = plan(&operator, "dev", deploy(tag)).await;
        for operation in denied {
            laboratory
                .fault(json!({"kind": "deny", "operation": operation}))
                .await;
        }
        let handle = operator
            .execute(Arc::new(change), yes(), RunOptions::default())
            .await
            .expect("the change is sent");
        let state = crate::laboratory::finished(handle.state).await;
        match outcome(&state) {
            RunOutcome::Done => assert!(good, "{tag}"),
            RunOutcome::RolledBack { .. } => assert!(!good, "{tag}"),
            other => panic!("{tag}: {other:?}"),
        }
        laboratory.no_faults().await;
        steady(&*platform).await;
    }
}

#[tokio::test]
async fn a_second_writer_between_registering_and_updating_is_noticed() {
    let laboratory = Laboratory::alone();
    let platform = laboratory.platform("dev");
    steady(&*platform).await;
    let operator = laboratory.operator("ana").await;
    let change = plan(&operator, "dev", deploy("1.4.0")).await;
    laboratory
        .fault(json!({
            "kind": "second-writer", "operation": "RegisterTaskDefinition", "count": 1,
            "value": {"cluster": "dev", "service": "api", "forceNewDeployment": true},
        }))
        .await;
    let sent = operator
        .execute(Arc::new(change), yes(), RunOptions::default())
        .await;
    let words = refused(sent);
    assert!(words.contains("changed meanwhile"), "{words}");
    steady(&*platform).await;
    let live = platform.observe().await.expect("a look").service.deployed;
    assert_eq!(live.and_then(|live| live.release).as_deref(), Some("1.5.0"));
    // And the way is free again afterwards.
    let state = carry_out(&operator, "dev", deploy("1.4.0")).await;
    assert_eq!(outcome(&state), &RunOutcome::Done);
}
