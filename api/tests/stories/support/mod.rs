//! A running API process, a client for it, and waits with a deadline.

pub mod collector;
pub mod local_postgres;
pub mod local_server;
pub mod postgres;
pub mod redis;
pub mod vendors;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Far above what anything here takes, also on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Settings of a process to be started.
pub struct Start {
    settings: Vec<(String, String)>,
    command: Option<&'static str>,
    folder: Option<TempDir>,
}

impl Start {
    /// A process with a database of its own.
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut start = Self::on(&folder.path().join("items.db"));
        start.folder = Some(folder);
        start
    }

    /// A process on this database.
    pub fn on(database: &Path) -> Self {
        Self {
            settings: Vec::new(),
            command: None,
            folder: None,
        }
        .set("LISTEN", "127.0.0.1:0")
        .set("DATABASE_URL", &format!("sqlite://{}", database.display()))
        .set("RELEASE", "1.5.0")
        .set("GIT_SHA", "0badcafe")
        .set("DRAIN_SECONDS", "2")
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        let name = format!("OPSCONSOLE_API_{name}");
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.into()));
        self
    }

    /// A variable that is not one of ours.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Runs this subcommand instead of serving.
    pub fn command(mut self, command: &'static str) -> Self {
        self.command = Some(command);
        self
    }

    pub fn rehearsing(self, fault: &str, value: &str) -> Self {
        self.set("REHEARSAL", "on").set(fault, value)
    }

    /// Starts the process and gathers its log, listening or not.
    pub fn spawn(self) -> Spawned {
        let mut child = Command::new(env!("CARGO_BIN_EXE_opsconsole-api"))
            .args(self.command)
            .env_clear()
            .envs(self.settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().expect("standard output is piped");
        let written = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                written.lock().expect("no panic holds it").push(line);
            }
        });
        Spawned {
            stdin: child.stdin.take(),
            child,
            lines,
            _folder: self.folder,
        }
    }

    /// Starts the process and waits until it listens.
    pub async fn listening(self) -> Api {
        let process = self.spawn();
        let line = process.line(|line| line["message"] == "listening").await;
        let address = line["address"].as_str().and_then(|text| text.parse().ok());
        Api {
            address: address.expect("the listening line names the address"),
            client: Client::builder(TokioExecutor::new()).build_http(),
            process,
        }
    }

    /// Starts the process and waits until it is ready.
    pub async fn ready(self) -> Api {
        let api = self.listening().await;
        // Asking before would leave refusals in the log that tests read.
        api.process
            .line(|line| line["message"] == "schema is up to date")
            .await;
        api.status_becomes("/readyz", StatusCode::OK).await;
        api
    }
}

/// A started process, ended when dropped.
pub struct Spawned {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<Value>>>,
    _folder: Option<TempDir>,
}

impl Spawned {
    pub fn lines(&self) -> Vec<Value> {
        self.lines.lock().expect("no panic holds it").clone()
    }

    /// The first line of the log for which this holds, as soon as it is there.
    pub async fn line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        until("a line of the log", async || {
            self.lines().into_iter().find(&wanted)
        })
        .await
    }

    pub async fn exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the end of the process", async || {
            child.try_wait().expect("a child of ours")
        })
        .await
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        kill(pid, signal).expect("a child of ours");
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // Most have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A listening process and a client for it.
pub struct Api {
    pub process: Spawned,
    pub address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What the API answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Asserts what every error answer has, and gives its document.
    pub fn problem(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        for member in ["type", "title", "detail", "request_id"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{member} is missing in {problem}");
        }
        problem
    }
}

impl Api {
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    pub async fn try_send(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |text| text.as_str());
        *request.uri_mut() = format!("http://{}{path}", self.address)
            .parse()
            .map_err(|error| format!("{error}"))?;
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|e| format!("{e:?}"))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|e| format!("{e:?}"))?;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        tokio::time::timeout(DEADLINE, exchange)
            .await
            .map_err(|_| "no answer".to_owned())?
    }

    /// The log up to now: lines wait a moment to be written, and stay in order.
    pub async fn log(&self) -> Vec<Value> {
        let last = self.get("/version").await;
        let id = last.header("x-request-id");
        self.process.line(|line| line["request_id"] == id).await;
        self.process.lines()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, "")).await
    }

    pub async fn post_item(&self, body: impl Into<String>) -> Answer {
        self.send(request(Method::POST, "/items", body)).await
    }

    /// Waits until a GET of this path has this status.
    pub async fn status_becomes(&self, path: &str, status: StatusCode) -> Answer {
        until(&format!("{path} to answer {status}"), async || {
            Some(self.get(path).await).filter(|answer| answer.status == status)
        })
        .await
    }

    /// The value of one line of `/metrics`, or 0 if the line is not there yet.
    pub async fn metric(&self, series: &str) -> f64 {
        let answer = self.get("/metrics").await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
            .unwrap_or_default()
    }
}

/// A request with a JSON body, or none when it is empty.
pub fn request(method: Method, path: &str, body: impl Into<String>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.into())))
        .expect("a request")
}

/// The trace of a caller.
pub const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The caller's span in it.
pub const CALLERS_SPAN: &str = "00f067aa01a902b7";

/// A request within a caller's span, which the caller keeps or not
/// (<https://www.w3.org/TR/trace-context/#traceparent-header>).
pub fn within_a_trace(mut request: Request<Full<Bytes>>, is_kept: bool) -> Request<Full<Bytes>> {
    let parent = format!("00-{TRACE}-{CALLERS_SPAN}-{:02}", u8::from(is_kept));
    let parent = parent.parse().expect("a header");
    request.headers_mut().insert("traceparent", parent);
    request
}

/// Asks again and again until there is something, and fails after [`DEADLINE`].
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A folder and the path of a database in it that is not there yet.
pub fn database() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("shared.db");
    (folder, path)
}
