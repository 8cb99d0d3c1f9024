//! Everything that can be seen of an environment, while its tasks really run.

use crate::laboratory::{Laboratory, pages, steady, wait_for};
use jiff::{SignedDuration, Timestamp};
use opsconsole::{
    model::{
        AlarmState, Architecture, InstanceState, ReleaseRef, RolloutOutcome, Window, document_diff,
    },
    platform::{LinkTarget, PageRequest, Platform, PlatformError, ecs},
};
use std::{collections::HashSet, time::Duration};

#[tokio::test]
async fn one_look_shows_tasks_targets_alarms_and_what_is_live() {
    let laboratory = Laboratory::shared();
    let platform = laboratory.platform("prod");
    steady(&*platform).await;

    let service = platform.observe().await.expect("a look").service;
    assert_eq!(
        (service.name.as_str(), service.cluster.as_str()),
        ("api", "prod")
    );
    assert_eq!(
        (service.desired, service.running, service.pending),
        (4, 4, 0)
    );
    assert_eq!(service.instances.len(), 4);
    let deployed = service.deployed.expect("something is live");
    assert_eq!(deployed.release.as_deref(), Some("1.4.1"));
    assert!(deployed.digest.is_some() && deployed.deployed_at.is_some());
    for instance in &service.instances {
        assert_eq!(instance.state, InstanceState::Running);
        assert_eq!(instance.healthy, Some(true));
        assert_eq!(instance.digest, deployed.digest);
        let address = instance.address.as_deref().expect("an address");
        assert!(
            service
                .targets
                .iter()
                .any(|target| target.address == address)
        );
    }
    let ids: HashSet<&str> = service.instances.iter().map(|i| i.id.as_str()).collect();
    assert_eq!(ids.len(), 4);
    assert!(service.alarms.len() >= 3, "{:?}", service.alarms);
    assert!(service.alarms.iter().any(|alarm| alarm.guards_rollouts));
    assert!(
        service
            .alarms
            .iter()
            .all(|alarm| alarm.state != AlarmState::Alarm)
    );
    assert!(
        service.events[0].message.contains("(service api)"),
        "{:?}",
        service.events
    );
    assert!(
        service
            .url
            .is_some_and(|url| url.starts_with("http://127.0.0.1:"))
    );
    assert!(service.rollout.is_none());
}

#[tokio::test]
async fn what_each_task_uses_is_measured() {
    let laboratory = Laboratory::shared();
    let platform = laboratory.platform("prod");
    steady(&*platform).await;
    wait_for(
        "CPU and memory of every task",
        Duration::from_secs(60),
        || async {
            let service = platform.observe().await.ok()?.service;
            let measured = service.instances.iter().all(|instance| {
                instance.cpu_percent.is_some()
                    && instance.memory_percent.is_some_and(|used| used > 0.0)
            });
            (measured && !service.instances.is_empty()).then_some(())
        },
    )
    .await;
}

#[tokio::test]
async fn requests_errors_and_latency_are_read_in_one_go() {
    let laboratory = Laboratory::shared();
    let platform = laboratory.platform("prod");
    steady(&*platform).await;
    let url = platform
        .observe()
        .await
        .expect("a look")
        .service
        .url
        .expect("a URL");
    let address = url.trim_start_matches("http://").to_owned();
    wait_for("request counts", Duration::from_secs(60), || async {
        knock(&address, "/items").await;
        let end = Timestamp::now();
        let window = Window {
            start: end - SignedDuration::from_mins(5),
            end,
        };
        let metrics = platform.metrics(window).await.expect("metrics");
        assert_eq!(metrics.requests_per_second.step_s, 10);
        assert_eq!(
            metrics.requests_per_second.values.len(),
            metrics.error_percent.values.len()
        );
        let errors = metrics.error_percent.values.iter().flatten();
        assert!(
            errors
                .clone()
                .all(|percent| (0.0..=100.0).contains(percent))
        );
        let some = |series: &opsconsole::model::Series| series.values.iter().flatten().count() > 0;
        (some(&metrics.requests_per_second)
            && some(&metrics.error_percent)
            && some(&metrics.p95_ms)
            && some(&metrics.cpu_percent)
            && some(&metrics.memory_percent))
        .then_some(())
    })
    .await;
}

