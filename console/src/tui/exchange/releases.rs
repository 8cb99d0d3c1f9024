//! Releases in the registry, asked for by the deploy picker and the Releases screen.

use crate::{
    model::{DocumentDiff, EnvironmentName, Release, RevisionId, RolloutRecord, document_diff},
    platform::{Connections, PlatformError},
    tui::message::Generation,
};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleasesRequest {
    /// The registry's releases and the rollouts they had here.
    List(Generation, EnvironmentName),
    /// How two revisions differ.
    Diff {
        /// Whose.
        generation: Generation,
        /// Where.
        environment: EnvironmentName,
        /// The one that is compared with.
        from: RevisionId,
        /// The one that is compared.
        to: RevisionId,
    },
}

/// What comes back.
#[derive(Debug)]
pub enum ReleasesReply {
    /// For [`ReleasesRequest::List`]: releases and rollouts, both newest first.
    List(Result<(Vec<Release>, Vec<RolloutRecord>), PlatformError>),
    /// For [`ReleasesRequest::Diff`], masked.
    Diff(Result<DocumentDiff, PlatformError>),
}

/// Runs a request.
pub async fn answer(
    request: ReleasesRequest,
    connections: &Connections,
) -> (Generation, ReleasesReply) {
    match request {
        ReleasesRequest::List(generation, name) => {
            let list = async {
                let platform = connections.connect(&name).await?.platform;
                let (releases, rollouts) =
                    futures::future::try_join(platform.releases(), platform.rollouts()).await?;
                Ok((releases, rollouts))
            };
            (generation, ReleasesReply::List(list.await))
        }
        ReleasesRequest::Diff {
            generation,
            environment,
            from,
            to,
        } => {
            let diff = async {
                let platform = connections.connect(&environment).await?.platform;
                let (from, to) =
                    futures::future::try_join(platform.revision(&from), platform.revision(&to))
                        .await?;
                Ok(document_diff(&from.document, &to.document))
            };
            (generation, ReleasesReply::Diff(diff.await))
        }
    }
}
