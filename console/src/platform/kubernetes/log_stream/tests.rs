//! Followed logs over a local server that behaves as kubelets do on bad days.

use super::*;
use crate::{
    config::{EnvironmentConfig, Guard, KubernetesConfig, PlatformConfig},
    logs::{
        TailEvent, TailHandle, TailOptions, TailStart,
        streams::{self, Pace},
    },
    model::EnvironmentName,
    platform::{LogAccess, connect as connect_platform},
};
use jiff::Timestamp;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(30);

const QUICK: Pace = Pace {
    current: Duration::from_millis(50),
    idle: Duration::from_millis(400),
    ..streams::PACE
};

/// How a followed stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// In order, after so long.
    Cleanly(Duration),
    /// In the middle of a line, after so long.
    Abruptly(Duration),
    /// It says nothing any more and stays open.
    Silently(Duration),
}

/// The log of one container, as the kubelet has it.
struct Kubelet {
    /// Whole lines with their stamps.
    log: Mutex<Vec<(Timestamp, String)>>,
    grown: watch::Sender<usize>,
    ends: Ends,
}

impl Kubelet {
    async fn start(ends: Ends) -> (Arc<Self>, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let kubelet = Arc::new(Self {
            log: Mutex::default(),
            grown: watch::Sender::new(0),
            ends,
        });
        let server = kubelet.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    // The client goes away when it likes.
                    let _ = server.serve(connection).await;
                });
            }
        });
        (kubelet, port)
    }

    fn write(&self, text: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push((Timestamp::now(), text.to_owned()));
        let length = log.len();
        drop(log);
        self.grown.send_replace(length);
    }

    async fn serve(&self, connection: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = connection.into_split();
        let mut reader = BufReader::new(reader);
        let mut first = String::new();
        reader.read_line(&mut first).await?;
        let mut header = String::new();
        while reader.read_line(&mut header).await? > 2 {
            header.clear();
        }
        if first.contains("previous=true") {
            let body = r#"{"kind":"Status","code":400,"message":"previous terminated container \"api\" not found","reason":"BadRequest","status":"Failure"}"#;
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            return writer.write_all(answer.as_bytes()).await;
        }
        let since = first
            .split_once("sinceTime=")
            .and_then(|(_, rest)| rest.split(['&', ' ']).next())
            .map(|stamp| stamp.replace("%3A", ":"))
            .and_then(|stamp| stamp.parse::<Timestamp>().ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
        writer.write_all(head.as_bytes()).await?;
        let mut grown = self.grown.subscribe();
        let until = Instant::now()
            + match self.ends {
                Ends::Cleanly(after) | Ends::Abruptly(after) | Ends::Silently(after) => after,
            };
        let mut next = 0;
        loop {
            grown.borrow_and_update();
            let lines: Vec<(Timestamp, String)> = {
                let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
                log[next..].to_vec()
            };
            next += lines.len();
            for (at, text) in lines.into_iter().filter(|(at, _)| *at >= since) {
                let line = format!("{at:.9} {text}\n");
                chunk(&mut writer, line.as_bytes()).await?;
            }
            let is_done = timeout(until - Instant::now(), grown.changed())
                .await
                .is_err();
            if !is_done && Instant::now() < until {
                continue;
            }
            return match self.ends {
                Ends::Cleanly(_) => writer.write_all(b"0\r\n\r\n").await,
                Ends::Abruptly(_) => chunk(&mut writer, b"2026-01-02T03:04:05Z half a li").await,
                Ends::Silently(_) => {
                    sleep(PATIENCE).await;
                    Ok(())
                }
            };
        }
    }
}

async fn chunk(writer: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    let size = format!("{:x}\r\n", bytes.len());
    writer.write_all(size.as_bytes()).await?;
    writer.write_all(bytes).await?;
    writer.write_all(b"\r\n").await
}

/// The real streams, of one container that nobody has to list.
struct OneSource(Arc<dyn LogStreams>);

impl LogStreams for OneSource {
    fn open_max(&self) -> usize {
        1
    }

    fn sources(&self) -> BoxStream<'static, Result<Vec<LogSource>, PlatformError>> {
        let source = LogSource {
            id: "uid/api".to_owned(),
            stream: "api-1/api".to_owned(),
            restarts: 0,
            is_over: false,
        };
        stream::iter([Ok(vec![source])])
            .chain(stream::pending())
            .boxed()
    }

    fn open(&self, source: &LogSource, how: &OpenLog) -> Lines {
        self.0.open(source, how)
    }
}

