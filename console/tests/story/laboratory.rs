//! A console with a data directory of its own, and the local cloud that comes with it.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Dropping it ends the local cloud.
pub struct Laboratory {
    directory: TempDir,
}

/// What a command printed, and its exit code.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Laboratory {
    /// An empty data directory; nothing runs yet.
    pub fn new() -> Self {
        Self {
            directory: TempDir::with_prefix("opsconsole-").expect("a temporary directory"),
        }
    }

    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// The console's program with this laboratory's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.around(env!("CARGO_BIN_EXE_opsconsole"));
        command.args(arguments);
        command
    }

    /// A program that runs the console's, with the same settings.
    pub fn around(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("OPSCONSOLE_DATA_DIR", self.data_dir())
            .env("OPSCONSOLE_CONFIG", "")
            .env("OPSCONSOLE_AUTHOR", "ana")
            .env_remove("GITHUB_ACTOR")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let Output {
            status,
            stdout,
            stderr,
        } = self
            .command(arguments)
            .output()
            .expect("the console starts");
        Ran {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// Runs a command that prints one JSON document.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        let ran = self.ok(&all);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
    }

    /// Brings the local cloud up and waits until every environment is healthy.
    pub fn up(&self) {
        self.ok(&["local", "up"]);
        eventually(
            "all environments are healthy",
            Duration::from_secs(120),
            || {
                self.json(&["envs"]).as_array().is_some_and(|rows| {
                    rows.len() == 3 && rows.iter().all(|row| row["health"] == "healthy")
                })
            },
        );
    }

    /// The release that an environment serves.
    pub fn release(&self, environment: &str) -> String {
        let rows = self.json(&["envs", "--env", environment]);
        rows[0]["release"].as_str().unwrap_or_default().to_owned()
    }

    /// The stable URL of an environment.
    pub fn url(&self, environment: &str) -> String {
        let rows = self.json(&["envs", "--env", environment]);
        rows[0]["url"]
            .as_str()
            .expect("an environment has a URL")
            .to_owned()
    }

    /// Processes whose command line or environment names this laboratory.
    pub fn processes(&self) -> Vec<u32> {
        let needle = self.data_dir().display().to_string();
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| *pid != std::process::id())
            .filter(|pid| {
                ["cmdline", "environ"].iter().any(|file| {
                    std::fs::read(format!("/proc/{pid}/{file}"))
                        .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&needle))
                })
            })
            .collect()
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        let _ = self
            .command(&["local", "down"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// Waits for a condition, and fails with its name when it does not come true in time.
pub fn eventually(what: &str, limit: Duration, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(
            begun.elapsed() < limit,
            "not within {} s: {what}",
            limit.as_secs()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Asks a URL in a loop from a thread of its own, until told to end; counts what failed.
pub struct RequestLoop {
    end: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<(u32, u32)>>,
}

impl RequestLoop {
    /// Begins at once, about 50 requests a second.
    pub fn start(url: &str, path: &str) -> Self {
        let end = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stop = end.clone();
        let address = url
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let path = path.to_owned();
        let thread = std::thread::spawn(move || {
            let (mut done, mut failed) = (0, 0);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                if get(&address, &path).is_none_or(|status| status >= 500) {
                    failed += 1;
                }
                done += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            (done, failed)
        });
        Self {
            end,
            thread: Some(thread),
        }
    }

    /// Ends it: how many requests were made, and how many of them failed.
    pub fn end(mut self) -> (u32, u32) {
        self.end.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread
            .take()
            .map(|thread| thread.join().expect("the loop ends"))
            .unwrap_or_default()
    }
}

/// One GET over a connection of its own; the status code, if an answer came.
pub fn get(address: &str, path: &str) -> Option<u16> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_whitespace().nth(1)?.parse().ok()
}
