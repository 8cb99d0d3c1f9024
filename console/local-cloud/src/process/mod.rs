//! A task as an operating system process: started, listened to, ended.

mod lines;
mod usage;

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Notify, oneshot};

pub use usage::{Usage, UsageMeter};

use crate::settings::TaskProgram;

/// Where the lines that a process writes go.
pub type LineSink = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// What a process is started with.
#[derive(Debug)]
pub struct ProcessSpec {
    /// Shown by `ps` after the subcommand, so that a person can tell tasks apart.
    pub arguments: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub environment: Vec<(String, String)>,
}

/// How a process ended, as a container runtime says it: its exit code, or 128 and the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// 0 to 255.
    pub code: i32,
}

/// A running process. Dropping it does not end it, but its standard input closes then, which the
/// API takes as the end of the local cloud and exits.
#[derive(Debug)]
pub struct TaskProcess {
    /// The process id.
    pub pid: u32,
    stop: Arc<StopOrder>,
}

#[derive(Debug, Default)]
struct StopOrder {
    wanted: Notify,
    timeout_ms: std::sync::atomic::AtomicU64,
}

/// Starts a process; its lines go to `sink`, its end to the receiver.
///
/// # Errors
/// When the system cannot start it.
pub fn start(
    program: &TaskProgram,
    spec: &ProcessSpec,
    sink: LineSink,
) -> io::Result<(TaskProcess, oneshot::Receiver<Exit>)> {
    let mut command = Command::new(&program.executable);
    command
        .args(&program.arguments)
        .args(&spec.arguments)
        .env_clear()
        .envs(spec.environment.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Its own group: Ctrl-C in the supervisor's terminal is for the supervisor, which ends
        // its tasks in order.
        .process_group(0)
        .kill_on_drop(true);
    if let Ok(name) = std::env::current_exe() {
        command.as_std_mut().arg0(name);
    }
    let mut child = command.spawn()?;
    let pid = child
        .id()
        .ok_or_else(|| io::Error::other("the process ended before it had an id"))?;
    let stdin = child.stdin.take();
    let out = child
        .stdout
        .take()
        .map(|o| tokio::spawn(lines::pump(o, sink.clone())));
    let err = child
        .stderr
        .take()
        .map(|e| tokio::spawn(lines::pump(e, sink)));
    let stop = Arc::new(StopOrder::default());
    let (ended, exit) = oneshot::channel();
    let order = stop.clone();
    tokio::spawn(async move {
        let status = watch(child, stdin, pid, &order).await;
        // Its last words come before the news of its end, unless a grandchild keeps the pipe.
        for pump in [out, err].into_iter().flatten() {
            let _ = tokio::time::timeout(Duration::from_secs(1), pump).await;
        }
        let _ = ended.send(status);
    });
    Ok((TaskProcess { pid, stop }, exit))
}

impl TaskProcess {
    /// SIGTERM now, SIGKILL when it still runs after `timeout`.
    pub fn stop(&self, timeout: Duration) {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.stop
            .timeout_ms
            .store(timeout_ms, std::sync::atomic::Ordering::Relaxed);
        self.stop.wanted.notify_one();
    }
}

/// Waits for the end, which may be asked for. Holds the write end of the process's standard
/// input all the while.
async fn watch(mut child: Child, stdin: Option<ChildStdin>, pid: u32, order: &StopOrder) -> Exit {
    let status = tokio::select! {
        status = child.wait() => status,
        () = order.wanted.notified() => {
            signal(pid, Signal::SIGTERM);
            let timeout_ms = order.timeout_ms.load(std::sync::atomic::Ordering::Relaxed);
            match tokio::time::timeout(Duration::from_millis(timeout_ms), child.wait()).await {
                Ok(status) => status,
                Err(_) => {
                    signal(pid, Signal::SIGKILL);
                    child.wait().await
                }
            }
        }
    };
    drop(stdin);
    let code = match status {
        Ok(status) => status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .unwrap_or(255),
        Err(_) => 255,
    };
    Exit { code }
}

/// Signals a process that has not been waited for, so that its id is still its own.
fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}