/// One plain HTTP request; the answer does not matter.
async fn knock(address: &str, path: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else {
        return;
    };
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_ok() {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
}

#[tokio::test]
async fn releases_come_newest_first_with_size_and_architecture() {
    let laboratory = Laboratory::shared();
    let platform = laboratory.platform("dev");
    let releases = platform.releases().await.expect("releases");
    let names: Vec<&str> = releases.iter().map(|release| release.name()).collect();
    assert_eq!(names.first().copied(), Some("1.7.0"), "{names:?}");
    assert!(names.len() >= 7 && names.contains(&"1.3.0"));
    let pushed: Vec<_> = releases.iter().map(|release| release.pushed_at).collect();
    assert!(pushed.is_sorted_by(|a, b| a >= b));
    for release in &releases {
        assert_eq!(
            release.architectures,
            [Architecture::Amd64],
            "{}",
            release.name()
        );
        assert!(release.size_bytes.is_some_and(|bytes| bytes > 0));
    }
    let digests: HashSet<_> = releases
        .iter()
        .map(|release| release.digest.clone())
        .collect();
    assert_eq!(digests.len(), releases.len());
}

#[tokio::test]
async fn a_release_is_found_by_tag_and_by_digest_and_a_missing_one_is_not_an_error() {
    let laboratory = Laboratory::shared();
    let platform = laboratory.platform("dev");
    let by_tag = platform
        .release(&ReleaseRef::Tag("1.5.0".to_owned()))
        .await
        .expect("an answer")
        .expect("1.5.0");
    let by_digest = platform
        .release(&ReleaseRef::Digest(by_tag.digest.clone()))
        .await
        .expect("an answer")
        .expect("its digest");
    assert_eq!(by_tag.name(), by_digest.name());
    for missing in ["9.9.9", "not a tag"] {
        let found = platform.release(&ReleaseRef::Tag(missing.to_owned())).await;
        assert_eq!(found, Ok(None), "{missing}");
    }
}

#[tokio::test]
async fn history_tells_how_each_deployment_ended_and_what_it_really_ran() {
    let laboratory = Laboratory::shared();
    let platform = laboratory.platform("prod");
    steady(&*platform).await;
    let rollouts = platform.rollouts().await.expect("a history");
    assert!(rollouts.len() >= 2, "{rollouts:?}");
    assert!(rollouts.is_sorted_by(|a, b| a.started_at >= b.started_at));
    let newest = &rollouts[0];
    assert_eq!(newest.release.as_deref(), Some("1.4.1"));
    assert_eq!(newest.outcome, RolloutOutcome::Succeeded);
    assert_eq!(newest.from.as_ref(), Some(&rollouts[1].to));
    assert!(newest.digest.is_some() && newest.digest != rollouts[1].digest);
    assert!(
        newest
            .finished_at
            .is_some_and(|end| end >= newest.started_at)
    );

    let revision = platform.revision(&newest.to).await.expect("a revision");
    let before = platform
        .revision(&rollouts[1].to)
        .await
        .expect("a revision");
    let diff = document_diff(&before.document, &revision.document);
    let paths: Vec<&str> = diff.lines.iter().map(|line| line.path.as_str()).collect();
    assert_eq!(paths, ["containerDefinitions[api].image"], "{diff:?}");
}

#[tokio::test]
async fn logs_are_read_page_by_page_and_never_twice() {
    let laboratory = Laboratory::shared();
    let platform = laboratory.platform("prod");
    steady(&*platform).await;
    let pages = pages(&*platform);
    assert_eq!(
        pages.budget_key(),
        format!("{}/us-east-1", laboratory.endpoint.account)
    );
    let mut request = PageRequest {
        start_ms: 0,
        end_ms: Some(Timestamp::now().as_millisecond()),
        limit: Some(3),
        ..PageRequest::default()
    };
    let mut ids = HashSet::new();
    for turn in 0.. {
        let page = pages.page(&request).await.expect("a page");
        assert!(page.events.len() <= 3);
        for event in page.events {
            assert!(ids.insert(event.id.clone()), "{} came twice", event.id);
            assert!(event.stream.starts_with("api/api/"), "{}", event.stream);
            assert!(event.timestamp_ms > 0 && event.ingested_ms > 0);
        }
        request.token = page.token;
        if request.token.is_none() || turn == 10 {
            break;
        }
    }
    assert!(ids.len() >= 4, "four tasks have started");
}

#[tokio::test]
async fn the_bill_lists_what_runs_and_says_where_each_figure_comes_from() {
    let laboratory = Laboratory::shared();
    let platform = laboratory.platform("prod");
    steady(&*platform).await;
    let bill = platform.bill().await.expect("a bill");
    assert_eq!(bill.region, "us-east-1");
    assert!(bill.note.is_some());
    let quantity = |sku: &str| {
        bill.lines
            .iter()
            .find(|line| line.sku == sku)
            .map(|line| line.quantity)
    };
    assert_eq!(quantity("fargate.linux.x86.vcpu"), Some(4.0));
    assert_eq!(quantity("fargate.linux.x86.gb"), Some(8.0));
    assert_eq!(quantity("alb.hour"), Some(1.0));
    assert!(quantity("cw.logs.ingest").is_some(), "{bill:?}");
    assert!(quantity("cw.alarm.standard").is_some_and(|alarms| alarms >= 3.0));
    assert!(bill.lines.iter().all(|line| !line.basis.is_empty()));
}

#[tokio::test]
async fn doctor_finds_nothing_wrong_and_names_every_reading_permission() {
    let laboratory = Laboratory::shared();
    let platform = laboratory.platform("prod");
    steady(&*platform).await;
    let checks = platform.checks().await;
    let wrong: Vec<_> = checks.iter().filter(|check| !check.ok).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    let elsewhere = [
        "sts:GetCallerIdentity",
        "ecs:ListClusters",
        "ecs:ListServices",
    ];
    for operation in ecs::operations::OPERATIONS {
        if operation.effect == ecs::operations::Effect::Reads
            && !elsewhere.contains(&operation.iam_action)
        {
            assert!(
                names.iter().any(|name| name.contains(operation.iam_action)),
                "{} is not checked: {names:?}",
                operation.iam_action
            );
        }
    }
    for name in ["credentials", "clock", "changes"] {
        assert!(names.contains(&name), "{name} is not checked");
    }
}

#[tokio::test]
async fn services_are_found_for_a_first_configuration() {
    let laboratory = Laboratory::shared();
    let found = ecs::discover_with(&laboratory.ecs("ignored"))
        .await
        .expect("services");
    let names: Vec<(&str, &str)> = found
        .iter()
        .map(|service| (service.cluster.as_str(), service.service.as_str()))
        .collect();
    assert_eq!(names, [("dev", "api"), ("prod", "api"), ("staging", "api")]);
}

#[tokio::test]
async fn a_misspelt_service_gets_the_nearest_name() {
    let laboratory = Laboratory::shared();
    let mut config = laboratory.config("dev");
    let opsconsole::config::PlatformConfig::Ecs(service) = &mut config.platform else {
        panic!("an ECS environment");
    };
    service.service = "apy".to_owned();
    let platform = ecs::EcsPlatform::new(&config).expect("a platform");
    let error = platform
        .observe()
        .await
        .expect_err("there is no such service");
    assert!(matches!(error, PlatformError::NotFound { .. }));
    assert!(error.to_string().contains("Did you mean api?"), "{error}");
    assert!(
        platform.links(&LinkTarget::Service).is_none(),
        "the local cloud has no web console"
    );
}
