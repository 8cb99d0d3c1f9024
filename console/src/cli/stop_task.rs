//! `opsconsole stop-task`: stops one task; the platform starts another.

use super::{ChangeArgs, Failure, Global, change::change};
use crate::model::{Action, InstanceId};
use clap::Args;

/// Arguments of `stop-task`.
#[derive(Debug, Args)]
pub struct StopTaskArgs {
    /// The task's id, as `opsconsole status` shows it.
    #[arg(value_name = "TASK")]
    task: String,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Stops it.
pub async fn run(global: &Global, args: StopTaskArgs) -> Result<u8, Failure> {
    change(
        global,
        &args.change,
        Action::StopInstance {
            instance: InstanceId::new(args.task),
        },
    )
    .await
}
