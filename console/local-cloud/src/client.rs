//! Finds the local cloud, or starts it; the one way in for the console.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::hidden::SUBCOMMAND;
use crate::protocol::{ACCOUNT, REGION};
use crate::settings::{DataDir, Settings};
use crate::state_file::{self, KEPT_BY_RESET, State};

/// How long a supervisor may take until it answers.
const START_TIME: Duration = Duration::from_secs(20);

/// How long a supervisor may take until it has ended its tasks and itself.
const STOP_TIME: Duration = Duration::from_secs(15);

/// How often something awaited is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The supervisor's log, next to its state.
const LOG: &str = "supervisor.log";

/// A log larger than this is begun anew at the next start.
const LOG_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where a local cloud answers, and with which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// Always `us-east-1`.
    pub region: &'static str,
    /// The account of everything in it.
    pub account: &'static str,
    /// The supervisor's process.
    pub pid: u32,
}

impl Endpoint {
    fn of_state(state: State) -> Self {
        Self {
            url: state.endpoint,
            access_key_id: state.credentials.access_key_id,
            secret_access_key: state.credentials.secret_access_key,
            region: REGION,
            account: ACCOUNT,
            pid: state.pid,
        }
    }

    /// The endpoint of the supervisor in this process.
    pub(crate) fn of(settings: &Settings, address: SocketAddr) -> Self {
        Self {
            url: format!("http://{address}"),
            access_key_id: settings.credentials.access_key_id.clone(),
            secret_access_key: settings.credentials.secret_access_key.clone(),
            region: REGION,
            account: ACCOUNT,
            pid: std::process::id(),
        }
    }

    /// Lines for a shell that make the aws CLI and the SDKs talk to this cloud.
    pub fn exports(&self) -> String {
        [
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("AWS_ACCESS_KEY_ID", &self.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
            ("AWS_DEFAULT_REGION", self.region),
            ("AWS_REGION", self.region),
        ]
        .map(|(name, value)| format!("export {name}={value}"))
        .join("\n")
            // A profile or token of another account would win over the key.
            + "\nunset AWS_PROFILE AWS_SESSION_TOKEN"
    }

    fn address(&self) -> Option<SocketAddr> {
        self.url.strip_prefix("http://")?.parse().ok()
    }

    fn answers(&self) -> bool {
        self.address().is_some_and(|address| {
            TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
        })
    }
}

/// Why the local cloud cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file of it cannot be used.
    #[error(
        "the local cloud's directory {directory} cannot be used: {error}; make it writable, or set OPSCONSOLE_DATA_DIR to another one"
    )]
    Directory {
        /// Which one.
        directory: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The executable cannot be started.
    #[error("the local cloud cannot be started: {0}")]
    Start(io::Error),
    /// It ended before it answered.
    #[error("the local cloud ended while it started; {log} says why:\n{last_lines}")]
    Ended {
        /// Its log.
        log: PathBuf,
        /// The end of its log.
        last_lines: String,
    },
    /// It takes too long.
    #[error("the local cloud did not answer within {seconds} s; {log} says what it does")]
    Slow {
        /// How long was waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// It does not end.
    #[error(
        "the local cloud (process {pid}) has not ended within {seconds} s; end it with: kill -9 {pid}"
    )]
    Stuck {
        /// Its process.
        pid: u32,
        /// How long was waited.
        seconds: u64,
    },
}

/// The local cloud of one data directory.
#[derive(Debug, Clone)]
pub struct LocalCloud {
    data: DataDir,
    program: Option<PathBuf>,
    idle: Option<Duration>,
}

/// What is known of a local cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It answers.
    Running {
        /// Where.
        endpoint: Endpoint,
        /// Since when, in milliseconds since the epoch.
        started_at_ms: i64,
    },
    /// It lives but does not answer yet, or any more.
    Changing,
    /// There is none.
    Down,
}

impl LocalCloud {
    /// The local cloud of a directory, started from the running executable when needed.
    pub fn at(data: DataDir) -> Self {
        Self {
            data,
            program: None,
            idle: None,
        }
    }

    /// Starts it from another executable, which must know the hidden subcommand.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Ends by itself after another time without use than the default.
    #[must_use]
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Finds the running cloud of the directory or starts one, and waits until it answers. Any
    /// number of processes may do so at once: they get the same cloud.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer in time.
    pub fn ensure(data: &DataDir) -> Result<Endpoint, ClientError> {
        Self::at(data.clone()).up()
    }

