//! `opsconsole restart`: replaces every task with a fresh one of the same revision.

use super::{ChangeArgs, Failure, Global, change::change};
use crate::model::Action;
use clap::Args;

/// Arguments of `restart`.
#[derive(Debug, Args)]
pub struct RestartArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Restarts it (ECS: a new deployment is forced).
pub async fn run(global: &Global, args: RestartArgs) -> Result<u8, Failure> {
    change(global, &args.change, Action::Restart).await
}
