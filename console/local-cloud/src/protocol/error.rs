//! The error that a service answers with, before a protocol gives it its shape.

use std::borrow::Cow;
use std::fmt;

/// Whose mistake it was; the query protocols say `Sender` or `Receiver`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request cannot succeed as it is.
    Client,
    /// The service failed; the same request may succeed later.
    Server,
}

/// An error as AWS services give it: a code that clients match on, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// The name of the error in the service's model, such as `ClusterNotFoundException`.
    pub code: Cow<'static, str>,
    /// What happened, worded as the service words it.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Whose mistake it was.
    pub fault: Fault,
}

impl AwsError {
    /// A mistake of the caller: status 400, which is what the JSON and query protocols use for
    /// nearly all of them.
    pub fn client(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: 400,
            fault: Fault::Client,
        }
    }

    /// A failure of the service: status 500.
    pub fn server(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: 500,
            fault: Fault::Server,
        }
    }

    /// The same error with another HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// How the JSON services answer an action that they do not have.
    pub fn unknown_operation(action: &str) -> Self {
        Self::client(
            "UnknownOperationException",
            format!("The requested operation is not recognized by the service: {action}"),
        )
    }

    /// How the query services answer an action that they do not have.
    pub fn invalid_action(action: &str, version: &str) -> Self {
        Self::client(
            "InvalidAction",
            format!("Could not find operation {action} for version {version}"),
        )
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AwsError {}
