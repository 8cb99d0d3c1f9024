//! `opsconsole local`: starts, stops and shows the local cloud.

use super::{
    Failure, Global, OutputFormat, exit,
    output::{Table, print_json},
};
use crate::context::data_dir;
use clap::Subcommand;
use opsconsole_local_cloud::{
    DataDir, LocalCloud,
    client::{ClientError, Status},
    releases,
};
use serde_json::json;
use std::time::Duration;

/// What to do with the local cloud.
#[derive(Debug, Subcommand)]
pub enum LocalCommand {
    /// Starts it, if it does not run, and waits until it answers.
    Up {
        /// Ends by itself after so many minutes without use.
        #[arg(long, value_name = "MINUTES")]
        idle_minutes: Option<u64>,
    },
    /// Ends it and every process it started; its world is kept.
    Down,
    /// Says where it is, since when, and which releases it holds.
    Status,
    /// Prints the exports that make the aws CLI talk to it: eval "$(opsconsole local env)".
    Env,
    /// Ends it and forgets its world.
    Reset,
}

/// Does it.
pub async fn run(global: &Global, command: LocalCommand) -> Result<u8, Failure> {
    let format = OutputFormat::table_or_json(global.output)?;
    let cloud = LocalCloud::at(DataDir::under(data_dir(None)?));
    // The client waits for processes and sockets; the runtime's threads must not.
    tokio::task::spawn_blocking(move || act(cloud, command, format))
        .await
        .map_err(|error| Failure::internal(error.to_string()))?
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::internal(error.to_string())
    }
}

fn act(cloud: LocalCloud, command: LocalCommand, format: OutputFormat) -> Result<u8, Failure> {
    match command {
        LocalCommand::Up { idle_minutes } => {
            let cloud = match idle_minutes {
                Some(minutes) => cloud.with_idle(Duration::from_secs(minutes * 60)),
                None => cloud,
            };
            let endpoint = cloud.up()?;
            match format {
                OutputFormat::Json => print_json(
                    &json!({"running": true, "endpoint": endpoint.url, "pid": endpoint.pid}),
                )?,
                _ => say!(
                    "the local cloud answers at {} (process {})",
                    endpoint.url,
                    endpoint.pid
                ),
            }
        }
        LocalCommand::Down => {
            let ran = cloud.down()?;
            match format {
                OutputFormat::Json => print_json(&json!({"running": false, "was_running": ran}))?,
                _ if ran => say!("the local cloud is down"),
                _ => say!("the local cloud was not running"),
            }
        }
        LocalCommand::Status => status(&cloud, format)?,
        LocalCommand::Env => match cloud.status() {
            Status::Running { endpoint, .. } => say!("{}", endpoint.exports()),
            _ => {
                return Err(Failure {
                    message: "the local cloud is not running; start it with: opsconsole local up"
                        .to_owned(),
                    code: exit::UNREACHABLE,
                });
            }
        },
        LocalCommand::Reset => {
            cloud.reset()?;
            say!("the local cloud is down and its world forgotten");
        }
    }
    Ok(exit::DONE)
}

fn status(cloud: &LocalCloud, format: OutputFormat) -> Result<(), Failure> {
    let status = cloud.status();
    if format == OutputFormat::Json {
        let document = match &status {
            Status::Running {
                endpoint,
                started_at_ms,
            } => json!({
                "running": true, "endpoint": endpoint.url, "pid": endpoint.pid,
                "started_at_ms": started_at_ms, "account": endpoint.account, "region": endpoint.region,
            }),
            Status::Changing => json!({"running": false, "changing": true}),
            Status::Down => json!({"running": false}),
        };
        return print_json(&document);
    }
    match status {
        Status::Running {
            endpoint,
            started_at_ms,
        } => {
            let since = jiff::Timestamp::from_millisecond(started_at_ms).unwrap_or_default();
            say!(
                "running at {} since {since:.0} (process {})",
                endpoint.url,
                endpoint.pid
            );
        }
        Status::Changing => say!("starting or ending"),
        Status::Down => say!("not running; start it with: opsconsole local up"),
    }
    let mut table = Table::new(["RELEASE", "BEHAVES"]);
    for release in releases() {
        table.row([release.tag.to_owned(), release.behaviour.to_owned()]);
    }
    say!();
    table.print()
}
