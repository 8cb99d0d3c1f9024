//! What opsconsole writes on a Deployment, and reads back from its ReplicaSets.
//!
//! The Deployment controller copies a Deployment's annotations to the ReplicaSet that it makes.
//! It goes on doing so after somebody else's change, so what we wrote is believed only where the
//! template is still the one that we wrote it for.

use crate::{model::Author, platform::ChangeNote};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Read by `kubectl rollout history`.
pub const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
const AUTHOR: &str = "opsconsole.io/author";
const HOST: &str = "opsconsole.io/host";
const REASON: &str = "opsconsole.io/reason";
/// The run that sent the change.
pub const RUN: &str = "opsconsole.io/run";
const SENT_AT: &str = "opsconsole.io/sent-at";
const TEMPLATE: &str = "opsconsole.io/template";
/// Set on the template by a restart, as `kubectl rollout restart` does.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// What we wrote about one template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who.
    pub author: Author,
    /// Why.
    pub reason: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// When.
    pub sent_at: Option<Timestamp>,
}

/// The annotations of a change; the run's and the time's are added when it is sent. `None` takes
/// away what an earlier change left.
pub fn of_change(
    note: &ChangeNote,
    cause: &str,
    fingerprint: &str,
) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([
        (AUTHOR.to_owned(), Some(note.author.name.clone())),
        (HOST.to_owned(), note.author.host.clone()),
        (REASON.to_owned(), note.reason.clone()),
        (TEMPLATE.to_owned(), Some(fingerprint.to_owned())),
        (
            CHANGE_CAUSE.to_owned(),
            Some(match &note.reason {
                Some(reason) => {
                    format!("opsconsole: {cause}, by {} ({reason})", note.author.name)
                }
                None => format!("opsconsole: {cause}, by {}", note.author.name),
            }),
        ),
    ])
}

/// The annotations known only when the change is sent.
pub fn of_sending(run: &str, at: Timestamp) -> [(String, Option<String>); 2] {
    [
        (RUN.to_owned(), Some(run.to_owned())),
        (SENT_AT.to_owned(), Some(at.to_string())),
    ]
}

/// What we wrote about the template with that fingerprint.
pub fn mark_of(annotations: Option<&BTreeMap<String, String>>, fingerprint: &str) -> Option<Mark> {
    let annotations = annotations?;
    if annotations.get(TEMPLATE)? != fingerprint {
        return None;
    }
    Some(Mark {
        author: Author {
            name: annotations.get(AUTHOR)?.clone(),
            host: annotations.get(HOST).cloned(),
        },
        reason: annotations.get(REASON).cloned(),
        run: annotations.get(RUN).cloned(),
        sent_at: annotations.get(SENT_AT).and_then(|text| text.parse().ok()),
    })
}
