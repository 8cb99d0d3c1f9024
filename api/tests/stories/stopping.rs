//! Being told to stop: not ready at once, nothing lost, ended in order.

use std::collections::HashSet;

use futures::future::join_all;
use hyper::{Method, StatusCode};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::support::{Start, request, until};

#[tokio::test]
async fn sigterm_turns_readiness_off_finishes_the_request_in_flight_and_exits_0() {
    let mut api = Start::new()
        .set("DRAIN_SECONDS", "10")
        .rehearsing("FAULT_LATENCY_MS", "3000")
        .ready()
        .await;
    let slow = api.post_item(r#"{"name": "in flight"}"#);
    let stop = async {
        until("the request to be in flight", async || {
            (api.metric("http_server_active_requests ").await > 1.5).then_some(())
        })
        .await;
        api.process.signal(Signal::SIGTERM);
        // Refused connections would show here: the listener is to stay open for a while.
        let answer = api
            .status_becomes("/readyz", StatusCode::SERVICE_UNAVAILABLE)
            .await;
        assert!(answer.problem()["checks"]["process"].is_string());
        assert_eq!(answer.header("connection"), "close");
        assert_eq!(
            api.get("/health").await.status,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(api.get("/livez").await.status, StatusCode::OK);
    };
    let (answer, ()) = tokio::join!(slow, stop);
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(api.process.exit().await.code(), Some(0));
    api.process.line(|line| line["message"] == "stopped").await;
}

#[tokio::test]
async fn callers_that_heed_connection_close_lose_no_request_and_each_has_its_line() {
    let mut api = Start::new().set("DRAIN_SECONDS", "10").ready().await;
    let callers = (0..8).map(|_| async {
        let mut answered = 0;
        loop {
            let answer = api.try_send(request(Method::GET, "/items", "")).await;
            let answer = answer.unwrap_or_else(|error| panic!("lost after {answered}: {error}"));
            assert_eq!(answer.status, StatusCode::OK);
            answered += 1;
            if answer.header("connection") == "close" {
                return answered;
            }
        }
    });
    let stop = async {
        until("load", async || {
            let series = r#"http_server_requests_total{method="GET",route="/items",status="200"} "#;
            (api.metric(series).await > 100.0).then_some(())
        })
        .await;
        api.process.signal(Signal::SIGTERM);
    };
    let (answered, ()) = tokio::join!(join_all(callers), stop);
    assert!(answered.iter().all(|count| *count > 0), "{answered:?}");
    assert_eq!(api.process.exit().await.code(), Some(0));
    let answered: usize = answered.iter().sum();
    let mut seen = HashSet::new();
    until("a line for each request", async || {
        let lines = api.process.lines();
        let requests = lines
            .iter()
            .filter(|line| line["message"] == "request" && line["route"] == "/items");
        seen = requests
            .map(|line| line["request_id"].to_string())
            .collect();
        (seen.len() >= answered).then_some(())
    })
    .await;
    assert_eq!(seen.len(), answered);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut api = Start::new()
        .set("DRAIN_SECONDS", "120")
        .rehearsing("FAULT_LATENCY_MS", "600000")
        .ready()
        .await;
    let (address, client) = (api.address, TcpStream::connect(api.address).await);
    let client = client.unwrap_or_else(|error| panic!("{address}: {error}"));
    let head = b"GET /items HTTP/1.1\r\nhost: localhost\r\n\r\n";
    client.writable().await.expect("writable");
    client.try_write(head).expect("written");
    until("the request to be in flight", async || {
        (api.metric("http_server_active_requests ").await > 1.5).then_some(())
    })
    .await;
    api.process.signal(Signal::SIGTERM);
    api.process.line(|line| line["message"] == "draining").await;
    assert!(api.process.is_running());
    api.process.signal(Signal::SIGINT);
    assert_eq!(api.process.exit().await.code(), Some(1));
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut_off_and_reported() {
    let mut api = Start::new()
        .set("DRAIN_SECONDS", "1")
        .rehearsing("FAULT_LATENCY_MS", "600000")
        .ready()
        .await;
    let slow = api.try_send(request(Method::GET, "/items", ""));
    let stop = async {
        until("the request to be in flight", async || {
            (api.metric("http_server_active_requests ").await > 1.5).then_some(())
        })
        .await;
        api.process.signal(Signal::SIGTERM);
    };
    let (answer, ()) = tokio::join!(slow, stop);
    answer.expect_err("it was cut off");
    assert_eq!(api.process.exit().await.code(), Some(0));
    api.process
        .line(|line| line["level"] == "WARN" && line["requests"] == 1)
        .await;
}

#[tokio::test]
async fn a_task_ends_with_the_parent_that_holds_its_standard_input() {
    let mut api = Start::new().set("EXIT_WITH_PARENT", "on").ready().await;
    assert!(api.process.is_running());
    api.process.close_stdin();
    assert_eq!(api.process.exit().await.code(), Some(0));

    let mut alone = Start::new().ready().await;
    alone.process.close_stdin();
    assert_eq!(alone.get("/readyz").await.status, StatusCode::OK);
    assert!(alone.process.is_running());
}

#[tokio::test]
async fn a_migration_that_waits_for_its_database_ends_when_told() {
    let mut migrate = Start::new()
        .set("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none")
        .command("migrate")
        .spawn();
    migrate
        .line(|line| line["message"] == "cannot migrate yet")
        .await;
    migrate.signal(Signal::SIGTERM);
    // A signal that nobody handles leaves no code, and does nothing to the first process of a container.
    assert_eq!(migrate.exit().await.code(), Some(1));
}
