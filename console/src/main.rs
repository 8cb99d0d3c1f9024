//! The program: arguments → the screen, or one headless command, or a part of the local cloud.

use clap::Parser;
use opsconsole::{
    cli::{self, Cli, Failure},
    context::{Context, OpenOptions},
    tui,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    // The local cloud starts this same executable again; nothing of the console is set up for it.
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(opsconsole_local_cloud::hidden::SUBCOMMAND) {
        return opsconsole_local_cloud::hidden_main(arguments);
    }
    if let Err(error) = color_eyre::install() {
        Failure::internal(error.to_string()).tell();
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::internal(format!("cannot start its threads: {error}"));
            return ExitCode::from(failure.tell());
        }
    };
    let result = runtime.block_on(run(cli));
    // A call that is still waiting for the network must not keep the shell from its prompt.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => ExitCode::from(failure.tell()),
    }
}

async fn run(cli: Cli) -> Result<u8, Failure> {
    match cli.command {
        Some(command) => cli::run(&cli.global, command).await,
        None => {
            let options = OpenOptions {
                config: cli.global.config.clone(),
                ..OpenOptions::default()
            };
            let context = Context::open(options).await?;
            let _log = logging(&context);
            tui::app::run(context)
                .await
                .map_err(|error| Failure::internal(error.to_string()))?;
            Ok(cli::exit::DONE)
        }
    }
}

/// Writes what the console notices about itself to a file in the data directory; the screen is
/// taken. `OPSCONSOLE_LOG` sets what is written, in `tracing`'s filter syntax.
fn logging(context: &Context) -> Option<tracing_appender::non_blocking::WorkerGuard> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("OPSCONSOLE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let appender = tracing_appender::rolling::Builder::new()
        .rotation(tracing_appender::rolling::Rotation::DAILY)
        .max_log_files(7)
        .filename_prefix("opsconsole")
        .filename_suffix("log")
        .build(context.data_dir.join("log"))
        .ok()?;
    let (writer, guard) = tracing_appender::non_blocking(appender);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(writer)
        .init();
    Some(guard)
}
