//! Faults on request: throttling, latency, expired credentials and the other bad days that a
//! client must live through, injected where the request arrives.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::now_ms;

/// Faults that may be active at once.
const FAULTS_MAX: usize = 100;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The service's own throttling error.
    Throttle,
    /// The answer comes `value` milliseconds late.
    Latency,
    /// The credentials have expired.
    ExpiredCredentials,
    /// `percent` of log events become visible only after `value` milliseconds.
    LateEvents,
    /// No permission for the action.
    Deny,
    /// Before the matching action, somebody else updates the service `value` names.
    SecondWriter,
    /// The control plane drops every connection; tasks and the proxy go on.
    Blackout,
    /// `FilterLogEvents` gives an empty page with a token first.
    EmptyPages,
}

/// A fault as it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRequest {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Only for this service: `ecs`, `logs`, `ecr`, `elasticloadbalancing`, `cloudwatch`, `s3`,
    /// `sts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only for this action, such as `UpdateService`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// What the kind says: milliseconds, or the `UpdateService` of the second writer.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub value: serde_json::Value,
    /// How many of a hundred matching requests (or log events) are hit; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Over after this many hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Over after this many milliseconds; ten minutes when left out, so that a forgotten fault
    /// ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// A fault that is active.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveFault {
    /// To delete it by.
    pub id: u64,
    /// As it was asked for.
    #[serde(flatten)]
    pub request: FaultRequest,
    /// When it is over, in milliseconds since the epoch.
    pub until_ms: i64,
    /// How often it has hit.
    pub hits: u32,
    /// How often it could have hit.
    #[serde(skip)]
    seen: u64,
}

/// How long a fault lasts that does not say.
const DURATION_DEFAULT: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
struct Active {
    next_id: u64,
    faults: Vec<ActiveFault>,
}

/// The faults that are active.
#[derive(Debug, Default)]
pub struct Faults {
    active: Mutex<Active>,
}

impl Faults {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes something go wrong; the oldest fault ends when there are too many.
    pub fn add(&self, request: FaultRequest) -> ActiveFault {
        let mut active = self.lock();
        if active.faults.len() >= FAULTS_MAX {
            active.faults.remove(0);
        }
        active.next_id += 1;
        let duration_ms = request
            .duration_ms
            .map_or(DURATION_DEFAULT.as_millis() as i64, |ms| {
                i64::try_from(ms).unwrap_or(i64::MAX / 4)
            });
        let fault = ActiveFault {
            id: active.next_id,
            request,
            until_ms: now_ms().saturating_add(duration_ms),
            hits: 0,
            seen: 0,
        };
        active.faults.push(fault.clone());
        fault
    }

    /// The faults that are active now.
    pub fn list(&self) -> Vec<ActiveFault> {
        self.lock().faults.clone()
    }

    /// Ends all faults, or the one with this id; says how many ended.
    pub fn clear(&self, id: Option<u64>) -> usize {
        let mut active = self.lock();
        let before = active.faults.len();
        active
            .faults
            .retain(|fault| id.is_some_and(|id| fault.id != id));
        before - active.faults.len()
    }

    /// Whether a fault of this kind hits this request now; counts the hit.
    pub fn hit(&self, kind: FaultKind, service: &str, operation: &str) -> Option<ActiveFault> {
        let mut active = self.lock();
        let fault = active.faults.iter_mut().find(|fault| {
            let request = &fault.request;
            let matches = |wanted: &Option<String>, is: &str| {
                wanted.as_deref().is_none_or(|w| w.eq_ignore_ascii_case(is))
            };
            request.kind == kind
                && matches(&request.service, service)
                && matches(&request.operation, operation)
        })?;
        fault.seen += 1;
        let percent = u64::from(fault.request.percent.unwrap_or(100));
        if (fault.seen * 37) % 100 >= percent {
            return None;
        }
        fault.hits += 1;
        let hit = fault.clone();
        if fault.request.count.is_some_and(|count| fault.hits >= count) {
            active.faults.retain(|fault| fault.id != hit.id);
        }
        Some(hit)
    }

    fn lock(&self) -> MutexGuard<'_, Active> {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now_ms();
        active.faults.retain(|fault| fault.until_ms > now);
        active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(json: &str) -> FaultRequest {
        serde_json::from_str(json).expect("a fault")
    }

    #[test]
    fn a_fault_hits_what_it_names_as_often_as_it_says() {
        let faults = Faults::new();
        faults.add(throttle(
            r#"{"kind":"throttle","service":"ecs","operation":"DescribeServices","count":2}"#,
        ));
        let hit = |operation| faults.hit(FaultKind::Throttle, "ecs", operation).is_some();
        assert!(!hit("UpdateService"));
        assert!(
            faults
                .hit(FaultKind::Deny, "ecs", "DescribeServices")
                .is_none()
        );
        assert!(hit("DescribeServices"));
        assert!(hit("DescribeServices"));
        assert!(!hit("DescribeServices"), "two hits and it is over");
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_percentage_of_requests_is_hit_and_an_ended_fault_hits_none() {
        let faults = Faults::new();
        let fault = faults.add(throttle(r#"{"kind":"throttle","percent":30}"#));
        let hits = (0..1000)
            .filter(|_| faults.hit(FaultKind::Throttle, "logs", "X").is_some())
            .count();
        assert_eq!(hits, 300);
        assert_eq!(faults.clear(Some(fault.id)), 1);
        assert!(faults.hit(FaultKind::Throttle, "logs", "X").is_none());
        faults.add(throttle(r#"{"kind":"throttle","durationMs":0}"#));
        assert!(faults.list().is_empty(), "no time left");
    }
}
