//! Second writers, deleted Deployments, missing rights, expired credentials, lost API servers.

use super::cluster::{Bench, carry_out, deploy, ended, send};
use kube::api::DeleteParams;
use opsconsole::{
    model::{Action, EnvironmentName, RunOutcome},
    platform::{Connections, Environment, PlatformError, connect},
};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

fn image(tag: &str) -> serde_json::Value {
    json!({"spec": {"template": {"spec": {"containers": [
        {"name": "api", "image": format!("registry.example/api:{tag}")}
    ]}}}})
}

#[tokio::test]
async fn a_second_writer_in_mid_rollout_makes_it_superseded_not_done() {
    let Some(bench) = Bench::with_api("overtaken").await else {
        return;
    };
    bench
        .somebody_patches(json!({"spec": {"progressDeadlineSeconds": 60}}))
        .await;
    let operator = bench.operator("ada").await;
    let run = send(&operator, deploy("fail-not-ready")).await;
    bench.somebody_patches(image("9.9.9")).await;
    match ended(run).await {
        RunOutcome::Superseded { by } => assert!(by.contains("9.9.9"), "{by}"),
        other => panic!("{other:?}"),
    }
    bench.clear().await;
}

#[tokio::test]
async fn a_deployment_deleted_in_mid_rollout_ends_the_run_as_failed() {
    let Some(bench) = Bench::with_api("deleted").await else {
        return;
    };
    bench
        .somebody_patches(json!({"spec": {"progressDeadlineSeconds": 60}}))
        .await;
    let operator = bench.operator("ada").await;
    let run = send(&operator, deploy("fail-not-ready")).await;
    bench
        .deployments()
        .delete("api", &DeleteParams::default())
        .await
        .expect("it is deleted");
    match ended(run).await {
        RunOutcome::Failed { reason } => assert!(reason.contains("does not exist"), "{reason}"),
        other => panic!("{other:?}"),
    }
    bench.clear().await;
}

#[tokio::test]
async fn a_namespace_that_is_deleted_is_told_and_the_platform_lives_on() {
    let Some(bench) = Bench::with_api("gone").await else {
        return;
    };
    let platform = bench.platform().await;
    platform.observe().await.expect("it is there");
    bench.delete_namespace().await;
    let began = Instant::now();
    let said = loop {
        match platform.observe().await {
            Err(error) => break error,
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it is still seen"
        );
    };
    assert!(matches!(said, PlatformError::NotFound { .. }), "{said:?}");
    assert!(said.to_string().contains(&bench.namespace), "{said}");
}

fn reading() -> serde_json::Value {
    json!([
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods", "events", "services"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"]}
    ])
}

#[tokio::test]
async fn whoever_may_only_look_sees_all_and_is_told_which_verb_is_missing() {
    let Some(bench) = Bench::with_api("viewer").await else {
        return;
    };
    let kubeconfig = bench.user("viewer", reading()).await;
    let config = bench.config_of(&kubeconfig);
    let platform = connect(&config).await.expect("a platform");
    let seen = platform
        .observe()
        .await
        .expect("looking is allowed")
        .service;
    assert_eq!((seen.desired, seen.running), (2, 2));
    let operator = bench.operator_of("viewer", config).await;
    let refused = operator
        .plan(&EnvironmentName::from("dev"), deploy("1.1.0"), None)
        .await
        .expect_err("deploying is not");
    let said = refused.to_string();
    assert!(said.contains("patch deployments"), "{said}");
    let missing: Vec<String> = platform
        .checks()
        .await
        .into_iter()
        .filter(|check| !check.ok)
        .filter_map(|check| check.remedy)
        .collect();
    assert!(
        missing
            .iter()
            .any(|remedy| remedy.contains("verb delete on pods")),
        "{missing:?}"
    );
    bench.clear().await;
}

#[tokio::test]
async fn a_new_login_is_picked_up_without_a_restart() {
    let Some(bench) = Bench::with_api("login").await else {
        return;
    };
    let good = bench.token("ada", reading()).await;
    let path = bench.home().join("changing.kubeconfig");
    bench.write_kubeconfig(&path, &good);
    let platform = connect(&bench.config_of(&path)).await.expect("a platform");
    platform.observe().await.expect("logged in");
    // What the file says is read anew only after a refusal: an old link goes on until then.
    bench.write_kubeconfig(&path, "expired");
    let platform = connect(&bench.config_of(&path)).await.expect("a platform");
    for _ in 0..2 {
        let refused = platform.observe().await.expect_err("not logged in");
        assert!(
            matches!(&refused, PlatformError::Credentials { remedy, .. } if remedy.contains("Log in again")),
            "{refused:?}"
        );
    }
    bench.write_kubeconfig(&path, &good);
    // One call is refused by the old link, which is then given up.
    let seen = match platform.observe().await {
        Ok(seen) => seen,
        Err(_) => platform.observe().await.expect("logged in again"),
    };
    assert_eq!(seen.service.running, 2);
    bench.clear().await;
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_leaves_the_others_alone() {
    let Some(bench) = Bench::with_api("others").await else {
        return;
    };
    let path = bench.home().join("nowhere.kubeconfig");
    let text = json!({
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {}}]
    });
    std::fs::write(&path, text.to_string()).expect("a kubeconfig");
    let mut nowhere = bench.config_of(&path);
    nowhere.name = EnvironmentName::from("nowhere");
    let connections = Connections::new(
        vec![nowhere, bench.config()],
        Arc::new(|config| {
            Box::pin(async move {
                let platform = connect(&config).await?;
                Ok(Environment { config, platform })
            })
        }),
    );
    let looks = connections
        .connect_all()
        .await
        .into_iter()
        .map(|(_, found)| async {
            found
                .expect("connecting reads nothing yet")
                .platform
                .observe()
                .await
        });
    let looks: Vec<_> = futures::future::join_all(looks).await;
    assert!(
        matches!(&looks[0], Err(PlatformError::Unreachable { endpoint, .. }) if endpoint.contains("127.0.0.1:9")),
        "{:?}",
        looks[0]
    );
    assert_eq!(looks[1].as_ref().expect("it is there").service.running, 2);
    bench.clear().await;
}

