//! The documented exit codes, and failures that carry one.

use crate::{
    model::EnvironmentName, operate::OperateError, platform::PlatformError, store::StoreError,
};

/// Done as asked.
pub const DONE: u8 = 0;
/// A defect or an unexpected state of this machine.
pub const INTERNAL: u8 = 1;
/// The command line or the configuration is wrong.
pub const USAGE: u8 = 2;
/// The platform could not be reached, or does not accept the credentials.
pub const UNREACHABLE: u8 = 5;
/// Guard, lock, read-only or freeze.
pub const REFUSED: u8 = 4;
/// The rollout failed, and the release before serves again.
pub const ROLLED_BACK: u8 = 3;
/// The rollout failed and stays where it is.
pub const FAILED: u8 = 8;
/// Who reads the output went away; what a shell says of SIGPIPE (128 + 13).
pub const READER_GONE: u8 = 141;

/// Every code with its meaning, for the reference page and `--help`.
pub const CODES: [(u8, &str, &str); 11] = [
    (
        DONE,
        "done",
        "What was asked for is done; for a rollout: our revision won.",
    ),
    (
        INTERNAL,
        "internal error",
        "A defect, or this machine's disk or memory.",
    ),
    (
        USAGE,
        "usage",
        "The command line or the configuration file is wrong; nothing was sent.",
    ),
    (
        ROLLED_BACK,
        "rolled back",
        "The rollout failed, and the platform, or `--rollback-on-failure`, went back to a revision before.",
    ),
    (
        REFUSED,
        "refused",
        "Guard, lock, read-only, freeze, no confirmation, or no known-good revision; nothing was changed.",
    ),
    (
        UNREACHABLE,
        "unreachable",
        "The platform could not be reached, throttles, or does not accept the credentials.",
    ),
    (
        6,
        "timed out",
        "The rollout was not over within --timeout; it goes on.",
    ),
    (
        7,
        "superseded",
        "Another writer's rollout took the place of ours.",
    ),
    (
        FAILED,
        "failed, not rolled back",
        "The rollout failed and nothing went back: someone must act.",
    ),
    (9, "stopped", "Someone stopped the rollout."),
    (
        READER_GONE,
        "reader gone",
        "Who reads the output closed it, as head does; a change that was begun goes on.",
    ),
];

/// A command that could not do its work: the message and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// What happened, to what, what to do.
    pub message: String,
    /// One of [`CODES`].
    pub code: u8,
}

impl Failure {
    /// Says it to who may be gone, with the terminal for example; the code to end with.
    pub fn tell(&self) -> u8 {
        if !self.message.is_empty() {
            super::output::remark(format_args!("opsconsole: {}", self.message));
        }
        self.code
    }

    /// A mistake on the command line or in the configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: USAGE,
        }
    }

    /// A defect, or this machine's trouble.
    pub fn internal(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: INTERNAL,
        }
    }

    /// Something that guard or lock forbids.
    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: REFUSED,
        }
    }

    /// An environment that is not configured, with the nearest name that is.
    pub fn no_environment(name: &str, known: &[EnvironmentName]) -> Self {
        let nearest = known
            .iter()
            .map(|known| (strsim::damerau_levenshtein(name, known.as_str()), known))
            .min()
            .filter(|(distance, _)| *distance <= 3)
            .map(|(_, known)| format!("Did you mean {known}? "))
            .unwrap_or_default();
        let all: Vec<&str> = known.iter().map(EnvironmentName::as_str).collect();
        Self::usage(format!(
            "there is no environment {name}. {nearest}Configured are: {}",
            all.join(", ")
        ))
    }
}

impl From<OperateError> for Failure {
    fn from(error: OperateError) -> Self {
        Self {
            code: error.exit_code(),
            message: error.to_string(),
        }
    }
}

impl From<PlatformError> for Failure {
    fn from(error: PlatformError) -> Self {
        OperateError::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // `| head` has read enough: nothing to complain of, but not a success of what was asked either.
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self {
                code: READER_GONE,
                message: String::new(),
            };
        }
        Self::internal(format!("cannot write the output: {error}"))
    }
}
