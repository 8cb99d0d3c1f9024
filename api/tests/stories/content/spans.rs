//! What a collector sees of a job: the request that made it, the attempt, and every call.

use hyper::{Method, StatusCode};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use super::{Scene, id, location, prompt, when_it_is};
use crate::support::collector::{Received, collector, hex, spans, text};
use crate::support::redis::Redis;
use crate::support::vendors::Bucket;
use crate::support::{TRACE, request, until, within_a_trace};

/// The calls made in a span.
fn calls<'a>(all: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    let is_child = |span: &&Span| {
        span.parent_span_id == parent.span_id && span.kind == SpanKind::Client as i32
    };
    let found: Vec<_> = all.iter().filter(is_child).collect();
    for span in &found {
        assert_eq!(span.trace_id, parent.trace_id);
        // Kept within the parent: a call ends before what has made it.
        assert!(span.end_time_unix_nano <= parent.end_time_unix_nano + 1_000_000);
    }
    found
}

#[tokio::test]
async fn the_calls_of_a_request_and_of_its_job_lie_under_them_in_one_trace() {
    let (scene, bucket) = (Scene::on_sqlite().await, Bucket::start().await);
    let received = Received::default();
    let collector = collector(&received).await;
    let api = scene
        .start()
        .set("OTLP_ENDPOINT", &collector.url())
        .set("CONTENT_URL", "s3://shop-content/made")
        .set("CONTENT_S3_ENDPOINT", &format!("http://{}", bucket.address))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .ready()
        .await;
    let (prompt, place) = (prompt(&api).await, location(&api).await);
    let body = json!({"location_id": id(&place), "prompt_id": id(&prompt)});
    let asked = request(Method::POST, "/jobs", body.to_string());
    let job = api.send(within_a_trace(asked, true)).await;
    assert_eq!(job.status, StatusCode::CREATED, "{job:?}");
    when_it_is(&api, &job.json(), "succeeded").await;

    let (all, asked, attempt) = until("the spans", async || {
        let all = spans(&received);
        let in_trace = |name: &str| {
            let found = all
                .iter()
                .find(|s| s.name == name && hex(&s.trace_id) == TRACE);
            found.cloned()
        };
        let found = (in_trace("POST /jobs")?, in_trace("attempt job")?);
        let has_end = all.iter().any(|span| span.name == "end_attempt");
        has_end.then_some((all, found.0, found.1))
    })
    .await;
    let of_request = calls(&all, &asked);
    let insert = of_request.iter().find(|span| span.name == "insert");
    let insert = insert.unwrap_or_else(|| panic!("no insert in {of_request:?}"));
    assert_eq!(text(&insert.attributes, "db.system.name"), "sqlite");
    assert_eq!(text(&insert.attributes, "db.operation.name"), "insert");

    assert_eq!(
        attempt.parent_span_id, asked.span_id,
        "it is linked to its request"
    );
    let job_id = job.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(text(&attempt.attributes, "messaging.message.id"), job_id);
    assert_eq!(
        text(&attempt.attributes, "opsconsole.job.state"),
        "succeeded"
    );
    let of_attempt = calls(&all, &attempt);
    let names: Vec<_> = of_attempt.iter().map(|span| span.name.as_str()).collect();
    for name in ["hold_job", "keep_draft", "S3/PutObject", "end_attempt"] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    let posts: Vec<_> = of_attempt
        .iter()
        .filter(|span| span.name == "POST")
        .collect();
    assert_eq!(posts.len(), 2, "{names:?}");
    let (searches, texts) = (scene.vendors.searches(), scene.vendors.texts());
    for (post, call) in posts.iter().zip(searches.iter().chain(&texts)) {
        assert_eq!(text(&post.attributes, "server.address"), "127.0.0.1");
        assert_eq!(text(&post.attributes, "http.response.status_code"), "200");
        let sent = call.headers["traceparent"].to_str().expect("ASCII");
        assert_eq!(sent, format!("00-{TRACE}-{}-01", hex(&post.span_id)));
    }
}

#[tokio::test]
async fn a_call_that_fails_says_so_and_the_cache_is_seen_too() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let scene = Scene::on_sqlite().await;
    let received = Received::default();
    let collector = collector(&received).await;
    let refusal = crate::support::vendors::Reply::json(400, &json!({"detail": "no"}));
    scene.vendors.tavily_says(refusal);
    let api = scene
        .start()
        .set("OTLP_ENDPOINT", &collector.url())
        .set("REDIS_URL", &redis.url())
        .ready()
        .await;
    let job = super::job(&api).await;
    when_it_is(&api, &job, "dead").await;
    let item = api.post_item(r#"{"name": "tea"}"#).await;
    api.get(item.header("location")).await;
    until("the spans", async || {
        let all = spans(&received);
        let read = all.iter().find(|span| span.name == "GET /items/{id}")?;
        let attempt = all.iter().find(|span| span.name == "attempt job")?;
        let cached = calls(&all, read).into_iter().find(|s| s.name == "GET")?;
        assert_eq!(text(&cached.attributes, "db.system.name"), "redis");
        let failed = calls(&all, attempt)
            .into_iter()
            .find(|s| s.name == "POST")?;
        assert_eq!(text(&failed.attributes, "error.type"), "rejected");
        assert_eq!(text(&failed.attributes, "http.response.status_code"), "400");
        Some(())
    })
    .await;
}
