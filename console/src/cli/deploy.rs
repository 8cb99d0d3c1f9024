//! `opsconsole deploy`: brings a release live and watches until it, and nothing else, has won.

use super::{ChangeArgs, Failure, Global, change::change_or_go_back};
use crate::model::{Action, ReleaseRef};
use clap::Args;

/// Arguments of `deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The release: a tag such as 1.5.0, or sha256:….
    release: String,
    /// Goes back to the last known-good revision when the rollout fails, where the platform does
    /// not do so by itself; ends with code 3 then.
    #[arg(long, conflicts_with = "no_wait")]
    rollback_on_failure: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Deploys it.
pub async fn run(global: &Global, args: DeployArgs) -> Result<u8, Failure> {
    let release = ReleaseRef::typed(args.release);
    let action = Action::Deploy { release };
    change_or_go_back(global, &args.change, action, args.rollback_on_failure).await
}
