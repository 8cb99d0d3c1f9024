//! The program `opsconsole-api`: the library's entry, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    opsconsole_api::main()
}
