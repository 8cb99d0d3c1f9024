//! `opsconsole rollback`: goes back to the last known-good revision, or to the one given.

use super::{ChangeArgs, Failure, Global, change::change};
use crate::model::{Action, RevisionId};
use clap::Args;

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The revision to go to, such as api-prod:7, instead of the last known-good.
    #[arg(long, value_name = "REVISION")]
    to: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Rolls back. While a rollout is in flight, that one is stopped and taken back.
pub async fn run(global: &Global, args: RollbackArgs) -> Result<u8, Failure> {
    change(
        global,
        &args.change,
        Action::Rollback {
            to: args.to.map(RevisionId::new),
        },
    )
    .await
}
