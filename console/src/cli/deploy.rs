//! `opsconsole deploy`: brings a release live and watches until it, and nothing else, has won.

use super::{ChangeArgs, Failure, Global, change::change};
use crate::model::{Action, ReleaseDigest, ReleaseRef};
use clap::Args;

/// Arguments of `deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The release: a tag such as 1.5.0, or sha256:….
    release: String,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Deploys it.
pub async fn run(global: &Global, args: DeployArgs) -> Result<u8, Failure> {
    let release = if args.release.starts_with("sha256:") {
        ReleaseRef::Digest(ReleaseDigest::new(args.release))
    } else {
        ReleaseRef::Tag(args.release)
    };
    change(global, &args.change, Action::Deploy { release }).await
}
