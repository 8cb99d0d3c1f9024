//! Getting outputs from where they are: a stack's directory, a file, or standard input.

use super::{contract::Contract, document, error::TerraformError};
use serde_json::Value;
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// A plan of a large stack is some megabytes; more than this is no plan. In bytes.
const SIZE_MAX: u64 = 64 * 1024 * 1024;

/// How long a program may take to answer: a remote state behind a slow line included.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// One environment that a stack describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Where it was read, for messages.
    pub from: String,
    /// What it says.
    pub contract: Contract,
    /// What its plan does not know before the apply, of what the configuration would hold.
    pub not_yet_known: Vec<String>,
}

/// Reads every source: a directory (`program output -json opsconsole` runs in it), a file, or `-`
/// for standard input. A file may hold several documents, one after another.
///
/// # Errors
/// The first source that cannot be read or has no whole output, and two of the same environment.
pub async fn read_all(sources: &[PathBuf], program: &Path) -> Result<Vec<Stack>, TerraformError> {
    let mut stacks: Vec<Stack> = Vec::new();
    for source in sources {
        let (from, text) = if source == Path::new("-") {
            let from = "standard input".to_owned();
            let text = read_to_end(&from, std::io::stdin()).await?;
            (from, text)
        } else if source.is_dir() {
            (source.display().to_string(), run(source, program).await?)
        } else {
            let from = source.display().to_string();
            let file = std::fs::File::open(source).map_err(|error| unreadable(&from, &error))?;
            let text = read_to_end(&from, file).await?;
            (from, text)
        };
        for stack in parse(&from, &text)? {
            let name = &stack.contract.environment;
            if let Some(twin) = stacks
                .iter()
                .find(|known| known.contract.environment == *name)
            {
                return Err(TerraformError::SameName {
                    name: name.clone(),
                    first: twin.from.clone(),
                    second: stack.from,
                });
            }
            stacks.push(stack);
        }
    }
    Ok(stacks)
}

/// The stacks in a text of one or more JSON documents.
pub(super) fn parse(from: &str, text: &str) -> Result<Vec<Stack>, TerraformError> {
    let mut stacks = Vec::new();
    let documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    for (index, value) in documents.enumerate() {
        let from = match index {
            0 => from.to_owned(),
            _ => format!("{from}, document {}", index + 1),
        };
        let value = value.map_err(|error| TerraformError::NotJson {
            from: from.clone(),
            cause: error.to_string(),
        })?;
        let found = document::find(&from, &value)?;
        stacks.push(Stack {
            from,
            contract: found.contract,
            not_yet_known: found.not_yet_known,
        });
    }
    if stacks.is_empty() {
        return Err(TerraformError::NotJson {
            from: from.to_owned(),
            cause: "it is empty".to_owned(),
        });
    }
    Ok(stacks)
}

/// Reads off the runtime's threads: standard input may keep one waiting for a person.
async fn read_to_end(
    from: &str,
    source: impl Read + Send + 'static,
) -> Result<String, TerraformError> {
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        let read = source.take(SIZE_MAX + 1).read_to_string(&mut text);
        read.map(|_| text)
    })
    .await
    .map_err(|error| unreadable(from, &error))?
    .map_err(|error| unreadable(from, &error))?;
    if text.len() as u64 > SIZE_MAX {
        let cause = format!("it is larger than {} MiB", SIZE_MAX / 1024 / 1024);
        return Err(unreadable(from, &cause));
    }
    Ok(text)
}

fn unreadable(from: &str, cause: &dyn std::fmt::Display) -> TerraformError {
    TerraformError::Unreadable {
        from: from.to_owned(),
        cause: cause.to_string(),
    }
}

/// What `program output -json opsconsole` prints in a directory. It reads the state, no more.
async fn run(directory: &Path, program: &Path) -> Result<String, TerraformError> {
    let no_program = |cause: String| TerraformError::NoProgram {
        program: program.to_owned(),
        directory: directory.to_owned(),
        cause,
    };
    let failed = |cause: String| TerraformError::ProgramFailed {
        program: program.to_owned(),
        directory: directory.to_owned(),
        cause,
    };
    let child = tokio::process::Command::new(program)
        .args(["output", "-json", "-no-color", "opsconsole"])
        .current_dir(directory)
        // It must neither ask nor greet.
        .env("TF_IN_AUTOMATION", "true")
        .env("TF_INPUT", "false")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| no_program(error.to_string()))?;
    let answer = tokio::time::timeout(ANSWER_WITHIN, child.wait_with_output())
        .await
        .map_err(|_| failed(format!("no answer within {} s", ANSWER_WITHIN.as_secs())))?
        .map_err(|error| no_program(error.to_string()))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        let said = said
            .split_whitespace()
            .filter(|word| !word.chars().all(|c| "│╷╵".contains(c)))
            .collect::<Vec<_>>()
            .join(" ");
        let said = said.trim_end_matches('.').to_owned();
        return Err(failed(if said.is_empty() {
            answer.status.to_string()
        } else {
            said
        }));
    }
    String::from_utf8(answer.stdout).map_err(|error| failed(error.to_string()))
}
