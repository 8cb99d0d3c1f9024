//! Traces as a collector receives them.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing};
use hyper::Method;
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::support::local_server::LocalServer;
use crate::support::{Start, request, until};

type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

async fn collector(received: &Received) -> LocalServer {
    let collect = |State(received): State<Received>, headers: HeaderMap, body: Bytes| async move {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let batch = ExportTraceServiceRequest::decode(body).expect("OTLP in protobuf");
        received.lock().expect("no panic holds it").push(batch);
        StatusCode::OK
    };
    let routes = Router::new()
        .route("/v1/traces", routing::post(collect))
        .with_state(Arc::clone(received));
    LocalServer::start(routes).await
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn spans(received: &Received) -> Vec<Span> {
    let received = received.lock().expect("no panic holds it");
    received
        .iter()
        .flat_map(|batch| &batch.resource_spans)
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| scope.spans.clone())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn each_request_is_a_span_of_its_callers_trace_and_the_last_ones_leave_before_the_end() {
    let received = Received::default();
    let collector = collector(&received).await;
    let mut api = Start::new()
        .set("OTLP_ENDPOINT", &collector.url())
        .ready()
        .await;
    let mut asked = request(Method::GET, "/items/42", "");
    asked.headers_mut().insert(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa01a902b7-01"
            .parse()
            .expect("a header"),
    );
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
    assert_eq!(hex(&followed.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&followed.parent_span_id), "00f067aa01a902b7");
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
    let mut asked = request(Method::GET, "/items", "");
    asked.headers_mut().insert(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa01a902b7-00"
            .parse()
            .expect("a header"),
    );
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
