//! What passes from prepare to execute to progress.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A change as it will be sent. Opaque to everyone else; may hold secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Request {
    /// Patch the pod template.
    Template {
        /// A strategic merge patch of the template, or the merge patch of an older one.
        patch: Value,
        /// True for a strategic merge patch.
        strategic: bool,
        /// The template's fingerprint after it; for a restart it is known only when it is sent.
        fingerprint: Option<String>,
        /// Our annotations; `None` takes one away.
        annotations: BTreeMap<String, Option<String>>,
        /// The ReplicaSet that it goes to, where there is one already.
        revision: Option<String>,
        /// True when a rollout in flight is stopped by it.
        back: bool,
    },
    /// Roll a Helm release back.
    Helm {
        /// The release.
        release: String,
        /// Its revision to go to.
        helm_revision: u32,
        /// The template's fingerprint that is expected of it.
        fingerprint: String,
        /// The ReplicaSet that it goes to.
        revision: String,
        /// True when a rollout in flight is stopped by it.
        back: bool,
    },
    /// Change the replicas.
    Scale {
        /// To how many.
        desired: u32,
    },
    /// Delete a pod.
    StopPod {
        /// Its name.
        name: String,
        /// Its uid: a pod of the same name may be another.
        uid: String,
    },
}

/// What the Deployment looked like when the change was prepared. Its resourceVersion would change
/// with every status; the generation changes with the spec only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precondition {
    /// Of the Deployment: another one of that name is another.
    pub uid: String,
    /// Of its template.
    pub fingerprint: String,
    /// Only where the change is about it: an autoscaler may move it at any time.
    pub desired: Option<u32>,
}

/// How our change is found again. Written into the audit record as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Handle {
    /// A rollout.
    Rollout {
        /// The spec's number that our patch made.
        generation: i64,
        /// The template that we sent.
        fingerprint: String,
        /// True when it stops another rollout: its success is that one's end.
        back: bool,
    },
    /// A rollback by helm.
    Helm {
        /// The release.
        release: String,
        /// The revision that helm makes; `None` where its record cannot be seen.
        helm_revision: Option<u32>,
        /// The one that it goes back to.
        to: u32,
        /// The template that is expected of it.
        fingerprint: String,
        /// True when it stops another rollout: its success is that one's end.
        back: bool,
    },
    /// The replicas.
    Scale,
    /// A pod that was deleted.
    StopPod {
        /// Which.
        uid: String,
    },
}

impl Handle {
    /// As a ticket carries it.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As a ticket carries it.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
