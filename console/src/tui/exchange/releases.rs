//! Releases in the registry, asked for by the deploy picker and the Releases screen.

use crate::{
    model::{EnvironmentName, Release, RolloutRecord},
    platform::{Connections, PlatformError},
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

/// Runs a request.
pub async fn answer(
    request: ReleasesRequest,
    connections: &Connections,
) -> (Generation, ReleasesReply) {
    let ReleasesRequest::List(generation, name) = request;
    let list = async {
        let platform = connections.connect(&name).await?.platform;
        let (releases, rollouts) = tokio::join!(platform.releases(), platform.rollouts());
        Ok((releases?, rollouts?))
    };
    (generation, ReleasesReply::List(list.await))
}
