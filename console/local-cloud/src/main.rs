//! The local cloud without the console, for its own tests and for outside judges:
//! `opsconsole-local-cloud supervise --data-dir D --foreground`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // Its tasks are started as the console starts them.
    if arguments.first().map(String::as_str) == Some(opsconsole_local_cloud::hidden::SUBCOMMAND) {
        arguments.remove(0);
    }
    opsconsole_local_cloud::hidden_main(arguments)
}
