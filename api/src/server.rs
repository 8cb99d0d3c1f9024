//! The life of the process: start, serve, drain, end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::app::App;
use crate::jobs::Workers;
use crate::otlp::Traces;
use crate::router::{operator_router, router};
use crate::settings::Settings;
use crate::stop::{self, Stop};
use crate::storage::{self, Schema, StoreError};
use crate::unreadable::Explained;

/// A head must come within this, and a kept connection must say something. Above the 60 s
/// idle time of an AWS load balancer, which would otherwise send into a closing connection.
const HEAD_READ_TIMEOUT: Duration = Duration::from_secs(75);
/// Room for the head of a request; cookies and tokens included, 64 KiB is plenty.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long the listener stays open at most after the call to stop, for load balancers to
/// see that readiness is gone.
const NOTICE_MAX: Duration = Duration::from_secs(5);
/// The share of the drain time that is given to that notice.
const NOTICE_DIVISOR: u32 = 5;
/// The last step: writing back the WAL.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);

/// Why the service did not start, could not go on, or did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error(
        "cannot listen on {address}: {source}; choose another in OPSCONSOLE_API_LISTEN or OPSCONSOLE_API_OPERATOR_LISTEN"
    )]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The runtime, a thread or a signal handler could not be set up.
    #[error("the system refused what the service needs to run: {0}")]
    System(#[from] io::Error),
    /// The database holds a schema that is not of this project's releases.
    #[error("cannot serve from this database: {0}; restore a backup or name another one")]
    Schema(String),
    /// The fault switch `FAULT_CRASH_AFTER_MS`.
    #[error(
        "configuration error: CATALOGUE_URL is required since this release and is not set; \
         add it to the task definition"
    )]
    Crash,
    /// A second call to stop came while the first was being followed.
    #[error("ended at once by a second call to stop ({0})")]
    EndedNow(&'static str),
}

/// Serves until SIGTERM, SIGINT or, where asked for, the end of standard input; then answers
/// 503 on the probes, finishes what is in flight and returns.
///
/// # Errors
/// See [`StartError`].
pub async fn run(settings: Settings) -> Result<(), StartError> {
    let mut stops = stop::listen(settings.exit_with_parent)?;
    let store = storage::open(&settings).map_err(fatal)?;
    let app = App::new(&settings, store);
    let listener = listen(settings.listen).await?;
    let operator_listener = match settings.operator_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    if let Some(listener) = &operator_listener {
        tracing::info!(address = %listener.local_addr()?, "listening for operators");
    }
    tracing::info!(
        address = %listener.local_addr()?,
        git_sha = settings.git_sha,
        pid = std::process::id(),
        drain_seconds = settings.drain.as_secs(),
        "listening"
    );
    if !settings.unknown.is_empty() {
        let names = settings.unknown.join(" ");
        tracing::warn!(
            names,
            "settings that this release does not know are ignored"
        );
    }

    let customers = router(app.clone(), operator_listener.is_some());
    let connections = Connections::new(app.clone(), customers);
    if let Some(listener) = operator_listener {
        // Scrapers and operators are served to the very end, so that they can watch the drain.
        let operators = Connections::new(app.clone(), operator_router(app.clone()));
        tokio::spawn(async move { operators.accept_from(&listener).await });
    }
    let flags = app.clone();
    tokio::spawn(async move { flags.flags.keep_current().await });
    let workers = Workers::start(&app);
    let stop = tokio::select! {
        stop = stops.recv() => stop.unwrap_or(Stop::Terminated),
        error = keep_migrated(&app, settings.migrate_on_start) => return Err(fatal(error)),
        () = crash(&app) => return Err(StartError::Crash),
        never = connections.accept_from(&listener) => match never {},
    };
    let drained = tokio::select! {
        // Jobs go back at once: another process can take them up during the drain.
        (drained, ()) = async {
            tokio::join!(
                drain(&app, listener, connections, stop, settings.drain),
                workers.stop(),
            )
        } => drained,
        again = second_call(&mut stops) => return Err(StartError::EndedNow(again.describe())),
    };
    if !drained {
        let requests = app.metrics.in_flight.get();
        tracing::warn!(requests, "requests were cut off: the drain time has passed");
    }
    if app.traces.is_some() {
        let app = app.clone();
        let sending = tokio::task::spawn_blocking(move || app.traces.as_ref().map(Traces::finish));
        let _ = timeout(CLOSE_TIME_MAX, sending).await;
    }
    // The next process repairs what is left undone here.
    let _ = timeout(CLOSE_TIME_MAX, app.store.close()).await;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })
}

