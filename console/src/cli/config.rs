//! `opsconsole config`: checks the file, prints its path or its JSON Schema.

use super::{Failure, Global, exit, output::print_json};
use crate::config;
use clap::Subcommand;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Checks the file and lists every mistake with its line.
    Check,
    /// Prints where the file is, or would be.
    Path,
    /// Prints the JSON Schema, for editors.
    Schema,
}

/// Does it.
pub fn run(global: &Global, command: ConfigCommand) -> Result<u8, Failure> {
    match command {
        ConfigCommand::Check => {
            let Some(path) = config::resolve_path(global.config.clone()) else {
                say!("there is no configuration file; the console opens the local cloud");
                return Ok(exit::DONE);
            };
            let config = config::load(&path).map_err(|error| Failure::usage(error.to_string()))?;
            say!(
                "{}: fine, {} environments",
                path.display(),
                config.environments.len()
            );
        }
        ConfigCommand::Path => {
            let path = config::resolve_path(global.config.clone()).or_else(config::default_path);
            let path = path.ok_or_else(|| {
                Failure::usage("there is no home directory; name a file with --config")
            })?;
            say!("{}", path.display());
        }
        ConfigCommand::Schema => print_json(&config::schema())?,
    }
    Ok(exit::DONE)
}
