//! Deploys, rollbacks, locks and logs of a Deployment, through the same executor as on ECS.

use super::{
    cluster::{Bench, carry_out, deploy, yes},
    conformance::{Subject, conforms},
};
use opsconsole::{
    model::{Action, EnvironmentName, RunOutcome},
    operate::RunOptions,
    platform::{LogAccess, PageRequest},
};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn a_deploy_succeeds_and_a_rollback_goes_to_the_release_before() {
    let Some(bench) = Bench::with_api("there-and-back").await else {
        return;
    };
    let operator = bench.operator("ada").await;
    assert_eq!(
        carry_out(&operator, deploy("1.1.0")).await,
        RunOutcome::Done
    );
    bench.steady("1.1.0").await;
    let live = bench.deployments().get("api").await.unwrap();
    let annotations = live.metadata.annotations.unwrap_or_default();
    assert_eq!(annotations.get("team").map(String::as_str), Some("ours"));
    assert!(annotations["kubernetes.io/change-cause"].contains("ada"));
    let outcome = carry_out(&operator, Action::Rollback { to: None }).await;
    assert_eq!(outcome, RunOutcome::Done);
    bench.steady("1.0.0").await;
    bench.clear().await;
}

#[tokio::test]
async fn a_release_that_is_never_ready_fails_and_the_rollback_passes_it_over() {
    let Some(bench) = Bench::with_api("never-ready").await else {
        return;
    };
    let operator = bench.operator("ada").await;
    assert_eq!(
        carry_out(&operator, deploy("1.1.0")).await,
        RunOutcome::Done
    );
    match carry_out(&operator, deploy("fail-image-pull")).await {
        RunOutcome::Failed { reason } => {
            assert!(reason.contains("ImagePullBackOff"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let outcome = carry_out(&operator, Action::Rollback { to: None }).await;
    assert_eq!(outcome, RunOutcome::Done);
    bench.steady("1.1.0").await;
    bench.clear().await;
}

#[tokio::test]
async fn a_writer_between_plan_and_execution_is_a_conflict_and_nothing_is_sent() {
    let Some(bench) = Bench::with_api("second-writer").await else {
        return;
    };
    let operator = bench.operator("ada").await;
    let environment = EnvironmentName::from("dev");
    let plan = operator
        .plan(&environment, deploy("1.1.0"), None)
        .await
        .expect("a plan");
    let theirs = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "api", "image": "registry.example/api:9.9.9"}
    ]}}}});
    bench.somebody_patches(theirs).await;
    let refused = operator
        .execute(Arc::new(plan), yes(), RunOptions::default())
        .await;
    let Err(refusal) = refused else {
        panic!("it went through");
    };
    let said = refusal.to_string();
    assert!(said.contains("9.9.9"), "{said}");
    bench.steady("9.9.9").await;
    bench.clear().await;
}

#[tokio::test]
async fn a_paused_deployment_and_one_of_argo_cd_are_refused_with_the_way_out() {
    let Some(bench) = Bench::with_api("refused").await else {
        return;
    };
    bench
        .somebody_patches(json!({
            "metadata": {"labels": {"argocd.argoproj.io/instance": "shop"}},
            "spec": {"paused": true}
        }))
        .await;
    let operator = bench.operator("ada").await;
    let plan = operator
        .plan(&EnvironmentName::from("dev"), deploy("1.1.0"), None)
        .await
        .expect("a plan");
    let said = format!("{:?}", plan.prepared.blockers);
    assert!(
        said.contains("paused") && said.contains("kubectl rollout resume"),
        "{said}"
    );
    assert!(said.contains("application shop"), "{said}");
    bench.clear().await;
}

#[tokio::test]
async fn scaling_and_stopping_a_pod_end_when_the_pods_are_there() {
    let Some(bench) = Bench::with_api("scale").await else {
        return;
    };
    let operator = bench.operator("ada").await;
    let outcome = carry_out(&operator, Action::Scale { desired: 3 }).await;
    assert_eq!(outcome, RunOutcome::Done);
    let platform = bench.platform().await;
    let seen = platform.observe().await.unwrap().service;
    assert_eq!((seen.desired, seen.running), (3, 3));
    let instance = seen.instances[0].id.clone();
    let outcome = carry_out(
        &operator,
        Action::StopInstance {
            instance: instance.clone(),
        },
    )
    .await;
    assert_eq!(outcome, RunOutcome::Done);
    assert!(
        bench
            .pods()
            .get_opt(instance.as_str())
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        carry_out(&operator, Action::Restart).await,
        RunOutcome::Done
    );
    let lock = platform.lock_store().expect("a lock");
    assert_eq!(lock.read().await.unwrap(), None, "the lock is let go");
    bench.clear().await;
}

#[tokio::test]
async fn a_namespace_that_is_not_there_is_named_with_what_to_look_for() {
    let Some(bench) = Bench::with_api("absent").await else {
        return;
    };
    let mut config = bench.config();
    if let opsconsole::config::PlatformConfig::Kubernetes(kubernetes) = &mut config.platform {
        kubernetes.deployment = Some("apo".to_owned());
    }
    let platform = opsconsole::platform::connect(&config).await.unwrap();
    let said = platform.observe().await.unwrap_err().to_string();
    assert!(
        said.contains("apo") && said.contains("Did you mean api?"),
        "{said}"
    );
    bench.clear().await;
}

#[tokio::test]
async fn reading_the_logs_twice_gives_the_same_lines_with_the_same_ids() {
    let Some(bench) = Bench::with_api("logs").await else {
        return;
    };
    let platform = bench.platform().await;
    let access: LogAccess = platform.logs();
    let pages = access.pages();
    let request = PageRequest::default();
    let first = pages.page(&request).await.expect("a page");
    let again = pages.page(&request).await.expect("a page");
    let ids = |page: &opsconsole::platform::Page| -> Vec<String> {
        page.events.iter().map(|event| event.id.clone()).collect()
    };
    assert!(ids(&again).starts_with(&ids(&first)));
    bench.clear().await;
}

#[tokio::test]
async fn kubernetes_does_what_every_platform_does() {
    let Some(bench) = Bench::with_api("conforms").await else {
        return;
    };
    conforms(&Subject {
        platform: bench.platform().await,
        operators: (bench.operator("ada").await, bench.operator("eve").await),
        environment: EnvironmentName::from("dev"),
        old: "1.0.0",
        new: "1.1.0",
    })
    .await;
    bench.clear().await;
}
