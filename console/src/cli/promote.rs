//! `opsconsole promote`: brings live what another environment runs, by digest.

use super::{ChangeArgs, Failure, Global, change::change};
use crate::model::{Action, EnvironmentName};
use clap::Args;

/// Arguments of `promote`.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// The environment to take the release from.
    #[arg(long, value_name = "NAME")]
    from: String,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Promotes it.
pub async fn run(global: &Global, args: PromoteArgs) -> Result<u8, Failure> {
    change(
        global,
        &args.change,
        Action::Promote {
            from: EnvironmentName::new(args.from),
        },
    )
    .await
}
