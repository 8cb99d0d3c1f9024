//! `opsconsole promote`: brings live what another environment runs, by digest.

use super::{ChangeArgs, Failure, Global, change::change_or_go_back};
use crate::model::{Action, EnvironmentName};
use clap::Args;

/// Arguments of `promote`.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// The environment to take the release from.
    #[arg(long, value_name = "NAME")]
    from: String,
    /// Goes back to the last known-good revision when the rollout fails, where the platform does
    /// not do so by itself; ends with code 3 then.
    #[arg(long, conflicts_with = "no_wait")]
    rollback_on_failure: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Promotes it.
pub async fn run(global: &Global, args: PromoteArgs) -> Result<u8, Failure> {
    let action = Action::Promote {
        from: EnvironmentName::new(args.from),
    };
    change_or_go_back(global, &args.change, action, args.rollback_on_failure).await
}
