//! Traces as a collector receives them.

use axum::http::StatusCode;
use hyper::Method;
use nix::sys::signal::Signal;

use crate::support::collector::{Received, collector, hex, spans, text};
use crate::support::{CALLERS_SPAN, Start, TRACE, request, until, within_a_trace};

#[tokio::test]
async fn each_request_is_a_span_of_its_callers_trace_and_the_last_ones_leave_before_the_end() {
    let received = Received::default();
    let collector = collector(&received).await;
    let mut api = Start::new()
        .set("OTLP_ENDPOINT", &collector.url())
        .ready()
        .await;
    let asked = within_a_trace(request(Method::GET, "/items/42", ""), true);
    api.send(asked).await;
    api.get("/version").await;
    let logged = api.process.line(|line| line["route"] == "/version").await;
    api.process.signal(Signal::SIGTERM);
    assert_eq!(api.process.exit().await.code(), Some(0));

    let found = until("the spans", async || {
        let spans = spans(&received);
        let named = |name: &str| spans.iter().find(|span| span.name == name).cloned();
        Some((named("GET /items/{id}")?, named("GET /version")?))
    })
    .await;
    let (followed, new) = found;
    assert_eq!(hex(&followed.trace_id), TRACE);
    assert_eq!(hex(&followed.parent_span_id), CALLERS_SPAN);
    assert_eq!(
        text(&followed.attributes, "http.response.status_code"),
        "404"
    );
    assert_eq!(text(&followed.attributes, "http.route"), "/items/{id}");
    assert!(followed.end_time_unix_nano >= followed.start_time_unix_nano);
    assert_eq!(
        hex(&new.trace_id),
        logged["trace_id"].as_str().expect("an id")
    );
    assert!(new.parent_span_id.is_empty());

    let received = received.lock().expect("no panic holds it");
    let resource = received[0].resource_spans[0].resource.clone();
    let attributes = resource.expect("a resource").attributes;
    assert_eq!(text(&attributes, "service.name"), "opsconsole-api");
    assert_eq!(text(&attributes, "service.version"), "1.5.0");
}

#[tokio::test]
async fn a_caller_who_does_not_keep_its_trace_is_followed_in_that_too() {
    let received = Received::default();
    let collector = collector(&received).await;
    let mut api = Start::new()
        .set("OTLP_ENDPOINT", &collector.url())
        .ready()
        .await;
    let asked = within_a_trace(request(Method::GET, "/items", ""), false);
    api.send(asked).await;
    api.get("/version").await;
    api.process.signal(Signal::SIGTERM);
    assert_eq!(api.process.exit().await.code(), Some(0));
    let names: Vec<_> = spans(&received).into_iter().map(|span| span.name).collect();
    assert!(names.contains(&"GET /version".to_owned()), "{names:?}");
    assert!(!names.contains(&"GET /items".to_owned()), "{names:?}");
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nothing_up() {
    let mut api = Start::new()
        .set("OTLP_ENDPOINT", "http://127.0.0.1:9")
        .ready()
        .await;
    assert_eq!(api.get("/items").await.status, StatusCode::OK);
    api.process.signal(Signal::SIGTERM);
    assert_eq!(api.process.exit().await.code(), Some(0));
}