#[tokio::test]
async fn our_audit_outranks_what_the_cluster_shows_and_the_plan_says_which() {
    let Some(bench) = Bench::with_api("evidence").await else {
        return;
    };
    let (ours, theirs) = (bench.operator("ada").await, bench.operator("eve").await);
    let began = Instant::now();
    assert_eq!(carry_out(&ours, deploy("1.1.0")).await, RunOutcome::Done);
    // Of two that lived briefly the one that lived longer is taken: 1.1.0 it shall be.
    tokio::time::sleep(bench.age() + began.elapsed() + Duration::from_secs(1)).await;
    bench.somebody_patches(image("1.2.0")).await;
    bench.steady("1.2.0").await;
    let environment = EnvironmentName::from("dev");
    let back = || Action::Rollback { to: None };
    let plan = ours.plan(&environment, back(), None).await.expect("a plan");
    assert_eq!(
        plan.to
            .as_ref()
            .and_then(|to| to.deployed.release.clone())
            .as_deref(),
        Some("1.1.0")
    );
    assert!(plan.because.contains("audit"), "{}", plan.because);
    let plan = theirs
        .plan(&environment, back(), None)
        .await
        .expect("a plan");
    assert!(
        plan.because.contains("not in our audit"),
        "{}",
        plan.because
    );
    bench.clear().await;
}

#[tokio::test]
async fn what_the_watches_hold_follows_every_change() {
    let Some(bench) = Bench::with_api("watched").await else {
        return;
    };
    let platform = bench.platform().await;
    for (replicas, tag) in [(4, "1.3.0"), (1, "1.4.0"), (3, "1.5.0")] {
        let mut patch = image(tag);
        patch["spec"]["replicas"] = json!(replicas);
        bench.somebody_patches(patch).await;
        let began = Instant::now();
        loop {
            let seen = platform.observe().await.expect("a look").service;
            let all: Vec<_> = seen
                .instances
                .iter()
                .filter_map(|i| i.release.clone())
                .collect();
            if seen.rollout.is_none() && all == vec![tag.to_owned(); replicas] {
                break;
            }
            assert!(
                began.elapsed() < super::cluster::ROLLOUT_TIME,
                "{tag}: {all:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    bench.clear().await;
}

/// Needs a way to end and start the API server: a shell command in `KUBECONFIG_TEST_RESTART`.
#[tokio::test]
async fn an_api_server_that_is_restarted_in_mid_rollout_is_told_as_lost_and_the_run_goes_on() {
    let restart = std::env::var_os("KUBECONFIG_TEST_RESTART").filter(|value| !value.is_empty());
    let Some(restart) = restart else {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI needs a way to restart the API server: set KUBECONFIG_TEST_RESTART"
        );
        eprintln!("not run: KUBECONFIG_TEST_RESTART names no command that restarts the API server");
        return;
    };
    let Some(bench) = Bench::alone_with_api("restart").await else {
        return;
    };
    let platform = bench.platform().await;
    platform.observe().await.expect("watched before");
    // A rollout that takes its time: each pod has to be ready for a while before it counts.
    bench
        .somebody_patches(json!({"spec": {"progressDeadlineSeconds": 120, "minReadySeconds": 12}}))
        .await;
    bench.steady("1.0.0").await;
    let operator = bench.operator("ada").await;
    let mut run = send(&operator, deploy("1.1.0")).await;
    let mut restarting = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(restart)
        .spawn()
        .expect("a shell");
    let lost = run.state.wait_for(|state| state.trouble.is_some());
    let lost = tokio::time::timeout(super::cluster::ROLLOUT_TIME, lost).await;
    let state = lost
        .expect("it is told in time")
        .expect("the run goes on")
        .clone();
    let trouble = state.trouble.expect("trouble");
    assert!(
        trouble.contains("cannot reach") && trouble.contains("the rollout goes on"),
        "{trouble}"
    );
    assert_eq!(state.outcome, None, "looking failed, not the rollout");
    let status = restarting.wait().await.expect("the shell ends");
    assert!(status.success(), "the API server is restarted");
    assert_eq!(ended(run).await, RunOutcome::Done);
    bench.steady("1.1.0").await;
    let seen = platform.observe().await.expect("seen again").service;
    assert_eq!(seen.running, 2, "the watches are in step again");
    bench.clear().await;
}
