//! What the hidden subcommand runs: the supervisor, or one task.

use std::process::ExitCode;
use std::time::Duration;

use crate::settings::DataDir;
use crate::supervisor::{self, Options};

/// The hidden subcommand of the executable that links this crate; what follows it goes to
/// [`hidden_main`].
pub const SUBCOMMAND: &str = "__local-cloud";

const USAGE: &str =
    "usage: supervise [--data-dir DIR] [--idle-minutes N] [--foreground]\n       task";

/// Runs what the arguments after [`SUBCOMMAND`] say: `supervise` or `task`.
pub fn hidden_main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    match arguments.next().as_deref() {
        Some("task") => opsconsole_api::main(),
        Some("supervise") => match options(arguments) {
            Ok(options) => supervisor::main(options),
            Err(mistake) => usage(&mistake),
        },
        Some(other) => usage(&format!("unknown subcommand {other}")),
        None => usage("a subcommand is missing"),
    }
}

fn usage(mistake: &str) -> ExitCode {
    eprintln!("{mistake}\n{USAGE}");
    ExitCode::from(2)
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut data = None;
    let mut idle = Some(supervisor::IDLE_DEFAULT);
    let mut foreground = false;
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--data-dir" => data = Some(DataDir::under(value()?)),
            "--idle-minutes" => {
                let text = value()?;
                let minutes: u64 = text
                    .parse()
                    .map_err(|_| format!("--idle-minutes takes a whole number, not {text}"))?;
                idle = (minutes > 0).then(|| Duration::from_secs(minutes * 60));
            }
            "--foreground" => foreground = true,
            other => return Err(format!("unknown option {other}")),
        }
    }
    let data = match data {
        Some(data) => data,
        None => DataDir::discover().map_err(|e| e.to_string())?,
    };
    Ok(Options {
        data,
        idle,
        foreground,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        options(arguments.iter().map(|a| (*a).to_owned()))
    }

    #[test]
    fn idle_minutes_of_zero_never_ends_the_cloud() {
        let options = parse(&["--data-dir", "d", "--idle-minutes", "0"]).expect("options");
        assert_eq!(options.idle, None);
        assert_eq!(options.data, DataDir::under("d"));
        let options = parse(&["--data-dir", "d"]).expect("options");
        assert_eq!(options.idle, Some(supervisor::IDLE_DEFAULT));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            parse(&["--bogus"]).err().as_deref(),
            Some("unknown option --bogus")
        );
        assert_eq!(
            parse(&["--data-dir"]).err().as_deref(),
            Some("--data-dir needs a value")
        );
        assert!(parse(&["--idle-minutes", "x"]).is_err());
    }
}
