//! What a change amounts to while a platform makes it ready, and how it is carried from there to
//! its execution.

use super::PlatformError;
use crate::model::{Blocker, DocumentDiff};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A change before cost: `R` is what will be sent, `A` what would run after it.
pub struct Draft<R, A> {
    /// What will be sent.
    pub request: R,
    /// What it changes in the definition.
    pub diff: DocumentDiff,
    /// What is in the way.
    pub blockers: Vec<Blocker>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Why it takes a reason.
    pub break_glass: Option<String>,
    /// What would run after it, for the bill, and how many of it.
    pub after: Option<(A, u32)>,
}

impl<R, A> Draft<R, A> {
    /// One that changes nothing in the definition.
    pub fn new(request: R) -> Self {
        Self {
            request,
            diff: DocumentDiff::default(),
            blockers: Vec::new(),
            warnings: Vec::new(),
            break_glass: None,
            after: None,
        }
    }

    /// Adds something that is in the way, and what to do about it.
    pub fn block(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.blockers.push(Blocker {
            what: what.into(),
            remedy: remedy.into(),
        });
    }
}

/// A platform's request for [`Prepared::request`](crate::model::Prepared::request).
pub fn pack(request: &impl Serialize) -> Value {
    serde_json::to_value(request).unwrap_or_default()
}

/// A platform's request from [`Prepared::request`](crate::model::Prepared::request).
///
/// # Errors
/// A conflict where it is not there any more: plans outlive their requests in the audit.
pub fn unpack<R: DeserializeOwned>(request: &Value) -> Result<R, PlatformError> {
    serde_json::from_value(request.clone()).map_err(|_| PlatformError::Conflict {
        what: "the plan".to_owned(),
        change: "its request is gone (plans are not kept beyond the run that made them)".to_owned(),
    })
}
