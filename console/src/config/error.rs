//! How a mistake in the configuration is told: file, line, key, what is wrong, the nearest right one.

use std::{fmt, path::PathBuf};

/// Why a configuration is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {cause}. Name another one with --config, or write one with `opsconsole init`", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file cannot be written.
    #[error("cannot write the configuration {}: {cause}. Name another place with --config", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file says something it must not.
    #[error("{}", list(path, problems))]
    Invalid {
        /// Which.
        path: PathBuf,
        /// All mistakes found, in the file's order; at least one.
        problems: Vec<Problem>,
    },
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The key's path: `environment.prod.guard`; empty when the file is not TOML.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// The nearest right key or value.
    pub nearest: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

fn list(path: &std::path::Path, problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| {
            format!(
                "{}:{}:{}: {problem}",
                path.display(),
                problem.line,
                problem.column
            )
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The candidate that looks most like `given`, if any looks like it at all.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // Below this Jaro-Winkler likeness a suggestion confuses more than it helps.
    const LIKENESS_MIN: f64 = 0.7;
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&given, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}
