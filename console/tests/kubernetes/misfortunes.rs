//! What is wrong with the cluster, the wire or the clock: each is said, and nothing blocks.

use super::{
    cluster::{Bench, ROLLOUT_TIME, carry_out, deploy, deployment, read, yes},
    meddler::Meddler,
};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Node, Pod, ResourceQuota},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use opsconsole::{
    config::PlatformConfig,
    model::{Action, EnvironmentName, LockRecord, RunOutcome},
    operate::RunOptions,
    platform::{PlatformError, connect},
};
use serde_json::json;
use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

#[tokio::test]
async fn a_context_that_does_not_exist_is_named_with_the_one_that_was_meant() {
    let Some(bench) = Bench::empty("context").await else {
        return;
    };
    let path = bench.home().join("two.kubeconfig");
    let token = bench.account("ada").await;
    bench.write_kubeconfig(&path, &token);
    let mut config = bench.config_of(&path);
    if let PlatformConfig::Kubernetes(kubernetes) = &mut config.platform {
        kubernetes.context = Some("tset".to_owned());
    }
    let platform = connect(&config).await.expect("nothing is read yet");
    let said = platform.observe().await.expect_err("no such context");
    assert!(matches!(said, PlatformError::NotFound { .. }), "{said:?}");
    let said = said.to_string();
    assert!(
        said.contains("context \"tset\"") && said.contains("Did you mean \"test\"?"),
        "{said}"
    );
    bench.clear().await;
}