    /// The running cloud of the directory, if any.
    pub fn find(data: &DataDir) -> Option<Endpoint> {
        match Self::at(data.clone()).status() {
            Status::Running { endpoint, .. } => Some(endpoint),
            Status::Changing | Status::Down => None,
        }
    }

    /// Whether it runs.
    pub fn status(&self) -> Status {
        if !state_file::supervisor_lives(&self.data).unwrap_or(false) {
            return Status::Down;
        }
        let supervisor = state_file::supervisor_pid(&self.data).ok().flatten();
        // Until a new supervisor has written its own, the file may be the one of a dead one.
        let own = State::read(&self.data).filter(|state| Some(state.pid) == supervisor);
        let Some(state) = own else {
            return Status::Changing;
        };
        let started_at_ms = state.started_at_ms;
        let endpoint = Endpoint::of_state(state);
        if endpoint.answers() {
            Status::Running {
                endpoint,
                started_at_ms,
            }
        } else {
            Status::Changing
        }
    }

    /// As [`LocalCloud::ensure`].
    ///
    /// # Errors
    /// As [`LocalCloud::ensure`].
    pub fn up(&self) -> Result<Endpoint, ClientError> {
        if let Status::Running { endpoint, .. } = self.status() {
            return Ok(endpoint);
        }
        self.data.prepare().map_err(|e| self.directory(e))?;
        let deadline = Instant::now() + START_TIME;
        // Only one process starts a supervisor; the others wait for what it has started. The
        // lock is held until the supervisor answers or has failed.
        loop {
            if let Status::Running { endpoint, .. } = self.status() {
                return Ok(endpoint);
            }
            let lock = state_file::try_start_lock(&self.data).map_err(|e| self.directory(e))?;
            if let Some(_lock) = lock {
                return self.start(deadline);
            }
            self.wait_or(deadline)?;
        }
    }

    fn start(&self, deadline: Instant) -> Result<Endpoint, ClientError> {
        let mut child = None;
        loop {
            match self.status() {
                Status::Running { endpoint, .. } => return Ok(endpoint),
                // One that was started otherwise, or that is still ending.
                Status::Changing => {}
                Status::Down if child.is_none() => child = Some(self.spawn()?),
                Status::Down => {}
            }
            let ended = match child.as_mut().map(std::process::Child::try_wait) {
                Some(Ok(Some(status))) => Some(status),
                Some(Err(error)) => return Err(ClientError::Start(error)),
                Some(Ok(None)) | None => None,
            };
            if let Some(status) = ended {
                if status.code() != Some(i32::from(crate::supervisor::ALREADY_RUNNING)) {
                    return Err(self.ended());
                }
                child = None;
            }
            self.wait_or(deadline)?;
        }
    }

