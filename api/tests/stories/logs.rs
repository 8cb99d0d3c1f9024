//! The log: JSON lines, one for each request.

use hyper::Method;
use serde_json::Value;

use crate::support::{Start, TRACE, request, within_a_trace};

fn requests(lines: &[Value]) -> Vec<&Value> {
    lines
        .iter()
        .filter(|line| line["message"] == "request")
        .collect()
}

#[tokio::test]
async fn each_request_has_one_line_with_its_callers_id() {
    let api = Start::new().set("ENVIRONMENT", "dev").ready().await;
    let mut asked = request(Method::GET, "/items/42?token=hidden", "");
    asked
        .headers_mut()
        .insert("x-request-id", "trace-7/a=1".parse().expect("a header"));
    let answer = api.send(within_a_trace(asked, true)).await;
    assert_eq!(answer.header("x-request-id"), "trace-7/a=1");

    api.process.line(|line| line["message"] == "request").await;
    let lines = api.process.lines();
    let found = requests(&lines);
    assert_eq!(found.len(), 1, "{found:?}");
    let line = found[0];
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["release"], "1.5.0");
    assert_eq!(line["request_id"], "trace-7/a=1");
    assert_eq!(line["trace_id"], TRACE);
    assert_eq!(line["principal"], "anonymous");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], "/items/{id}");
    assert_eq!(line["path"], "/items/42");
    assert_eq!(line["status"], 404);
    assert!(line["duration_ms"].is_f64(), "{line}");
    assert!(line["db_ms"].is_f64(), "{line}");
    assert!(
        !line.to_string().contains("hidden"),
        "the query may hold secrets"
    );

    for line in &lines {
        let timestamp = line["timestamp"].as_str().unwrap_or_default();
        timestamp
            .parse::<jiff::Timestamp>()
            .unwrap_or_else(|error| panic!("{error} in {line}"));
        assert_eq!(
            timestamp.len(),
            "2026-11-21T09:45:00.000Z".len(),
            "{timestamp}"
        );
    }
}

#[tokio::test]
async fn an_id_that_would_harm_a_terminal_is_replaced() {
    let api = Start::new().ready().await;
    let mut asked = request(Method::GET, "/", "");
    asked
        .headers_mut()
        .insert("x-request-id", "two words".parse().expect("a header"));
    let answer = api.send(asked).await;
    let id = answer.header("x-request-id").to_owned();
    assert_eq!(id.len(), 36, "{id} is a UUID of ours");
    api.process
        .line(|line| line["request_id"] == id.as_str())
        .await;
}

#[tokio::test]
async fn successful_probes_are_written_at_debug_only() {
    let quiet = Start::new().ready().await;
    quiet.get("/livez").await;
    quiet.get("/version").await;
    quiet.process.line(|line| line["route"] == "/version").await;
    assert_eq!(requests(&quiet.process.lines()).len(), 1);

    let chatty = Start::new().set("LOG_LEVEL", "debug").ready().await;
    chatty.get("/livez").await;
    let line = chatty.process.line(|line| line["route"] == "/livez").await;
    assert_eq!(line["level"], "DEBUG");
}

#[tokio::test]
async fn wrong_settings_are_all_listed_and_end_with_2() {
    let mut process = Start::new()
        .set("DRAIN_SECONDS", "soon")
        .set("LOG_LEVEL", "loud")
        .spawn();
    assert_eq!(process.exit().await.code(), Some(2));
    for name in ["OPSCONSOLE_API_DRAIN_SECONDS", "OPSCONSOLE_API_LOG_LEVEL"] {
        let line = process
            .line(|line| {
                line["message"]
                    .as_str()
                    .is_some_and(|text| text.contains(name))
            })
            .await;
        assert_eq!(line["level"], "ERROR");
    }
}
