//! Faults on purpose do what a bad release does, and only in a rehearsal.

use std::time::{Duration, Instant};

use hyper::StatusCode;

use crate::support::Start;

#[tokio::test]
async fn the_release_that_crashes_ends_with_1_and_says_why() {
    let mut process = Start::new().rehearsing("FAULT_CRASH_AFTER_MS", "0").spawn();
    assert_eq!(process.exit().await.code(), Some(1));
    let line = process.line(|line| line["level"] == "ERROR").await;
    let message = line["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("configuration error: "), "{message}");
}

#[tokio::test]
async fn the_release_that_is_never_ready_lives_and_says_why() {
    let api = Start::new()
        .rehearsing("FAULT_NEVER_READY", "on")
        .listening()
        .await;
    // Wait for the real checks to be fine, so that only the fault is left.
    api.process
        .line(|line| line["message"] == "schema is up to date")
        .await;
    assert_eq!(api.get("/livez").await.status, StatusCode::OK);
    for path in ["/readyz", "/health"] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let checks = answer.problem()["checks"].clone();
        assert_eq!(checks["database"], "ok");
        assert!(checks["search_index"].is_string(), "{checks}");
    }
}

#[tokio::test]
async fn the_release_with_8_percent_errors_fails_customers_but_not_probes() {
    let api = Start::new()
        .rehearsing("FAULT_FAIL_PERCENT", "8")
        .ready()
        .await;
    let mut failed = 0;
    for _ in 0..1_000 {
        let answer = api.get("/api/hello").await;
        if answer.status != StatusCode::OK {
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
            let problem = answer.problem();
            assert!(
                !problem.to_string().contains("currency"),
                "{problem} gives the cause away"
            );
            failed += 1;
        }
    }
    // 80 expected, standard deviation 8.6.
    assert!((40..=120).contains(&failed), "{failed} of 1,000 failed");
    for _ in 0..100 {
        assert_eq!(api.get("/readyz").await.status, StatusCode::OK);
        assert_eq!(api.get("/health").await.status, StatusCode::OK);
    }
    let line = api.process.line(|line| line["status"] == 500).await;
    assert_eq!(line["level"], "ERROR");
    assert!(
        line["error"]
            .as_str()
            .unwrap_or_default()
            .contains("currency")
    );
}

#[tokio::test]
async fn the_slow_release_is_slow_for_customers_but_not_for_probes() {
    let api = Start::new()
        .rehearsing("FAULT_LATENCY_MS", "700")
        .ready()
        .await;
    let started = Instant::now();
    assert_eq!(api.get("/items").await.status, StatusCode::OK);
    assert!(started.elapsed() >= Duration::from_millis(700));

    api.get("/livez").await;
    let slow = r#"http_server_request_duration_seconds_bucket{method="GET",route="/items",status="200",le="0.5"} "#;
    let probe = r#"http_server_request_duration_seconds_bucket{method="GET",route="/livez",status="200",le="0.5"} "#;
    assert!(api.metric(slow).await < 0.5);
    assert!(api.metric(probe).await > 0.5);
}

#[tokio::test]
async fn the_leaking_release_grows_with_every_request() {
    let api = Start::new()
        .rehearsing("FAULT_LEAK_KB_PER_REQUEST", "1024")
        .ready()
        .await;
    let before = api.metric("process_resident_memory_bytes ").await;
    for _ in 0..30 {
        api.get("/").await;
    }
    let grown = api.metric("process_resident_memory_bytes ").await - before;
    assert!(grown > 25e6, "30 MiB were leaked, {grown} bytes show");
}

#[tokio::test]
async fn without_rehearsal_nothing_goes_wrong_on_purpose() {
    let api = Start::new()
        .set("FAULT_NEVER_READY", "on")
        .set("FAULT_FAIL_PERCENT", "100")
        .set("FAULT_CRASH_AFTER_MS", "0")
        .ready()
        .await;
    assert_eq!(api.get("/items").await.status, StatusCode::OK);
}

#[tokio::test]
async fn production_refuses_to_rehearse_except_in_the_local_cloud() {
    let mut process = Start::new()
        .set("ENVIRONMENT", "prod")
        .rehearsing("FAULT_FAIL_PERCENT", "8")
        .spawn();
    assert_eq!(process.exit().await.code(), Some(2));
    process
        .line(|line| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.contains("REHEARSAL"))
        })
        .await;

    Start::new()
        .set("ENVIRONMENT", "prod")
        .set("LOCAL_CLOUD", "on")
        .rehearsing("FAULT_FAIL_PERCENT", "8")
        .ready()
        .await;
}
