//! Headless commands, one file each; each is a thin caller of the rooms below.
//!
//! A command resolves its environments, does one thing, prints it as a table or as JSON, and ends
//! with one of the documented codes in [`exit`].

#![deny(clippy::print_stdout, clippy::print_stderr)]

/// Prints a line of what was asked for; see [`output::line`].
macro_rules! say {
    () => { $crate::cli::output::line(format_args!("")) };
    ($($said:tt)*) => { $crate::cli::output::line(format_args!($($said)*)) };
}

/// Prints a line beside it.
macro_rules! remark {
    ($($said:tt)*) => { $crate::cli::output::remark(format_args!($($said)*)) };
}

mod change;
mod completions;
mod config;
mod cost;
mod deploy;
mod docs;
mod doctor;
mod envs;
pub mod exit;
mod history;
mod init;
mod local;
mod logs;
mod output;
mod promote;
mod releases;
mod report;
mod restart;
mod rollback;
mod scale;
mod scope;
mod status;
mod stop_task;
mod terraform;

pub use change::ChangeArgs;
pub use exit::Failure;
pub use output::OutputFormat;

use clap::{Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;

/// One console over every environment: see, tail, roll back, know the cost.
///
/// Without a command it opens the screen. Without a configuration file it opens the local cloud:
/// three environments of real processes on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "opsconsole",
    version,
    about,
    long_about,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,

    /// The command; the screen when there is none.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that every command understands.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// The configuration file, instead of the one that OPSCONSOLE_CONFIG names or
    /// `opsconsole config path` prints; without any, the local cloud.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The environment, or several where a command can take them.
    #[arg(long, short, global = true, value_name = "NAME")]
    pub env: Vec<String>,

    /// How to print.
    #[arg(long, short, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<OutputFormat>,
}

/// The headless commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the environments with release, tasks, health, traffic and cost.
    Envs(envs::EnvsArgs),
    /// Shows one service: tasks, stopped tasks, target health, alarms, events.
    Status(status::StatusArgs),
    /// Prints or follows the logs of a service.
    Logs(logs::LogsArgs),
    /// Brings a release live and watches until it, and nothing else, has won.
    Deploy(deploy::DeployArgs),
    /// Goes back to the last known-good revision, or to the one given.
    Rollback(rollback::RollbackArgs),
    /// Brings live what another environment runs, by digest.
    Promote(promote::PromoteArgs),
    /// Replaces every task, same revision.
    Restart(restart::RestartArgs),
    /// Changes how many tasks are wanted.
    Scale(scale::ScaleArgs),
    /// Stops one task; the platform starts another.
    StopTask(stop_task::StopTaskArgs),
    /// Estimates what each environment costs a month, line by line.
    Cost(cost::CostArgs),
    /// Lists the releases in the registry and the rollouts with their outcome.
    Releases(releases::ReleasesArgs),
    /// Shows who did what, when, and how it ended.
    History(history::HistoryArgs),
    /// Finds ECS services in a profile and region, or environments in Terraform's outputs, and writes the configuration.
    Init(init::InitArgs),
    /// Checks credentials, permissions, endpoints, clock and terminal, one line each.
    Doctor(doctor::DoctorArgs),
    /// Starts, stops and shows the local cloud.
    #[command(subcommand)]
    Local(local::LocalCommand),
    /// Checks the configuration file, prints its path or its JSON Schema.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Prints a shell's completion script.
    Completions(completions::CompletionsArgs),
    /// Writes the generated pages and pictures of the documentation.
    #[command(subcommand, hide = true)]
    Docs(docs::DocsCommand),
}

/// Runs one headless command to its exit code.
pub async fn run(global: &Global, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Envs(args) => envs::run(global, args).await,
        Command::Status(args) => status::run(global, args).await,
        Command::Logs(args) => logs::run(global, args).await,
        Command::Deploy(args) => deploy::run(global, args).await,
        Command::Rollback(args) => rollback::run(global, args).await,
        Command::Promote(args) => promote::run(global, args).await,
        Command::Restart(args) => restart::run(global, args).await,
        Command::Scale(args) => scale::run(global, args).await,
        Command::StopTask(args) => stop_task::run(global, args).await,
        Command::Cost(args) => cost::run(global, args).await,
        Command::Releases(args) => releases::run(global, args).await,
        Command::History(args) => history::run(global, args).await,
        Command::Init(args) => init::run(global, args).await,
        Command::Doctor(args) => doctor::run(global, args).await,
        Command::Local(command) => local::run(global, command).await,
        Command::Config(command) => config::run(global, command),
        Command::Completions(args) => completions::run(args),
        Command::Docs(command) => docs::run(command),
    }
}

/// The command line as clap sees it, for completions and the reference page.
pub fn command_line() -> clap::Command {
    Cli::command()
}
