//! The command line of the program `opsconsole-api`.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::app::App;
use crate::settings::Settings;
use crate::storage::{Schema, StoreError};
use crate::{checks, logging, router, serve, settings_or_exit, start_runtime, stop, storage};

/// The service that opsconsole deploys, rolls back, tails and prices.
///
/// Settings come from the environment (OPSCONSOLE_API_…) and from the TOML file that
/// OPSCONSOLE_API_CONFIG_FILE names; the environment wins. Exits with 0 when all went well,
/// 1 when it did not, 2 for wrong settings or arguments.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Serve until told to stop (the default)
    Serve,
    /// Bring the schema of the database up to this release, then end
    Migrate,
    /// Try each dependency and print what was found as JSON
    Check,
    /// Print the OpenAPI document of everything this release serves
    Openapi,
    /// Ask the service on this machine whether it is healthy; for containers without curl
    Healthcheck,
}

/// Reads the arguments of the process and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let code = obey();
    logging::finish();
    code
}

fn obey() -> ExitCode {
    let command = Arguments::parse().command.unwrap_or(Command::Serve);
    match command {
        Command::Serve => return serve(),
        // A question about the program, whatever the settings are.
        Command::Openapi => return report(openapi()),
        _ => {}
    }
    let settings = match settings_or_exit() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let outcome = match command {
        Command::Serve | Command::Openapi => unreachable!("they have returned above"),
        Command::Healthcheck => healthcheck(settings.listen),
        Command::Migrate => in_runtime(migrate(&settings)),
        Command::Check => in_runtime(check(&settings)),
    };
    report(outcome)
}

fn report(outcome: Result<String, String>) -> ExitCode {
    match outcome {
        Ok(said) => {
            // A reader that is gone does not undo what was done.
            let _ = writeln!(std::io::stdout(), "{said}");
            ExitCode::SUCCESS
        }
        Err(said) => {
            let _ = writeln!(std::io::stderr(), "{said}");
            ExitCode::FAILURE
        }
    }
}

/// Until it is done or a signal comes: as the first process of a container it would hear none by
/// default (signal(7), pid_namespaces(7)).
fn in_runtime(work: impl Future<Output = Result<String, String>>) -> Result<String, String> {
    let cannot_start = |error| format!("cannot start: {error}");
    start_runtime().map_err(cannot_start)?.block_on(async {
        let mut stops = stop::listen(false).map_err(cannot_start)?;
        tokio::select! {
            outcome = work => outcome,
            Some(stop) = stops.recv() => Err(format!(
                "Stopped by {} before it was done; it can be run again.",
                stop.describe()
            )),
        }
    })
}

fn openapi() -> Result<String, String> {
    serde_json::to_string_pretty(&router::document()).map_err(|error| error.to_string())
}

/// Waits for a database that is away for the moment, up to a limit: in a deployment the
/// migration often starts beside it.
async fn migrate(settings: &Settings) -> Result<String, String> {
    const PAUSE: Duration = Duration::from_secs(1);
    const TRIES: usize = 30;
    let store = storage::open(settings).map_err(|error| error.to_string())?;
    let before = store.schema().await;
    let mut tries = 0;
    loop {
        tries += 1;
        match store.migrate(true).await {
            Ok(()) => break,
            Err(error @ StoreError::Unavailable { .. }) if tries < TRIES => {
                tracing::warn!(%error, "cannot migrate yet");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(format!("not migrated: {error}")),
        }
    }
    store.close().await;
    Ok(match before {
        Ok(Schema::Current) => "Nothing to do: the schema is that of this release.".into(),
        Ok(Schema::Newer) => "Nothing to do: the schema is that of a later release.".into(),
        _ => "Migrated: the schema is that of this release.".into(),
    })
}

async fn check(settings: &Settings) -> Result<String, String> {
    let store = storage::open(settings).map_err(|error| error.to_string())?;
    let app = App::new(settings, store);
    let report = checks::run(&app).await;
    app.store.close().await;
    let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
    if report.ok { Ok(text) } else { Err(text) }
}

/// One plain HTTP request, without a runtime: it runs every few seconds in each container.
fn healthcheck(listen: SocketAddr) -> Result<String, String> {
    const TIME_MAX: Duration = Duration::from_secs(3);
    const ANSWER_BYTES_MAX: u64 = 64 * 1024;
    let host = match listen.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let address = SocketAddr::new(host, listen.port());
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, TIME_MAX)?;
        stream.set_read_timeout(Some(TIME_MAX))?;
        stream.set_write_timeout(Some(TIME_MAX))?;
        let head = format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = ask().map_err(|error| format!("no answer from {address}: {error}"))?;
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    if status == "200" {
        Ok("healthy".into())
    } else {
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Err(format!("{address} answered {status}: {}", body.trim()))
    }
}
