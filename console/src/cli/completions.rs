//! `opsconsole completions`: a shell's completion script on stdout.

use super::{Failure, command_line};
use clap::Args;
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: CompletionsArgs) -> Result<u8, Failure> {
    clap_complete::generate(
        args.shell,
        &mut command_line(),
        "opsconsole",
        &mut std::io::stdout(),
    );
    Ok(super::exit::DONE)
}