/// As many as there are: no further pod can be made.
async fn allow_two_pods(bench: &Bench) {
    let quotas: Api<ResourceQuota> = Api::namespaced(bench.client.clone(), &bench.namespace);
    let quota = read(json!({"metadata": {"name": "two"}, "spec": {"hard": {"pods": "2"}}}));
    quotas
        .create(&PostParams::default(), &quota)
        .await
        .expect("a quota");
    let began = Instant::now();
    while quotas
        .get("two")
        .await
        .expect("it is there")
        .status
        .and_then(|status| status.used)
        .is_none_or(|used| used.get("pods").is_none_or(|pods| pods.0 != "2"))
    {
        assert!(began.elapsed() < ROLLOUT_TIME, "the quota is not counted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_deployment_that_was_scaled_has_no_rollout_going_on() {
    let Some(bench) = Bench::with_api("scaled").await else {
        return;
    };
    allow_two_pods(&bench).await;
    // As an autoscaler does it; the quota holds that moment for as long as it takes to look.
    bench
        .somebody_patches(json!({"spec": {"replicas": 4}}))
        .await;
    let operator = bench.operator("ada").await;
    let plan = operator
        .plan(&EnvironmentName::from("dev"), deploy("1.1.0"), None)
        .await
        .expect("a plan");
    let blockers = &plan.prepared.blockers;
    assert!(blockers.is_empty(), "{blockers:?}");
    // Why there are too few is said all the same.
    let began = Instant::now();
    loop {
        let seen = bench.platform().await.observe().await.expect("a look");
        assert!(seen.service.rollout.is_none(), "{:?}", seen.service.rollout);
        match seen.service.shortage {
            Some(why) if why.contains("exceeded quota: two") => break,
            other => assert!(began.elapsed() < ROLLOUT_TIME, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bench.clear().await;
}

#[tokio::test]
async fn a_quota_that_leaves_no_room_is_the_reason_of_a_rollout_that_fails() {
    let Some(bench) = Bench::with_api("quota").await else {
        return;
    };
    allow_two_pods(&bench).await;
    // No pod may go before another has come: the new one has no room.
    bench
        .somebody_patches(json!({"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 0}}}}))
        .await;
    let operator = bench.operator("ada").await;
    match carry_out(&operator, deploy("1.1.0")).await {
        RunOutcome::Failed { reason } => assert!(
            reason.contains("pods cannot be created") && reason.contains("exceeded quota: two"),
            "{reason}"
        ),
        other => panic!("{other:?}"),
    }
    bench.clear().await;
}

fn has_kubectl() -> bool {
    let found = Command::new("kubectl")
        .args(["version", "--client"])
        .output();
    if found.is_err() {
        eprintln!("not run: no kubectl program");
    }
    found.is_ok()
}

#[tokio::test]
async fn a_watch_whose_place_is_forgotten_is_listed_anew_and_nothing_is_missed() {
    if !has_kubectl() {
        return;
    }
    let Some(bench) = Bench::with_api("expired").await else {
        return;
    };
    let meddler = Meddler::start(bench.home(), bench.kubeconfig());
    let platform = connect(&bench.config_of(meddler.kubeconfig()))
        .await
        .expect("a platform");
    platform.observe().await.expect("watched");
    // Pods, ReplicaSets and events.
    meddler.forget(3);
    for (replicas, tag) in [(4, "1.1.0"), (3, "1.2.0")] {
        bench
            .somebody_patches(json!({"spec": {"replicas": replicas, "template": {"spec": {
                "containers": [{"name": "api", "image": format!("registry.example/api:{tag}")}]
            }}}}))
            .await;
        let began = Instant::now();
        loop {
            // A connection that was cut in the middle of a call is said, and then mended.
            let seen = platform.observe().await.map(|seen| seen.service);
            let releases: Vec<_> = seen.iter().flat_map(|seen| &seen.instances).collect();
            if releases.len() == replicas
                && releases
                    .iter()
                    .all(|one| one.release.as_deref() == Some(tag))
            {
                break;
            }
            assert!(began.elapsed() < ROLLOUT_TIME, "{tag}: {seen:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert!(
        meddler.gone() > 0,
        "nothing was told that its place is gone"
    );
    bench.clear().await;
}

#[tokio::test]
async fn a_clock_that_is_off_is_said_and_the_locks_end_by_the_servers() {
    if !has_kubectl() {
        return;
    }
    let Some(bench) = Bench::with_api("clock").await else {
        return;
    };
    let meddler = Meddler::start(bench.home(), bench.kubeconfig());
    // The server is an hour behind, which is to say that we are an hour ahead.
    meddler.shift(-3_600);
    let config = bench.config_of(meddler.kubeconfig());
    let platform = connect(&config).await.expect("a platform");
    let seen = platform.observe().await.expect("a look");
    let ahead_s = seen.clock_ahead_s.expect("it is known");
    assert!((3_590..3_610).contains(&ahead_s), "{ahead_s}");
    let checks = platform.checks().await;
    let clock = checks.iter().find(|check| check.name == "clock");
    let clock = clock.expect("doctor looks at the clock");
    assert!(!clock.ok && clock.detail.contains("ahead"), "{clock:?}");

    // A colleague whose clock is the server's took the lock a minute ago, for five.
    let theirs = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(3_660);
    let record = LockRecord {
        run: "r-elsewhere".into(),
        owner: opsconsole::model::Author {
            name: "ben".to_owned(),
            host: Some("elsewhere".to_owned()),
        },
        purpose: "deploy 1.4.0".to_owned(),
        taken_at: theirs,
        expires_at: theirs + jiff::SignedDuration::from_secs(300),
        version: None,
    };
    let text = serde_json::to_string(&record).expect("JSON");
    let leases: Api<Lease> = Api::namespaced(bench.client.clone(), &bench.namespace);
    let lease = read(json!({"metadata": {
        "name": "opsconsole-api", "annotations": {"opsconsole.io/lock": text}
    }}));
    leases
        .create(&PostParams::default(), &lease)
        .await
        .expect("a lease");
    let operator = bench.operator_of("ada", config).await;
    let environment = EnvironmentName::from("dev");
    let plan = operator
        .plan(&environment, deploy("1.1.0"), None)
        .await
        .expect("a plan");
    let refused = operator
        .execute(Arc::new(plan), yes(), RunOptions::default())
        .await
        .expect_err("by our own clock it ran out an hour ago");
    let said = refused.to_string();
    assert!(said.contains("locked by ben"), "{said}");

    // Ours has the server's times too, so that ben reads it right.
    leases
        .delete("opsconsole-api", &DeleteParams::default())
        .await
        .expect("ben is done");
    let run = super::cluster::send(&operator, Action::Restart).await;
    let held = leases.get("opsconsole-api").await.expect("it is held");
    let text = &held.annotations()["opsconsole.io/lock"];
    let held: LockRecord = serde_json::from_str(text).expect("a record");
    let off = held.taken_at.duration_since(theirs).as_secs();
    assert!((0..600).contains(&off), "{off} s from the server's time");
    assert_eq!(super::cluster::ended(run).await, RunOutcome::Done);
    bench.clear().await;
}

const CROWD: usize = 500;

/// Nodes that are played as well as those that are there, until they have room for a crowd.
async fn room_for(bench: &Bench, pods: usize) -> Vec<String> {
    let nodes: Api<Node> = Api::all(bench.client.clone());
    let there = nodes.list(&ListParams::default()).await.expect("nodes");
    let model = there.items.first().expect("a node").clone();
    let mut made = Vec::new();
    for number in 0..pods.div_ceil(100) {
        let name = format!("{}-{number}", bench.namespace);
        let mut labels = model.labels().clone();
        labels.insert("kubernetes.io/hostname".to_owned(), name.clone());
        labels.insert("crowd".to_owned(), bench.namespace.clone());
        let node = read(json!({"metadata": {"name": name, "labels": labels}}));
        nodes
            .create(&PostParams::default(), &node)
            .await
            .expect("a node");
        made.push(name);
    }
    made
}

#[tokio::test]
async fn of_five_hundred_pods_of_which_a_fifth_restarts_each_is_told_and_a_look_stays_quick() {
    let Some(bench) = Bench::empty("crowd").await else {
        return;
    };
    if bench.fed_logs().is_none() {
        eprintln!("not run: its nodes are not kwok's, so nobody plays 500 pods");
        return bench.clear().await;
    }
    let nodes = room_for(&bench, CROWD).await;
    let mut many = deployment("registry.example/api:1.0.0", CROWD as u32);
    many["spec"]["progressDeadlineSeconds"] = json!(300);
    many["spec"]["template"]["spec"]["nodeSelector"] = json!({"crowd": bench.namespace});
    bench.make(many).await;
    let platform = bench.platform().await;
    let limit = Duration::from_secs(240);
    let until = async |what: &str, is_so: &dyn Fn(&opsconsole::model::Service) -> bool| {
        let began = Instant::now();
        loop {
            let look = Instant::now();
            let seen = platform.observe().await.expect("a look").service;
            if is_so(&seen) {
                return (seen, look.elapsed());
            }
            assert!(
                began.elapsed() < limit,
                "{what}: {} of {}",
                seen.running,
                seen.desired
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    until("they do not come up", &|seen| {
        seen.running as usize == CROWD
    })
    .await;
    let pods: Vec<Pod> = bench
        .pods()
        .list(&ListParams::default())
        .await
        .expect("pods")
        .items;
    let fail = json!({"metadata": {"annotations": {"opsconsole.test/fail": "crash-loop"}}});
    for pod in pods.iter().step_by(5) {
        bench
            .pods()
            .patch(
                &pod.name_any(),
                &PatchParams::default(),
                &Patch::Merge(&fail),
            )
            .await
            .expect("it is told to crash");
    }
    let fifth = CROWD / 5;
    let (seen, took) = until("they do not crash", &|seen| {
        let mut crashed: Vec<_> = seen.stopped.iter().map(|one| one.id.clone()).collect();
        crashed.sort();
        crashed.dedup();
        crashed.len() == fifth
    })
    .await;
    assert_eq!(seen.instances.len(), CROWD, "each is told once");
    assert!(seen.stopped.iter().all(|one| one.exit_code == Some(1)));
    // Of a machine that is busy with other tests as well; alone it is a few hundredths.
    assert!(took < Duration::from_secs(5), "a look took {took:?}");
    let api: Api<Node> = Api::all(bench.client.clone());
    for node in nodes {
        api.delete(&node, &DeleteParams::default())
            .await
            .expect("the node goes");
    }
    bench.clear().await;
}
