//! A `helm rollback` that takes its time: followed while its hooks run, and told when they fail.

use super::{
    cluster::{Bench, ROLLOUT_TIME, ended, send},
    helm::{back, config, helm, history, said, settled},
};
use opsconsole::model::{EnvironmentName, RunOutcome};
use std::{fs, path::PathBuf, process::Command, time::Duration};

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers: [{name: api, image: "registry.example/api:{{ .Values.tag }}"}]
"#;

/// Runs before the rollback to the revision that it came with.
const HOOK: &str = r#"
apiVersion: batch/v1
kind: Job
metadata:
  name: before-rollback
  annotations: {helm.sh/hook: pre-rollback, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  template:
    metadata:
      annotations: {opsconsole.test/complete-after: "{{ .Values.takes }}"}
    spec:
      restartPolicy: Never
      containers: [{name: hook, image: "registry.example/hook:{{ .Values.hook }}"}]
"#;

fn chart(bench: &Bench) -> PathBuf {
    let chart = bench.home().join("chart");
    fs::create_dir_all(chart.join("templates")).expect("a directory");
    let about = "apiVersion: v2\nname: hooked\nversion: 0.1.0\n";
    let files = [
        ("Chart.yaml", about),
        ("templates/deployment.yaml", DEPLOYMENT),
        ("templates/hook.yaml", HOOK),
    ];
    for (name, text) in files {
        fs::write(chart.join(name), text).expect("a file");
    }
    chart
}

/// Installed at 1.0.0 with that hook, and upgraded to 1.1.0.
async fn upgraded(test: &str, hook: &str, takes: &str) -> Option<Bench> {
    let bench = Bench::empty(test).await?;
    if Command::new("helm").arg("version").output().is_err() {
        eprintln!("not run: no helm program");
        bench.clear().await;
        return None;
    }
    let chart = chart(&bench);
    let chart = chart.to_str().expect("UTF-8");
    for tag in ["1.0.0", "1.1.0"] {
        let values = format!("tag={tag},hook={hook},takes={takes}");
        said(&mut helm(
            &bench,
            &[
                "upgrade",
                "--install",
                "shop",
                chart,
                "--set-string",
                &values,
            ],
        ));
        settled(&bench, tag).await;
    }
    Some(bench)
}

#[tokio::test]
async fn while_its_hooks_run_the_run_says_which_revision_helm_makes_and_nothing_else_is_begun() {
    let Some(bench) = upgraded("helm-hooks", "1.0.0", "6s").await else {
        return;
    };
    let operator = bench.operator_of("ada", config(&bench)).await;
    let mut run = send(&operator, back()).await;
    let at_work = run.state.wait_for(|state| {
        let step = state
            .progress
            .as_ref()
            .and_then(|progress| progress.platform_stage.as_deref());
        step.is_some_and(|step| {
            step.contains("helm revision 3, a rollback to 1: at work")
                && step.contains("not stopped half way")
        })
    });
    let seen = tokio::time::timeout(Duration::from_secs(30), at_work)
        .await
        .expect("it is said while the hook runs")
        .expect("the run goes on")
        .clone();
    let progress = seen.progress.expect("progress");
    // What comes in is the release that it goes back to, though the Deployment is still the other.
    let there = bench.deployments().get("api").await.expect("it is there");
    let image = there
        .spec
        .and_then(|spec| spec.template.spec)
        .expect("a template");
    assert_eq!(
        image.containers[0].image.as_deref(),
        Some("registry.example/api:1.1.0")
    );
    assert_eq!(
        Some(&progress.ours.revision),
        run.plan.to.as_ref().map(|to| &to.deployed.revision)
    );
    let second = operator
        .plan(&EnvironmentName::from("dev"), back(), None)
        .await
        .expect("a plan");
    let blocked = format!("{:?}", second.prepared.blockers);
    assert!(
        blocked.contains("pending-rollback at revision 3") && blocked.contains("wait for it"),
        "{blocked}"
    );
    assert_eq!(ended(run).await, RunOutcome::Done);
    settled(&bench, "1.0.0").await;
    let last = history(&bench).pop().expect("an entry");
    assert_eq!((last.0, last.1.as_str()), (3, "deployed"));
    bench.clear().await;
}

#[tokio::test]
async fn a_hook_that_fails_ends_the_run_with_helms_own_words() {
    let Some(bench) = upgraded("helm-hook-fails", "fail-crash-loop", "1s").await else {
        return;
    };
    let operator = bench.operator_of("ada", config(&bench)).await;
    let run = send(&operator, back()).await;
    match ended(run).await {
        RunOutcome::Failed { reason } => assert!(
            reason.contains("before-rollback") && reason.contains("helm history shop"),
            "{reason}"
        ),
        other => panic!("{other:?}"),
    }
    // Helm leaves the record of a rollback whose first hook failed as it was.
    let last = history(&bench).pop().expect("an entry");
    assert_eq!((last.0, last.1.as_str()), (3, "pending-rollback"));
    settled(&bench, "1.1.0").await;
    bench.clear().await;
}

#[tokio::test]
async fn a_console_that_comes_later_follows_the_helm_that_the_one_before_started() {
    let Some(bench) = upgraded("helm-resumed", "1.0.0", "6s").await else {
        return;
    };
    let first = bench.operator_of("ada", config(&bench)).await;
    send(&first, back()).await;
    first.leave().await;
    drop(first);
    let second = bench.operator_of("ada", config(&bench)).await;
    let resumed = second.resume_unfinished().await.expect("the store is read");
    let [run] = <[_; 1]>::try_from(resumed).expect("one run");
    let outcome = tokio::time::timeout(ROLLOUT_TIME, ended(run)).await;
    assert_eq!(outcome.expect("in time"), RunOutcome::Done);
    settled(&bench, "1.0.0").await;
    bench.clear().await;
}
