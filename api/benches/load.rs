//! Sends one kind of request over a fixed number of connections and prints what came back, as JSON.
//!
//! Without `--rate` each connection sends its next request when the answer is there. With it, requests are
//! due at fixed times, and a latency counts from the time its request was due, so that a server that stalls
//! cannot hide the requests that had to wait for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::{Parser, ValueEnum};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// What is sent.
#[derive(Clone, Copy, ValueEnum)]
enum Operation {
    /// One item by its id, another each time.
    Get,
    /// The first page of 20.
    List,
    /// A new item.
    Post,
    /// Of ten requests eight `get`, one `list`, one `post`.
    Mix,
}

/// Load for the API's benchmark.
#[derive(Parser)]
struct Arguments {
    /// Whom to send to
    address: SocketAddr,
    /// What to send
    operation: Operation,
    /// A file with one id a line, for `get`
    #[arg(long)]
    ids: PathBuf,
    /// The key that callers send
    #[arg(long, env = "BENCH_KEY", hide_env_values = true)]
    key: String,
    /// How many connections
    #[arg(long, default_value_t = 32)]
    connections: u64,
    /// For how long
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Requests a second over all connections; as many as possible when not given
    #[arg(long)]
    rate: Option<u32>,
}

/// What one run has seen.
#[derive(Default, Serialize)]
struct Seen {
    /// All requests that were answered.
    requests: u64,
    /// Answers by status.
    statuses: BTreeMap<u16, u64>,
    /// From the first request to the last answer.
    seconds: f64,
    /// How many requests took so many microseconds, to three digits.
    latencies_us: BTreeMap<u64, u64>,
}

impl Seen {
    fn note(&mut self, status: StatusCode, latency: Duration) {
        self.requests += 1;
        *self.statuses.entry(status.as_u16()).or_default() += 1;
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let step = 10_u64.pow(us.max(1).ilog10().saturating_sub(2));
        *self.latencies_us.entry(us / step * step).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (us, count) in other.latencies_us {
            *self.latencies_us.entry(us).or_default() += count;
        }
    }
}

/// What all connections of a run share.
struct Run {
    operation: Operation,
    address: SocketAddr,
    host: HeaderValue,
    authorization: HeaderValue,
    ids: Vec<String>,
    /// The number of the next request.
    next: AtomicU64,
    start: Instant,
    end: Instant,
    rate: Option<u32>,
}

impl Run {
    /// The number of the next request and when it is due; nothing when the run is over.
    fn next(&self) -> Option<(u64, Instant)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = match self.rate {
            Some(rate) => self.start + Duration::from_secs_f64(number as f64 / f64::from(rate)),
            None => Instant::now(),
        };
        (due < self.end).then_some((number, due))
    }

    fn request(&self, number: u64) -> anyhow::Result<Request<Full<Bytes>>> {
        let operation = match (self.operation, number % 10) {
            (Operation::Mix, 0) => Operation::Post,
            (Operation::Mix, 5) => Operation::List,
            (Operation::Mix, _) => Operation::Get,
            (operation, _) => operation,
        };
        let (method, path, body) = match operation {
            Operation::Post => {
                let body = format!(
                    r#"{{"name":"parcel {number}","description":"left at the counter, to be called for"}}"#
                );
                (Method::POST, "/items".to_owned(), body)
            }
            Operation::List => (Method::GET, "/items?limit=20".to_owned(), String::new()),
            Operation::Get | Operation::Mix => {
                // A prime step visits all ids in an order that no page of the index follows.
                let id = &self.ids[(number as usize).wrapping_mul(7919) % self.ids.len()];
                (Method::GET, format!("/items/{id}"), String::new())
            }
        };
        Ok(Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.host.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))?)
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What breaks it is reported by the request that is under way.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}

async fn send_all(run: Arc<Run>) -> anyhow::Result<Seen> {
    let mut sender = connect(run.address).await?;
    let mut seen = Seen::default();
    while let Some((number, due)) = run.next() {
        if run.rate.is_some() {
            sleep_until(due).await;
        }
        sender.ready().await?;
        let response = sender.send_request(run.request(number)?).await?;
        let status = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        seen.note(status, due.elapsed());
    }
    Ok(seen)
}

async fn run(arguments: Arguments) -> anyhow::Result<Seen> {
    let ids = std::fs::read_to_string(&arguments.ids)
        .with_context(|| format!("cannot read {}", arguments.ids.display()))?;
    let ids: Vec<_> = ids.lines().map(str::to_owned).collect();
    ensure!(!ids.is_empty(), "{} is empty", arguments.ids.display());
    let start = Instant::now();
    let shared = Arc::new(Run {
        operation: arguments.operation,
        address: arguments.address,
        host: HeaderValue::from_str(&arguments.address.to_string())?,
        authorization: HeaderValue::from_str(&format!("Bearer {}", arguments.key))?,
        ids,
        next: AtomicU64::new(0),
        start,
        end: start + Duration::try_from_secs_f64(arguments.seconds)?,
        rate: arguments.rate,
    });
    let connections: Vec<_> = (0..arguments.connections)
        .map(|_| tokio::spawn(send_all(shared.clone())))
        .collect();
    let mut seen = Seen::default();
    for connection in connections {
        seen.add(connection.await??);
    }
    seen.seconds = start.elapsed().as_secs_f64();
    Ok(seen)
}

/// One thread, so that the server and its database keep at least one core of two.
fn main() -> anyhow::Result<()> {
    let seen = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(Arguments::parse()))?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}