async fn follow(port: u16) -> (TailHandle, TempDir) {
    let home = TempDir::with_prefix("opsconsole-kubelet-").expect("a directory");
    let path = home.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{{name: c, context: {{cluster: c, user: u, namespace: shop}}}}]\n\
         clusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n"
    );
    std::fs::write(&path, text).expect("a kubeconfig");
    let config = EnvironmentConfig {
        name: EnvironmentName::from("dev"),
        guard: Guard::Confirm,
        freeze: Vec::new(),
        account: None,
        lock: None,
        runbook: None,
        refresh_s: 2,
        hours_per_month: None,
        extra_bill: Vec::new(),
        platform: PlatformConfig::Kubernetes(KubernetesConfig {
            kubeconfig: Some(path),
            deployment: Some("api".to_owned()),
            ..KubernetesConfig::default()
        }),
    };
    let platform = connect_platform(&config).await.expect("a platform");
    let LogAccess::Streams { streams, .. } = platform.logs() else {
        panic!("containers are followed");
    };
    let options = TailOptions::from(TailStart::At(0));
    (
        streams::start(Arc::new(OneSource(streams)), options, QUICK),
        home,
    )
}

/// What comes until `last`, and the gaps that were told.
async fn heard(handle: &mut TailHandle, last: &str) -> (Vec<String>, usize) {
    let (mut texts, mut gaps) = (Vec::new(), 0);
    while texts.last().is_none_or(|text| text != last) {
        let event = timeout(PATIENCE, handle.events.recv()).await;
        let event = event.unwrap_or_else(|_| panic!("{} lines, no {last}", texts.len()));
        match event.expect("the tail goes on") {
            TailEvent::Lines(lines) => texts.extend(lines.into_iter().map(|line| line.text)),
            TailEvent::GapOpened { .. } => gaps += 1,
            _ => {}
        }
    }
    (texts, gaps)
}

async fn written_while_it_ends(ends: Ends, count: usize) -> (Vec<String>, usize) {
    let (kubelet, port) = Kubelet::start(ends).await;
    kubelet.write("0");
    let (mut handle, _home) = follow(port).await;
    let writing = async {
        for number in 1..count {
            sleep(Duration::from_millis(3)).await;
            kubelet.write(&number.to_string());
        }
    };
    let last = (count - 1).to_string();
    tokio::join!(heard(&mut handle, &last), writing).0
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_log_stream_that_is_closed_again_and_again_loses_and_doubles_nothing() {
    let (texts, _) = written_while_it_ends(Ends::Cleanly(Duration::from_millis(250)), 700).await;
    assert_eq!(texts, numbers(700));
}

#[tokio::test]
async fn a_log_stream_that_breaks_in_the_middle_of_a_line_loses_and_doubles_nothing() {
    let (texts, _) = written_while_it_ends(Ends::Abruptly(Duration::from_millis(300)), 700).await;
    assert_eq!(texts, numbers(700));
}

#[tokio::test]
async fn a_log_stream_that_falls_silent_after_a_rotation_is_opened_again() {
    let (texts, gaps) =
        written_while_it_ends(Ends::Silently(Duration::from_millis(300)), 700).await;
    assert_eq!((texts, gaps), (numbers(700), 0));
}

#[tokio::test]
async fn a_line_of_ten_megabytes_and_garbage_do_not_stop_what_follows() {
    let (kubelet, port) = Kubelet::start(Ends::Cleanly(Duration::from_secs(20))).await;
    kubelet.write("before");
    kubelet.write(&"x".repeat(10 * 1024 * 1024));
    kubelet.write("\u{1b}[31m\0\u{7}\nno stamp at all");
    kubelet.write("after");
    let (mut handle, _home) = follow(port).await;
    let (texts, _) = heard(&mut handle, "after").await;
    assert_eq!(texts.len(), 5);
    assert!(texts[1].len() <= crate::model::LINE_BYTES_MAX);
    assert!(
        texts[1].contains("cut, 104857"),
        "{}",
        &texts[1][texts[1].len() - 40..]
    );
    assert_eq!(texts[3], "no stamp at all");
}