/// Says goodbye in two steps and tells whether every request was finished in time. First the
/// listener stays open while readiness is 503, so that load balancers turn away before a
/// connection is refused; then it closes, and what is in flight is finished.
async fn drain(
    app: &App,
    listener: TcpListener,
    connections: Connections,
    stop: Stop,
    drain: Duration,
) -> bool {
    let deadline = Instant::now() + drain;
    app.start_draining();
    tracing::info!(
        reason = stop.describe(),
        requests = app.metrics.in_flight.get(),
        "draining"
    );
    if stop != Stop::ParentGone {
        let notice = (drain / NOTICE_DIVISOR).min(NOTICE_MAX);
        tokio::select! {
            () = sleep(notice) => {}
            never = connections.accept_from(&listener) => match never {},
        }
    }
    drop(listener);
    timeout_at(deadline, connections.graceful.shutdown())
        .await
        .is_ok()
}

/// Waits for a signal. The end of standard input does not count: a supervisor that stops a
/// task may close its end right after its SIGTERM.
async fn second_call(stops: &mut mpsc::Receiver<Stop>) -> Stop {
    loop {
        match stops.recv().await {
            Some(Stop::ParentGone) => {}
            Some(stop) => return stop,
            None => std::future::pending().await,
        }
    }
}

/// The open connections and how they are served.
struct Connections {
    http: http1::Builder,
    app: App,
    service: Router,
    graceful: GracefulShutdown,
}

impl Connections {
    fn new(app: App, service: Router) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_READ_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX);
        Self {
            http,
            app,
            service,
            graceful: GracefulShutdown::new(),
        }
    }

    /// Takes connections for ever.
    async fn accept_from(&self, listener: &TcpListener) -> std::convert::Infallible {
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream),
                // Out of file descriptors, most likely: others must close first.
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream) {
        // Without it small answers may wait 40 ms; if it fails, they wait.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.service.clone());
        let stream = TokioIo::new(Explained::new(stream, self.app.clone()));
        let connection = self.http.serve_connection(stream, service);
        let watched = self.graceful.watch(connection);
        tokio::spawn(async move {
            // Callers that break off; those that send what is not HTTP have been told.
            if let Err(error) = watched.await {
                tracing::debug!(%error, "connection ended early");
            }
        });
    }
}

/// Brings the schema up at the start, or waits for `migrate` to do it, and again whenever it
/// is found behind. Returns only what no waiting can mend.
async fn keep_migrated(app: &App, by_ourselves: bool) -> StoreError {
    const PAUSE_MIN: Duration = Duration::from_millis(50);
    const PAUSE_MAX: Duration = Duration::from_secs(5);
    // Only the start may make a new database: later a missing file is one that was taken
    // away, and an empty one in its place would hide that.
    let mut create = true;
    let mut pause = PAUSE_MIN;
    loop {
        let outcome = if by_ourselves {
            app.store.migrate(create).await
        } else {
            match app.store.schema().await {
                Ok(Schema::Behind) => Err(StoreError::Unavailable {
                    reason: "migrations are pending: run opsconsole-api migrate".into(),
                    retry_after: pause,
                }),
                outcome => outcome.map(drop),
            }
        };
        match outcome {
            Ok(()) => {
                tracing::info!(
                    after_ms = app.about.started.elapsed().as_millis() as u64,
                    "schema is up to date"
                );
                app.note_schema();
                create = false;
                pause = PAUSE_MIN;
                migration_needed(app).await;
            }
            Err(error @ StoreError::Incompatible { .. }) => return error,
            Err(error) => {
                tracing::warn!(%error, retry_ms = pause.as_millis() as u64, "cannot migrate yet");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Waits until a probe has found the schema behind and it still is: the probe may have
/// looked just before the migration that has run since.
async fn migration_needed(app: &App) {
    loop {
        app.migration_wanted.notified().await;
        if matches!(app.store.schema().await, Ok(Schema::Behind)) {
            return;
        }
    }
}

async fn crash(app: &App) {
    match app.faults.crash_after() {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

fn fatal(error: StoreError) -> StartError {
    StartError::Schema(error.to_string())
}
