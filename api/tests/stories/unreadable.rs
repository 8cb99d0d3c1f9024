//! What never becomes a request is refused like everything else: by a problem document, counted and logged.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::{HeaderMap, StatusCode};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::{Answer, Api, Start};

/// Sends these pieces a moment apart and reads until the other side closes.
async fn exchange(api: &Api, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(api.address).await.expect("a connection");
    for piece in pieces {
        // The other side may have stopped listening: what it said before counts.
        let _ = stream.write_all(piece).await;
        sleep(Duration::from_millis(20)).await;
    }
    let mut text = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut text))
        .await
        .expect("the end of the connection")
        .expect("an answer and no reset");
    String::from_utf8(text).expect("text")
}

fn answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.get(9..12)).expect(head);
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.parse().expect(name), value.parse().expect(value)))
        .collect();
    Answer {
        status: StatusCode::from_bytes(status.as_bytes()).expect(status),
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

async fn refused(api: &Api, pieces: &[&[u8]], status: u16, kind: &str) -> Answer {
    let answer = answer(&exchange(api, pieces).await);
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(
        answer.problem()["type"],
        format!("urn:opsconsole:problem:{kind}")
    );
    for (name, value) in [
        ("connection", "close"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), value, "{answer:?}");
    }
    assert_eq!(
        answer.header("content-length"),
        answer.body.len().to_string()
    );
    assert!(answer.header("date").ends_with("GMT"), "{answer:?}");
    answer
}

fn with_fields(count: usize) -> Vec<u8> {
    let fields: String = (0..count)
        .map(|number| format!("x-{number}: a\r\n"))
        .collect();
    format!("GET /livez HTTP/1.1\r\n{fields}\r\n").into_bytes()
}

#[tokio::test]
async fn what_is_not_http_is_refused_with_a_problem_and_is_seen() {
    let api = Start::new().ready().await;
    let tls_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for pieces in [
        &[b"hello\r\n\r\n".as_slice()][..],
        &[tls_hello],
        &[b"GET /livez HTTP/9.9\r\n\r\n"],
        &[b"GET /livez HTTP/1.1\r\n", b"host : x\r\n\r\n"],
        &[b"POST /items HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"],
        &[b"GET /\xff HTTP/1.1\r\n\r\n"],
    ] {
        let answer = refused(&api, pieces, 400, "bad-request").await;
        let id = answer.header("x-request-id");
        let line = api.process.line(|line| line["request_id"] == id).await;
        assert_eq!(line["status"], 400, "{line}");
        assert_eq!(line["route"], "unmatched", "{line}");
    }
    let series = r#"http_server_requests_total{method="_OTHER",route="unmatched",status="400"} "#;
    assert_eq!(api.metric(series).await, 6.0);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_while_it_is_still_being_sent() {
    let api = Start::new().ready().await;
    let large = format!(
        "GET /items HTTP/1.1\r\ncookie: {}\r\n\r\n",
        "a".repeat(400_000)
    );
    // More than once: a close with bytes unread would reset some of them.
    for _ in 0..5 {
        refused(&api, &[large.as_bytes()], 431, "head-too-large").await;
    }
    refused(&api, &[&with_fields(101)], 431, "head-too-large").await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(65_535));
    let (status, kind) = (414, "uri-too-long");
    refused(&api, &[long.as_bytes()], status, kind).await;
}

#[tokio::test]
async fn a_good_request_before_it_is_answered_as_ever() {
    let api = Start::new().ready().await;
    let most = String::from_utf8(with_fields(99)).expect("text");
    let kept = most.replace("\r\n\r\n", "\r\nhost: x\r\n\r\n");
    let text = exchange(&api, &[kept.as_bytes(), b"\x00\x01\r\n\r\n"]).await;
    let (first, second) = text.split_at(text.find("HTTP/1.1 400").expect("an answer"));
    assert_eq!(answer(first).status, StatusCode::OK, "{text}");
    assert_eq!(answer(second).status, StatusCode::BAD_REQUEST, "{text}");
    answer(second).problem();
}

#[tokio::test]
async fn a_caller_who_sends_nothing_more_does_not_hold_up_the_end() {
    let mut api = Start::new().set("DRAIN_SECONDS", "20").ready().await;
    let mut stream = TcpStream::connect(api.address).await.expect("a connection");
    stream.write_all(b"hello\r\n\r\n").await.expect("sent");
    api.process.line(|line| line["status"] == 400).await;
    api.process.signal(Signal::SIGTERM);
    let ended = timeout(Duration::from_secs(10), api.process.exit()).await;
    assert_eq!(ended.expect("before the drain time").code(), Some(0));
    drop(stream);
}
