//! Releases in the registry, asked for by the deploy picker and the Releases screen.

use crate::{
    model::{EnvironmentName, Release, RolloutRecord},
    platform::PlatformError,
    tui::message::Generation,
};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleasesRequest {
    /// The registry's releases and the rollouts they had here.
    List(Generation, EnvironmentName),
}

/// What comes back.
#[derive(Debug)]
pub enum ReleasesReply {
    /// For [`ReleasesRequest::List`]: releases and rollouts, both newest first.
    List(Result<(Vec<Release>, Vec<RolloutRecord>), PlatformError>),
}
