//! `opsconsole completions`: a shell's completion script on stdout.

use super::{Failure, command_line};
use clap::Args;
use clap_complete::Shell;
use std::io::Write;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: CompletionsArgs) -> Result<u8, Failure> {
    // It panics where it cannot write, so it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command_line(), "opsconsole", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(super::exit::DONE)
}
