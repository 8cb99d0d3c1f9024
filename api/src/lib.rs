//! The service that opsconsole deploys, rolls back, tails and prices: a small axum API on
//! SQLite or Postgres. The local cloud runs it as its tasks through [`main`].
//!
//! Modules follow the resources: `items`, `about`, `health`, `metrics`. Around each request
//! lie the layers of `observe`; every error leaves as a `problem`; what is stored goes
//! through the trait in `storage`.

mod about;
mod admin;
mod app;
mod auth;
mod browsers;
mod calls;
mod checks;
mod cli;
mod content;
mod docs;
mod faults;
mod fields;
mod flags;
mod health;
mod ids;
mod items;
mod jobs;
mod kept;
mod locations;
mod logging;
mod metrics;
mod observe;
mod once;
mod openapi;
mod otlp;
mod paging;
mod preconditions;
mod problem;
mod prompts;
mod query;
mod rate_limit;
mod request_id;
mod router;
mod server;
mod settings;
mod stop;
mod storage;
mod trace;
mod unreadable;
mod vendors;

use std::process::ExitCode;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

pub use cli::main as command_line;
pub use server::{StartError, run};
pub use settings::{
    Backend, Cache, ContentPlace, DatabaseUrl, Faults, FlagSettings, Generation, Oidc, Otlp,
    PREFIX, Settings, SettingsError, Unleash, Vendor,
};

/// The answer of `main` to settings that are wrong.
const EXIT_SETTINGS: u8 = 2;

/// Threads that serve requests. The work is small and the database has threads of its own;
/// more would only hold memory.
const WORKER_THREADS: usize = 2;

/// Reads the settings, serves until told to stop, and says how it ended: 0 after a drain,
/// 1 when it could not start or go on, 2 for wrong settings. Takes no arguments.
#[must_use]
pub fn main() -> ExitCode {
    let code = serve();
    logging::finish();
    code
}

fn serve() -> ExitCode {
    let settings = match settings_or_exit() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let outcome = match start_runtime() {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(settings));
            // Requests that were cut off do not hold up the end.
            runtime.shutdown_timeout(Duration::ZERO);
            outcome
        }
        Err(error) => Err(StartError::System(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The settings, with the log started; or every mistake in the log and the code to exit with.
fn settings_or_exit() -> Result<Settings, ExitCode> {
    match Settings::from_env() {
        Ok(settings) => {
            logging::start(&settings.release, &settings.environment, settings.log_level);
            Ok(settings)
        }
        Err(errors) => {
            logging::start(env!("CARGO_PKG_VERSION"), "unknown", LevelFilter::INFO);
            for error in errors {
                tracing::error!("configuration error: {error}");
            }
            Err(ExitCode::from(EXIT_SETTINGS))
        }
    }
}

fn start_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
}
