//! What can go wrong between us and a platform, sorted by what the operator can do about it.

use std::time::Duration;

/// A call to a platform that failed. The text says what happened, to what, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Nobody answered.
    #[error(
        "cannot reach {endpoint}: {cause}. Check the network and the endpoint; nothing was changed"
    )]
    Unreachable {
        /// What was called.
        endpoint: String,
        /// Why, as far as is known.
        cause: String,
    },
    /// The credentials are missing, wrong or have expired.
    #[error("the credentials are not accepted ({cause}). {remedy}")]
    Credentials {
        /// The platform's words.
        cause: String,
        /// The command to log in again.
        remedy: String,
    },
    /// The credentials are good but do not allow it.
    #[error(
        "{principal} may not {action} on {resource}. Ask for that permission, or use another role"
    )]
    Denied {
        /// Who.
        principal: String,
        /// The permission that is missing, as IAM spells it.
        action: String,
        /// On what.
        resource: String,
    },
    /// Too many calls; tried again already.
    #[error("the platform throttles {operation}; trying again in {} ms", retry_after.as_millis())]
    Throttled {
        /// Which call.
        operation: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// What was asked for does not exist.
    #[error("{what} does not exist{}", hint.as_ref().map(|hint| format!(". {hint}")).unwrap_or_default())]
    NotFound {
        /// What.
        what: String,
        /// Where to look, or the nearest name.
        hint: Option<String>,
    },
    /// The world changed between plan and execution, or somebody else holds what we need.
    #[error(
        "{what} changed meanwhile: {change}. Nothing was done; look at the new state and plan again"
    )]
    Conflict {
        /// What.
        what: String,
        /// How.
        change: String,
    },
    /// A reading client was asked to send a mutating call: a defect of opsconsole, stopped at the wire.
    #[error(
        "{operation} changes things and was called without a permit; it was not sent. This is a defect of opsconsole"
    )]
    NotPermitted {
        /// Which call.
        operation: String,
    },
    /// The platform refuses the request as it is.
    #[error("{operation} was refused: {cause}")]
    Invalid {
        /// Which call.
        operation: String,
        /// The platform's words.
        cause: String,
    },
    /// Anything else the platform answered.
    #[error("{operation} failed: {cause}")]
    Other {
        /// Which call.
        operation: String,
        /// The platform's words.
        cause: String,
    },
}

impl PlatformError {
    /// True when trying again later may help without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Throttled { .. } | Self::Other { .. }
        )
    }
}
