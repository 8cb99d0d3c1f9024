//! The process that is the cloud: starts its parts, answers, ends in order.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs, io};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cloud::Cloud;
use crate::protocol::now_ms;
use crate::settings::{DataDir, Pace, Settings, TaskProgram};
use crate::state_file::{self, Kept, State};
use crate::{cloudwatch, ecs, http, proxy, seed, traffic};

/// A cloud that nobody has asked anything for this long ends.
pub const IDLE_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// How often the cloud looks whether it is idle.
const IDLE_LOOK: Duration = Duration::from_secs(5);

/// The time that tasks have to end when the cloud goes down.
const SHUT_DOWN_TIME: Duration = Duration::from_secs(8);

/// The exit code when another supervisor has the directory already.
pub const ALREADY_RUNNING: u8 = 3;

/// How a supervisor is started.
#[derive(Debug)]
pub struct Options {
    /// Where it lives.
    pub data: DataDir,
    /// When it ends by itself.
    pub idle: Option<Duration>,
    /// It stays in the terminal's session and says where it answers.
    pub foreground: bool,
}

/// Why a supervisor could not start or go on.
#[derive(Debug)]
struct Failure {
    what: &'static str,
    error: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the local cloud cannot {}: {}", self.what, self.error)
    }
}

/// Names what was tried when something fails.
fn trying<T>(what: &'static str, result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure { what, error })
}

/// Runs the supervisor to its end.
pub fn main(options: Options) -> ExitCode {
    if !options.foreground {
        // Out of the terminal's session: closing it, or Ctrl-C in it, is not for the cloud. Fails
        // only for the leader of a session, who is out of it already.
        let _ = nix::unistd::setsid();
    }
    // Whatever it and its tasks write is for its owner only, their database included.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("OPSCONSOLE_LOCAL_CLOUD_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let ended =
        trying("start its threads", runtime).and_then(|runtime| runtime.block_on(run(&options)));
    match ended {
        Ok(code) => code,
        Err(failure) => {
            tracing::error!("{failure}");
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<ExitCode, Failure> {
    let data = &options.data;
    trying("make its directory", data.prepare())?;
    let Some(_lock) = trying("lock its directory", state_file::become_supervisor(data))? else {
        eprintln!(
            "a local cloud is running for {} already",
            data.path().display()
        );
        return Ok(ExitCode::from(ALREADY_RUNNING));
    };
    let mut kept = Kept::read(data);
    let settings = Settings {
        data: data.clone(),
        credentials: kept.credentials.clone(),
        idle: options.idle,
        pace: Pace::default(),
        task_program: trying("find its executable", TaskProgram::this_executable())?,
    };
    let cloud = trying("read its kept state", Cloud::load(settings))?;
    trying("make its first world", seed::plant(&cloud).await)?;
    trying(
        "open the load balancers",
        cloud.elb.open_listeners(&cloud.metrics).await,
    )?;
    let listener = trying("listen on 127.0.0.1", proxy::bind_stable(kept.port).await)?;
    let address = trying("listen on 127.0.0.1", listener.local_addr())?;

    let stop = CancellationToken::new();
    let mut parts = tokio::task::JoinSet::new();
    parts.spawn(ecs::run_forever(cloud.clone()));
    parts.spawn(ecs::measure_forever(cloud.clone()));
    parts.spawn(cloudwatch::evaluate_forever(cloud.clone()));
    parts.spawn(traffic::generate_forever(cloud.clone()));
    let endpoint = tokio::spawn(http::serve(cloud.clone(), listener, stop.clone()));

    kept.port = Some(address.port());
    trying("keep its key", kept.write(data))?;
    trying("write its state file", announce(&cloud, address))?;
    tracing::info!(%address, "the local cloud answers");
    if options.foreground {
        println!(
            "{}",
            crate::client::Endpoint::of(&cloud.settings, address).exports()
        );
    }

    let why = wait_for_the_end(&cloud).await;
    tracing::info!(why, "the local cloud ends");
    stop.cancel();
    ecs::shut_down(&cloud, SHUT_DOWN_TIME).await;
    parts.shutdown().await;
    cloud.elb.close_listeners();
    let _ = endpoint.await;
    // Gone last: whoever sees no state file may start another cloud at once.
    trying("remove its state file", remove_state(data))?;
    Ok(ExitCode::SUCCESS)
}

fn announce(cloud: &Cloud, address: SocketAddr) -> io::Result<()> {
    debug_assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    State {
        endpoint: format!("http://{address}"),
        pid: std::process::id(),
        credentials: cloud.settings.credentials.clone(),
        started_at_ms: now_ms(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
    .write(&cloud.settings.data)
}

fn remove_state(data: &DataDir) -> io::Result<()> {
    match State::remove(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// SIGTERM, SIGINT, SIGHUP, idleness, or the loss of its directory.
async fn wait_for_the_end(cloud: &Arc<Cloud>) -> &'static str {
    let mut signals = Vec::new();
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ] {
        match signal(kind) {
            Ok(signal) => signals.push(signal),
            Err(error) => tracing::warn!(%error, "a signal cannot be waited for"),
        }
    }
    let any_signal = async {
        let waits = signals.iter_mut().map(|s| Box::pin(s.recv()));
        futures::future::select_all(waits).await;
    };
    tokio::select! {
        () = any_signal => "it was told to",
        why = idle(cloud) => why,
    }
}

async fn idle(cloud: &Cloud) -> &'static str {
    let mut due = tokio::time::interval(IDLE_LOOK);
    loop {
        due.tick().await;
        if let Some(idle) = cloud.settings.idle
            && u128::try_from(cloud.idle_ms()).unwrap_or(0) >= idle.as_millis()
        {
            return "nobody has used it for its idle time";
        }
        if fs::metadata(cloud.settings.data.path()).is_err() {
            return "its directory is gone";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cloud_that_nobody_uses_or_whose_directory_is_gone_ends() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut settings = crate::cloud::tests::settings_in(directory.path());
        settings.idle = Some(Duration::ZERO);
        let cloud = Cloud::load(settings.clone()).expect("a cloud");
        assert_eq!(idle(&cloud).await, "nobody has used it for its idle time");

        settings.idle = None;
        let cloud = Cloud::load(settings).expect("a cloud");
        directory.close().expect("removed");
        assert_eq!(idle(&cloud).await, "its directory is gone");
    }
}
