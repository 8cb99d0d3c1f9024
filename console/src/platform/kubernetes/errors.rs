//! The API server's errors, sorted by what the operator can do about them.

use super::{session::Operation, wire_guard::RefusedAtWire};
use crate::platform::{PlatformError, text::clean};
use std::time::Duration;

/// Sorts an error of one call.
pub fn sort(
    operation: &Operation<'_>,
    error: kube::Error,
    server: &str,
    user: &str,
) -> PlatformError {
    let call = format!("{} {}", operation.verb, operation.resource);
    let what = format!("{} {}", operation.resource, operation.name);
    match error {
        kube::Error::Api(status) => {
            let message = clean(&status.message);
            match status.code {
                401 => PlatformError::Credentials {
                    cause: message,
                    remedy: format!("Log in again as {user}; the kubeconfig is then read anew"),
                },
                // A quota answers 403 too, and no permission helps against it.
                403 if message.contains("exceeded quota") => PlatformError::Invalid {
                    operation: call,
                    cause: message,
                },
                403 => PlatformError::Denied {
                    principal: user.to_owned(),
                    action: call,
                    resource: message,
                },
                404 => PlatformError::NotFound {
                    what: what.trim().to_owned(),
                    hint: Some(message),
                },
                409 => PlatformError::Conflict {
                    what,
                    change: message,
                },
                429 => PlatformError::Throttled {
                    operation: call,
                    retry_after: Duration::from_secs(1),
                },
                400..=499 => PlatformError::Invalid {
                    operation: call,
                    cause: message,
                },
                _ => PlatformError::Other {
                    operation: call,
                    cause: message,
                },
            }
        }
        kube::Error::Auth(error) => PlatformError::Credentials {
            cause: clean(&error.to_string()),
            remedy: format!("Log in again as {user}; the kubeconfig is then read anew"),
        },
        kube::Error::SerdeError(error) => PlatformError::Other {
            operation: call,
            cause: format!("the answer cannot be read ({error})"),
        },
        error if refused(&error).is_some() => PlatformError::NotPermitted {
            operation: refused(&error).unwrap_or(call),
        },
        error => PlatformError::Unreachable {
            endpoint: server.to_owned(),
            cause: deepest(&error),
        },
    }
}

/// What our own guard refused to send.
fn refused(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<RefusedAtWire>() {
            return Some(refused.operation.clone());
        }
        cause = error.source();
    }
    None
}

/// The innermost cause says what happened; the outer ones only that something did.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    clean(&cause.to_string())
}