    fn spawn(&self) -> Result<std::process::Child, ClientError> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(ClientError::Start)?,
        };
        let log = self.open_log().map_err(|e| self.directory(e))?;
        let errors = log.try_clone().map_err(ClientError::Start)?;
        let mut command = Command::new(program);
        command
            .arg(SUBCOMMAND)
            .arg("supervise")
            .arg("--data-dir")
            .arg(self.data.parent())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // It must not keep a directory busy that the user wants to remove.
            .current_dir("/");
        if let Some(idle) = self.idle {
            let minutes = idle.as_secs().div_ceil(60).to_string();
            command.args(["--idle-minutes", &minutes]);
        }
        command.spawn().map_err(ClientError::Start)
    }

    fn open_log(&self) -> io::Result<fs::File> {
        let path = self.data.file(LOG);
        let long = fs::metadata(&path).is_ok_and(|m| m.len() > LOG_BYTES_MAX);
        fs::OpenOptions::new()
            .create(true)
            .append(!long)
            .write(true)
            .truncate(long)
            .mode(0o600)
            .open(path)
    }

    fn wait_or(&self, deadline: Instant) -> Result<(), ClientError> {
        if Instant::now() >= deadline {
            return Err(ClientError::Slow {
                seconds: START_TIME.as_secs(),
                log: self.data.file(LOG),
            });
        }
        std::thread::sleep(LOOK_INTERVAL);
        Ok(())
    }

    fn ended(&self) -> ClientError {
        let log = self.data.file(LOG);
        ClientError::Ended {
            last_lines: last_lines(&log, 5),
            log,
        }
    }

    fn directory(&self, error: io::Error) -> ClientError {
        ClientError::Directory {
            directory: self.data.path().to_owned(),
            error,
        }
    }

    /// Ends the cloud with all its tasks and waits until nothing of it is left. False when there
    /// was none.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn down(&self) -> Result<bool, ClientError> {
        let lives = || state_file::supervisor_lives(&self.data).map_err(|e| self.directory(e));
        if !lives()? {
            return Ok(false);
        }
        let deadline = Instant::now() + STOP_TIME;
        let mut told = None;
        while lives()? {
            let pid = state_file::supervisor_pid(&self.data).map_err(|e| self.directory(e))?;
            if let Some(pid) = pid.filter(|pid| told != Some(*pid)) {
                told = Some(pid);
                if let Ok(pid) = i32::try_from(pid) {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
                }
            }
            if Instant::now() >= deadline {
                return Err(ClientError::Stuck {
                    pid: told.unwrap_or_default(),
                    seconds: STOP_TIME.as_secs(),
                });
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        Ok(true)
    }

    /// Ends the cloud and forgets its world: the next one begins as the first did.
    ///
    /// # Errors
    /// When it does not end in time, or its files cannot be removed.
    pub fn reset(&self) -> Result<(), ClientError> {
        self.down()?;
        let entries = match fs::read_dir(self.data.path()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.directory(error)),
        };
        for entry in entries {
            let path = entry.map_err(|e| self.directory(e))?.path();
            let kept = path
                .file_name()
                .is_some_and(|name| KEPT_BY_RESET.iter().any(|k| name == *k));
            if kept {
                continue;
            }
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(|e| self.directory(e))?;
        }
        Ok(())
    }
}

/// The end of a text file.
fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Credentials;

    fn cloud() -> (tempfile::TempDir, LocalCloud) {
        let directory = tempfile::tempdir().expect("a directory");
        let data = DataDir::under(directory.path());
        data.prepare().expect("prepared");
        (directory, LocalCloud::at(data))
    }

    #[test]
    fn a_state_file_of_a_dead_cloud_is_not_believed() {
        let (_directory, cloud) = cloud();
        let state = State {
            endpoint: "http://127.0.0.1:1".into(),
            pid: std::process::id(),
            credentials: Credentials::generate(),
            started_at_ms: 0,
            version: "0".into(),
        };
        state.write(&cloud.data).expect("written");
        assert_eq!(cloud.status(), Status::Down, "nobody holds the lock");
        assert!(
            !cloud.down().expect("nothing to end"),
            "this process got no signal"
        );
    }

    #[test]
    fn a_state_file_of_a_dead_cloud_is_not_taken_for_that_of_the_one_that_starts() {
        let (_directory, cloud) = cloud();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut state = State {
            endpoint: format!("http://{}", listener.local_addr().expect("an address")),
            pid: std::process::id() + 1,
            credentials: Credentials::generate(),
            started_at_ms: 0,
            version: "0".into(),
        };
        state.write(&cloud.data).expect("written");
        let lock = state_file::become_supervisor(&cloud.data).expect("locked");
        assert_eq!(cloud.status(), Status::Changing, "another one's file");
        state.pid = std::process::id();
        state.write(&cloud.data).expect("written");
        assert!(matches!(cloud.status(), Status::Running { .. }));
        drop(lock);
    }

    #[test]
    fn a_reset_forgets_everything_but_the_locks() {
        let (_directory, cloud) = cloud();
        fs::create_dir_all(cloud.data.world()).expect("made");
        fs::write(cloud.data.world().join("ecs.json"), "{}").expect("written");
        fs::write(cloud.data.file("credentials.json"), "{}").expect("written");
        cloud.reset().expect("reset");
        assert!(!cloud.data.world().exists());
        assert!(!cloud.data.file("credentials.json").exists());
    }

    #[test]
    fn the_exports_leave_no_other_account_in_charge() {
        let endpoint = Endpoint {
            url: "http://127.0.0.1:4566".into(),
            access_key_id: "AKIAEXAMPLE".into(),
            secret_access_key: "example".into(),
            region: REGION,
            account: ACCOUNT,
            pid: 1,
        };
        let exports = endpoint.exports();
        assert!(exports.contains("export AWS_ENDPOINT_URL=http://127.0.0.1:4566\n"));
        assert!(exports.ends_with("unset AWS_PROFILE AWS_SESSION_TOKEN"));
    }
}
