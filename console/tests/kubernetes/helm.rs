//! Helm releases, by the real helm program with this repository's chart.

use super::cluster::{Bench, ROLLOUT_TIME, carry_out, deploy, ended, yes};
use opsconsole::{
    config::{EnvironmentConfig, PlatformConfig},
    model::{Action, EnvironmentName, RunOutcome},
    operate::{Confirmation, RunOptions},
};
use serde_json::Value;
use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::Instant,
};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../helm/opsconsole-api");

/// helm, pointed at the test's namespace.
pub fn helm(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = Command::new("helm");
    command
        .args(arguments)
        .args(["--namespace", &bench.namespace])
        .env("KUBECONFIG", bench.kubeconfig())
        .stdin(Stdio::null());
    command
}

pub fn said(command: &mut Command) -> String {
    let output = command.output().expect("helm runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The chart with that release of the API; nothing but what kwok simulates.
fn upgrade(bench: &Bench, tag: &str, more: &[&str]) -> Command {
    let tag = format!("image.tag={tag}");
    let mut arguments = vec!["upgrade", "--install", "shop", CHART, "--set-string", &tag];
    arguments.extend(["--set", "image.repository=registry.example/api"]);
    arguments.extend(more);
    helm(bench, &arguments)
}

pub fn config(bench: &Bench) -> EnvironmentConfig {
    let mut config = bench.config();
    if let PlatformConfig::Kubernetes(kubernetes) = &mut config.platform {
        kubernetes.deployment = None;
        kubernetes.helm_release = Some("shop".to_owned());
    }
    config
}

/// Revision, status and description, oldest first.
pub fn history(bench: &Bench) -> Vec<(u64, String, String)> {
    let text = said(&mut helm(bench, &["history", "shop", "-o", "json"]));
    let entries: Vec<Value> = serde_json::from_str(&text).expect("a history");
    let word = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    entries
        .iter()
        .map(|entry| {
            (
                entry["revision"].as_u64().unwrap_or_default(),
                word(entry, "status"),
                word(entry, "description"),
            )
        })
        .collect()
}

async fn installed(test: &str) -> Option<Bench> {
    let bench = Bench::empty(test).await?;
    if Command::new("helm").arg("version").output().is_err() {
        eprintln!("not run: no helm program");
        bench.clear().await;
        return None;
    }
    said(&mut upgrade(&bench, "1.0.0", &[]));
    settled(&bench, "1.0.0").await;
    Some(bench)
}

pub async fn settled(bench: &Bench, release: &str) {
    let platform = opsconsole::platform::connect(&config(bench))
        .await
        .expect("a platform");
    let began = Instant::now();
    loop {
        if let Ok(seen) = platform.observe().await
            && seen.service.rollout.is_none()
            && seen.service.running == seen.service.desired
            && seen
                .service
                .deployed
                .is_some_and(|live| live.release.as_deref() == Some(release))
        {
            return;
        }
        assert!(began.elapsed() < ROLLOUT_TIME, "{release} does not settle");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

pub fn back() -> Action {
    Action::Rollback { to: None }
}

#[tokio::test]
async fn a_helm_release_goes_back_by_helm_and_its_history_agrees() {
    let Some(bench) = installed("helm-back").await else {
        return;
    };
    said(&mut upgrade(
        &bench,
        "1.1.0",
        &["--set", "api.logLevel=debug"],
    ));
    settled(&bench, "1.1.0").await;
    let operator = bench.operator_of("ada", config(&bench)).await;
    let plan = operator
        .plan(&EnvironmentName::from("dev"), back(), None)
        .await
        .expect("a plan");
    let warned = plan.prepared.warnings.join("\n");
    assert!(warned.contains("helm rollback shop 1"), "{warned}");
    let diff: Vec<&str> = plan
        .prepared
        .diff
        .lines
        .iter()
        .map(|line| line.path.as_str())
        .collect();
    assert!(
        diff.iter()
            .any(|path| path.starts_with("Deployment/") && path.ends_with(".image")),
        "{diff:?}"
    );
    assert_eq!(carry_out(&operator, back()).await, RunOutcome::Done);
    settled(&bench, "1.0.0").await;
    let last = history(&bench).pop().expect("an entry");
    assert_eq!(
        (last.0, last.1.as_str(), last.2.as_str()),
        (3, "deployed", "Rollback to 1")
    );
    bench.clear().await;
}

#[tokio::test]
async fn after_a_bad_deploy_of_the_console_helm_brings_its_own_release_back() {
    let Some(bench) = installed("helm-bad").await else {
        return;
    };
    let name = opsconsole::platform::connect(&config(&bench))
        .await
        .expect("a platform")
        .observe()
        .await
        .expect("a look")
        .service
        .name;
    let patch = serde_json::json!({"spec": {"progressDeadlineSeconds": 5}});
    bench
        .deployments()
        .patch(
            name.as_str(),
            &Default::default(),
            &kube::api::Patch::Merge(&patch),
        )
        .await
        .expect("patched");
    let operator = bench.operator_of("ada", config(&bench)).await;
    match carry_out(&operator, deploy("fail-image-pull")).await {
        RunOutcome::Failed { reason } => assert!(reason.contains("ImagePullBackOff"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(carry_out(&operator, back()).await, RunOutcome::Done);
    settled(&bench, "1.0.0").await;
    let last = history(&bench).pop().expect("an entry");
    assert_eq!((last.0, last.1.as_str()), (2, "deployed"));
    bench.clear().await;
}

#[tokio::test]
async fn a_release_whose_upgrade_was_killed_is_refused_with_the_way_out() {
    let Some(bench) = installed("helm-pending").await else {
        return;
    };
    said(&mut upgrade(&bench, "1.1.0", &[]));
    settled(&bench, "1.1.0").await;
    // Killed while it waits for pods that never come: its record stays pending.
    let mut stuck = upgrade(&bench, "fail-not-ready", &["--wait", "--timeout", "5m"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("helm runs");
    let began = Instant::now();
    while history(&bench)
        .last()
        .is_none_or(|entry| entry.1 != "pending-upgrade")
    {
        assert!(began.elapsed() < ROLLOUT_TIME, "{:?}", history(&bench));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    stuck.kill().expect("it is killed");
    stuck.wait().expect("it is gone");
    let operator = bench.operator_of("ada", config(&bench)).await;
    let plan = operator
        .plan(&EnvironmentName::from("dev"), back(), None)
        .await
        .expect("a plan");
    let blocked = format!("{:?}", plan.prepared.blockers);
    assert!(
        blocked.contains("pending-upgrade at revision 3") && blocked.contains("kubectl get secret"),
        "{blocked}"
    );
    bench.clear().await;
}

#[tokio::test]
async fn where_helm_has_no_such_revision_the_undo_is_break_glass_and_says_so() {
    let Some(bench) = installed("helm-undo").await else {
        return;
    };
    let operator = bench.operator_of("ada", config(&bench)).await;
    // Two deploys that Helm knows nothing of.
    assert_eq!(
        carry_out(&operator, deploy("1.1.0")).await,
        RunOutcome::Done
    );
    settled(&bench, "1.1.0").await;
    let platform = opsconsole::platform::connect(&config(&bench))
        .await
        .expect("a platform");
    let unknown = platform.observe().await.expect("a look").service.deployed;
    let to = Some(unknown.expect("it is live").revision);
    assert_eq!(
        carry_out(&operator, deploy("1.2.0")).await,
        RunOutcome::Done
    );
    let undo = Action::Rollback { to };
    let plan = operator
        .plan(&EnvironmentName::from("dev"), undo, None)
        .await
        .expect("a plan");
    let plan = Arc::new(plan);
    let send = async |confirmation| {
        operator
            .execute(plan.clone(), confirmation, RunOptions::default())
            .await
    };
    // The executor refuses a yes, whatever the screen shows.
    let refused = send(yes()).await.expect_err("a yes is not enough");
    let said = refused.to_string();
    assert!(
        said.contains("next `helm upgrade`") && said.contains("--break-glass"),
        "{said}"
    );
    settled(&bench, "1.2.0").await;
    let reasoned = Confirmation {
        break_glass: Some("checkout is down".to_owned()),
        ..yes()
    };
    let run = send(reasoned).await.expect("a reason passes");
    assert_eq!(ended(run).await, RunOutcome::Done);
    settled(&bench, "1.1.0").await;
    assert_eq!(history(&bench).len(), 1, "Helm's record is as it was");
    bench.clear().await;
}
