//! Who did something, and from where.

use serde::{Deserialize, Serialize};

/// The person or pipeline behind a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The login name, or what the pipeline calls itself.
    pub name: String,
    /// The machine or the pipeline run it was done from.
    pub host: Option<String>,
}

/// Whom the platform takes us for (STS `GetCallerIdentity`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The twelve-digit AWS account; `None` where the platform has no accounts.
    pub account: Option<String>,
    /// The principal: an ARN or a Kubernetes user.
    pub principal: String,
}
