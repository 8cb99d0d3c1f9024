//! Why a stack's output cannot be used, and what to do about it.

use std::path::PathBuf;

/// Why a stack's output cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TerraformError {
    /// The file or standard input.
    #[error(
        "cannot read {from}: {cause}. Give a stack's directory, a file that `terraform output -json` or `terraform show -json` wrote, or `-` for standard input"
    )]
    Unreadable {
        /// Where from.
        from: String,
        /// Why.
        cause: String,
    },
    /// The program cannot be started.
    #[error(
        "cannot run {} in {}: {cause}. Install it, name another with --terraform, or give the file that `terraform output -json` wrote elsewhere", program.display(), directory.display()
    )]
    NoProgram {
        /// Which.
        program: PathBuf,
        /// Where.
        directory: PathBuf,
        /// Why.
        cause: String,
    },
    /// The program ran and did not answer.
    #[error(
        "`{} output -json opsconsole` failed in {}: {cause}. Has the stack been applied, and does it have the output `opsconsole`?", program.display(), directory.display()
    )]
    ProgramFailed {
        /// Which.
        program: PathBuf,
        /// Where.
        directory: PathBuf,
        /// What it said.
        cause: String,
    },
    /// Not JSON.
    #[error(
        "{from} is not JSON: {cause}. It must be what `terraform output -json` or `terraform show -json` prints; a saved plan is read with `terraform show -json PLAN`"
    )]
    NotJson {
        /// Where from.
        from: String,
        /// What is wrong.
        cause: String,
    },
    /// JSON without the output.
    #[error("{from} has no output `opsconsole`: {cause}")]
    NoOutput {
        /// Where from.
        from: String,
        /// What it is instead, and what to do.
        cause: String,
    },
    /// A plan that cannot know yet.
    #[error(
        "{from}: the plan does not know `{key}` yet. Apply it, then read `terraform output -json`"
    )]
    NotYetKnown {
        /// Where from.
        from: String,
        /// What it does not know.
        key: String,
    },
    /// Another version.
    #[error(
        "{from} speaks version {version} of the contract; this console reads 1.x. Use the opsconsole that came with the stack, or a stack of this version"
    )]
    Version {
        /// Where from.
        from: String,
        /// Its version.
        version: String,
    },
    /// A part that is missing or has another shape.
    #[error(
        "{from}: `{path}` {cause}. The shape is in docs/reference/terraform-contract.schema.json"
    )]
    Shape {
        /// Where from.
        from: String,
        /// Which part: `bill.lines[3].quantity`.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Two stacks of one environment.
    #[error(
        "there are two environments `{name}`: one from {first}, one from {second}. Give each stack its own `environment`, or keep them in two files with --config"
    )]
    SameName {
        /// The name.
        name: String,
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
}
