//! A collector of traces, in the place of a real one, and what it was sent.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::local_server::LocalServer;

/// The batches so far.
pub type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// Serves until dropped.
pub async fn collector(received: &Received) -> LocalServer {
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

/// The value of an attribute, as text.
pub fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// All spans so far.
pub fn spans(received: &Received) -> Vec<Span> {
    let received = received.lock().expect("no panic holds it");
    received
        .iter()
        .flat_map(|batch| &batch.resource_spans)
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| scope.spans.clone())
        .collect()
}

/// An id as it is written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
