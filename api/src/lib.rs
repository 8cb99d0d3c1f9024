//! The service that opsconsole deploys, rolls back, tails and prices: a small axum API on
//! SQLite, also run in-process by the local cloud through [`main`].

mod logging;
mod request_id;
mod server;
mod settings;

use std::process::ExitCode;

pub use server::{StartError, run};
pub use settings::{DatabaseUrl, Faults, PREFIX, Settings, SettingsError};

/// Reads the settings, serves until told to stop, and says how it ended: 0 after a drain,
/// 1 when it could not start or go on, 2 for wrong settings.
#[must_use]
pub fn main() -> ExitCode {
    server::main()
}
