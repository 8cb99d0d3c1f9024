//! The program `opsconsole-api`: the library's command line, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    opsconsole_api::command_line()
}
