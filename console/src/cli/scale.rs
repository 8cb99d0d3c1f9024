//! `opsconsole scale`: changes how many tasks are wanted.

use super::{ChangeArgs, Failure, Global, change::change};
use crate::model::Action;
use clap::Args;

/// Arguments of `scale`.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// How many tasks to run.
    #[arg(value_name = "TASKS")]
    desired: u32,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Scales it.
pub async fn run(global: &Global, args: ScaleArgs) -> Result<u8, Failure> {
    change(
        global,
        &args.change,
        Action::Scale {
            desired: args.desired,
        },
    )
    .await
}
