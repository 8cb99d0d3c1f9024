//! The chart's Roles for the console are enough for all that it does, and give nothing more.

use super::{
    cluster::{Bench, carry_out, deploy},
    recorder::{Recorder, Right, given},
};
use opsconsole::{
    config::{EnvironmentConfig, PlatformConfig},
    logs::{Tail, TailOptions, TailStart},
    model::{Action, RunOutcome},
    operate::Settings,
    platform::{PageRequest, connect},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const HELM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../helm");

/// Everything that the chart can make, and the console's Roles for one account.
const ALL: &str = "\
environment: dev
image: {repository: registry.example/api, tag: 1.0.0}
progressDeadlineSeconds: 5
database: {kind: postgres, postgres: {existingSecret: db}}
migration: {enabled: false}
autoscaling: {enabled: true}
ingress: {enabled: true, hosts: [api.example]}
httpRoute: {enabled: true, parentRefs: [{name: gateway}]}
metrics:
  serviceMonitor: {enabled: true}
  prometheusRule: {enabled: true}
  dashboards: {enabled: true}
console: {rbac: true, operators: [{kind: ServiceAccount, name: operator}]}
";

fn ran(program: &str, kubeconfig: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null());
    let output = command.output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The rules of the Roles that the chart makes; `None` without helm.
fn rules(helm_rollback: bool) -> Option<Vec<Value>> {
    let chart = format!("{HELM}/opsconsole-api");
    let rollback = format!("console.helmRollback={helm_rollback}");
    let text = ran(
        "helm",
        Path::new("/nonexistent"),
        &[
            "template",
            "x",
            &chart,
            "--kube-version",
            "1.34.0",
            "--show-only",
            "templates/console-rbac.yaml",
            "--set",
            "console.rbac=true",
            "--set",
            &rollback,
        ],
    )?;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("objects");
    let roles = objects.iter().filter(|object| object["kind"] == "Role");
    Some(
        roles
            .flat_map(|role| role["rules"].as_array().cloned().unwrap_or_default())
            .collect(),
    )
}

fn list(rights: impl IntoIterator<Item = Right>) -> String {
    let words: Vec<String> = rights.into_iter().map(|right| right.to_string()).collect();
    words.join(", ")
}

/// Both directions at once, so that whoever changes the Roles sees all that is to change.
fn same(given: &BTreeSet<Right>, used: &BTreeSet<Right>) {
    assert!(
        given == used,
        "the chart's Roles lack: {}\nand give for nothing: {}",
        list(used.difference(given).cloned()),
        list(given.difference(used).cloned())
    );
}

/// All that the screens and the commands do with an environment.
async fn everything(bench: &Bench, config: EnvironmentConfig) {
    // Renewed within any rollout.
    let settings = Settings {
        lock_ttl: Duration::from_secs(3),
        ..Settings::default()
    };
    let operator = bench
        .operator_with("console", config.clone(), settings)
        .await;
    let platform = connect(&config).await.expect("a platform");
    let mut tail = Tail::start(platform.logs(), TailOptions::from(TailStart::At(0)));
    assert_eq!(
        carry_out(&operator, deploy("1.1.0")).await,
        RunOutcome::Done
    );
    match carry_out(&operator, deploy("fail-not-ready")).await {
        RunOutcome::Failed { .. } => {}
        other => panic!("{other:?}"),
    }
    let back = Action::Rollback { to: None };
    for action in [back, Action::Scale { desired: 3 }, Action::Restart] {
        let outcome = carry_out(&operator, action.clone()).await;
        assert_eq!(outcome, RunOutcome::Done, "{action:?}");
    }
    let seen = platform.observe().await.expect("a look").service;
    let live = seen.deployed.expect("something is live").revision;
    // Pods of the revision before may still be on their way out.
    let instance = seen.instances.iter().find(|one| one.revision == live);
    let instance = instance.expect("a pod of it").id.clone();
    let stop = Action::StopInstance { instance };
    assert_eq!(carry_out(&operator, stop).await, RunOutcome::Done);
    platform.rollouts().await.expect("rollouts");
    platform.releases().await.expect("releases");
    platform.bill().await.expect("a bill");
    platform.revision(&live).await.expect("a revision");
    let access = platform.logs();
    let page = access.pages().page(&PageRequest::default()).await;
    page.expect("a page");
    let lacking: Vec<_> = platform
        .checks()
        .await
        .into_iter()
        .filter(|check| !check.ok)
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    tail.events.close();
}

fn through(
    bench: &Bench,
    recorder: &Recorder,
    change: impl Fn(&mut PlatformConfig),
) -> EnvironmentConfig {
    let mut config = bench.config_of(recorder.kubeconfig());
    change(&mut config.platform);
    config
}

#[tokio::test]
async fn the_charts_roles_are_exactly_enough_for_the_console() {
    let Some(bench) = Bench::with_api("rights").await else {
        return;
    };
    let Some(rules) = rules(false) else {
        eprintln!("not run: no helm program");
        return bench.clear().await;
    };
    crds(&bench);
    let user = bench.user("console", json!(rules)).await;
    let recorder = Recorder::start(bench.home(), "console", &user);
    everything(&bench, through(&bench, &recorder, |_| {})).await;
    // Found by its Helm release instead of by its name: which there is none of.
    let by_release = through(&bench, &recorder, |platform| {
        if let PlatformConfig::Kubernetes(kubernetes) = platform {
            kubernetes.deployment = None;
            kubernetes.helm_release = Some("none".to_owned());
        }
    });
    let found = connect(&by_release)
        .await
        .expect("a platform")
        .observe()
        .await;
    found.expect_err("there is no such release");
    let (asked, refused) = recorder.asked(&bench.namespace);
    assert!(refused.is_empty(), "refused: {}", list(refused));
    same(&given(&rules), &asked);
    bench.clear().await;
}

#[tokio::test]
async fn the_charts_role_for_helm_rollbacks_is_exactly_enough_for_them() {
    let Some(bench) = Bench::empty("helm-rights").await else {
        return;
    };
    let (Some(narrow), Some(wide)) = (rules(false), rules(true)) else {
        eprintln!("not run: no helm program");
        return bench.clear().await;
    };
    crds(&bench);
    let token = bench.account("operator").await;
    let user = bench.home().join("operator.kubeconfig");
    bench.write_kubeconfig(&user, &token);
    let values = bench.home().join("values.yaml");
    std::fs::write(&values, ALL).expect("a file");
    let (values, chart) = (
        values.display().to_string(),
        format!("{HELM}/opsconsole-api"),
    );
    let upgrade = |set: &str| {
        let arguments = [
            "upgrade",
            "--install",
            "shop",
            &chart,
            "--namespace",
            &bench.namespace,
            "--values",
            &values,
            "--set",
            set,
        ];
        ran("helm", bench.kubeconfig(), &arguments).expect("helm");
    };
    // Between the first two each object differs; the third has each of them under another name.
    upgrade("environment=dev");
    upgrade("environment=test");
    upgrade("fullnameOverride=other");
    let recorder = Recorder::start(bench.home(), "operator", &user);
    let rollback = |revision: &str| {
        let arguments = [
            "rollback",
            "shop",
            revision,
            "--namespace",
            &bench.namespace,
        ];
        ran("helm", recorder.kubeconfig(), &arguments).expect("helm");
    };
    rollback("1");
    rollback("2");
    rollback("3");
    // Helm keeps ten revisions and takes the oldest away.
    for revision in ["4", "5", "6", "7", "8"] {
        rollback(revision);
    }
    // And as the console does it, once that is rolled out.
    let status = [
        "rollout",
        "status",
        "deployment/shop-opsconsole-api",
        "--timeout=60s",
    ];
    let within = ["--namespace", &bench.namespace];
    ran(
        "kubectl",
        bench.kubeconfig(),
        &[&status[..], &within].concat(),
    )
    .expect("kubectl");
    let config = through(&bench, &recorder, |platform| {
        if let PlatformConfig::Kubernetes(kubernetes) = platform {
            kubernetes.deployment = Some("shop-opsconsole-api".to_owned());
        }
    });
    // Its autoscaler may be at work at any time: that is no rollout.
    let seen = connect(&config).await.expect("a platform").observe().await;
    let rollout = seen.expect("a look").service.rollout;
    assert!(rollout.is_none(), "{rollout:#?}");
    let operator = bench.operator_of("operator", config.clone()).await;
    assert_eq!(
        carry_out(&operator, deploy("1.1.0")).await,
        RunOutcome::Done
    );
    let back = carry_out(&operator, Action::Rollback { to: None }).await;
    assert_eq!(back, RunOutcome::Done);
    let (asked, refused) = recorder.asked(&bench.namespace);
    assert!(refused.is_empty(), "refused: {}", list(refused));
    // What the console does itself is the other test's.
    let (narrow, wide) = (given(&narrow), given(&wide));
    let asked = asked.union(&narrow).cloned().collect();
    same(&wide, &asked);
    bench.clear().await;
}

/// The custom resources that the chart may make.
fn crds(bench: &Bench) {
    let file = format!("{HELM}/tests/crds.yaml");
    let apply = ["apply", "--server-side", "--filename", &file];
    ran("kubectl", bench.kubeconfig(), &apply).expect("kubectl");
    let wait = [
        "wait",
        "--for",
        "condition=Established",
        "--timeout",
        "60s",
        "--filename",
        &file,
    ];
    ran("kubectl", bench.kubeconfig(), &wait).expect("kubectl");
}
