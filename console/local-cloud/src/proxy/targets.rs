//! The targets of one target group: registered, probed, picked for requests, drained.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How targets are probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The path asked for.
    pub path: String,
    /// Time between probes.
    pub interval_ms: u64,
    /// Time after which a probe has failed.
    pub timeout_ms: u64,
    /// Successes in a row that make an unhealthy target healthy.
    pub healthy_threshold: u32,
    /// Failures in a row that make a target unhealthy.
    pub unhealthy_threshold: u32,
}

/// `TargetHealth.State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// Registered, not yet known.
    Initial,
    /// Gets requests.
    Healthy,
    /// Failed its probes.
    Unhealthy,
    /// Was deregistered; finishes what it has.
    Draining,
}

/// One target.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// What the probes say.
    pub state: HealthState,
    /// `TargetHealth.Reason`, such as `Target.ResponseCodeMismatch`.
    pub reason: Option<&'static str>,
    /// `TargetHealth.Description`.
    pub description: Option<String>,
    successes: u32,
    failures: u32,
    busy: Arc<AtomicUsize>,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Probe {
    Passed,
    Mismatch(u16),
    Timeout,
    Refused,
}

/// A target picked for a request; it is busy while this lives.
#[derive(Debug)]
pub struct Picked {
    /// Its port on 127.0.0.1.
    pub port: u16,
    busy: Arc<AtomicUsize>,
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The targets of one target group.
#[derive(Debug)]
pub struct TargetGroupTargets {
    check: HealthCheck,
    targets: Mutex<Vec<Target>>,
    next: AtomicUsize,
    /// Told when a target becomes healthy or unhealthy.
    changed: Arc<Notify>,
}

impl TargetGroupTargets {
    /// None yet.
    pub fn new(check: HealthCheck, changed: Arc<Notify>) -> Self {
        Self {
            check,
            targets: Mutex::default(),
            next: AtomicUsize::new(0),
            changed,
        }
    }

    /// How they are probed.
    pub fn check(&self) -> &HealthCheck {
        &self.check
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Target>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a target and probes it from now on.
    pub fn register(self: &Arc<Self>, port: u16, client: super::HttpClient) {
        let mut targets = self.lock();
        targets.retain(|t| t.port != port);
        targets.push(Target {
            port,
            state: HealthState::Initial,
            reason: Some("Elb.RegistrationInProgress"),
            description: Some("Target registration is in progress".to_owned()),
            successes: 0,
            failures: 0,
            busy: Arc::default(),
        });
        drop(targets);
        tokio::spawn(super::health::probe_forever(self.clone(), port, client));
    }

    /// All targets now.
    pub fn all(&self) -> Vec<Target> {
        self.lock().clone()
    }

    /// One target now.
    pub fn get(&self, port: u16) -> Option<Target> {
        self.lock().iter().find(|t| t.port == port).cloned()
    }

    /// Gives a target no new requests and returns when it has answered those it has, or after
    /// `delay`; then it is gone.
    pub async fn deregister(&self, port: u16, delay: Duration) {
        let busy = {
            let mut targets = self.lock();
            let Some(target) = targets.iter_mut().find(|t| t.port == port) else {
                return;
            };
            target.state = HealthState::Draining;
            target.reason = Some("Target.DeregistrationInProgress");
            target.description = Some("Target deregistration is in progress".to_owned());
            target.busy.clone()
        };
        let deadline = Instant::now() + delay;
        while busy.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.remove(port);
    }

    /// Takes a target out at once: its process is gone.
    pub fn remove(&self, port: u16) {
        self.lock().retain(|t| t.port != port);
    }

    /// The next healthy target that was not tried yet. When none is healthy, the unhealthy ones
    /// get the requests: a load balancer fails open.
    pub fn pick(&self, tried: &[u16]) -> Option<Picked> {
        let targets = self.lock();
        let of = |state| {
            targets
                .iter()
                .filter(|t| t.state == state && !tried.contains(&t.port))
                .collect::<Vec<_>>()
        };
        let mut candidates = of(HealthState::Healthy);
        if candidates.is_empty() && !targets.iter().any(|t| t.state == HealthState::Healthy) {
            candidates = of(HealthState::Unhealthy);
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed) % candidates.len().max(1);
        let target = candidates.get(index)?;
        // Under the lock, so that a target that begins to drain is seen as busy.
        target.busy.fetch_add(1, Ordering::AcqRel);
        Some(Picked {
            port: target.port,
            busy: target.busy.clone(),
        })
    }

    /// How many are healthy and how many are not.
    pub fn host_counts(&self) -> (usize, usize) {
        let targets = self.lock();
        let of = |state| targets.iter().filter(|t| t.state == state).count();
        (of(HealthState::Healthy), of(HealthState::Unhealthy))
    }

    /// Takes a probe into account; false when the target need not be probed any more.
    pub(super) fn note(&self, port: u16, probe: &Probe) -> bool {
        let mut targets = self.lock();
        let Some(target) = targets.iter_mut().find(|t| t.port == port) else {
            return false;
        };
        if target.state == HealthState::Draining {
            return false;
        }
        let before = target.state;
        target.apply(probe, &self.check);
        if target.state != before {
            self.changed.notify_one();
        }
        true
    }
}

impl Target {
    /// A new target is healthy after its first success; one that was unhealthy needs as many as
    /// the threshold says.
    fn apply(&mut self, probe: &Probe, check: &HealthCheck) {
        if *probe == Probe::Passed {
            self.failures = 0;
            self.successes += 1;
            let needed = if self.state == HealthState::Initial {
                1
            } else {
                check.healthy_threshold
            };
            if self.state != HealthState::Healthy && self.successes >= needed {
                self.state = HealthState::Healthy;
                self.reason = None;
                self.description = None;
            }
            return;
        }
        self.successes = 0;
        self.failures += 1;
        if self.failures < check.unhealthy_threshold {
            return;
        }
        self.state = HealthState::Unhealthy;
        let (reason, description) = match probe {
            Probe::Mismatch(code) => (
                "Target.ResponseCodeMismatch",
                format!("Health checks failed with these codes: [{code}]"),
            ),
            Probe::Timeout => ("Target.Timeout", "Request timed out".to_owned()),
            _ => (
                "Target.FailedHealthChecks",
                "Health checks failed".to_owned(),
            ),
        };
        self.reason = Some(reason);
        self.description = Some(description);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> HealthCheck {
        HealthCheck {
            path: "/readyz".into(),
            interval_ms: 1000,
            timeout_ms: 500,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
        }
    }

    fn group(states: &[(u16, HealthState)]) -> TargetGroupTargets {
        let group = TargetGroupTargets::new(check(), Arc::default());
        for (port, state) in states {
            group.lock().push(Target {
                port: *port,
                state: *state,
                reason: None,
                description: None,
                successes: 0,
                failures: 0,
                busy: Arc::default(),
            });
        }
        group
    }

    #[test]
    fn only_healthy_targets_get_requests_in_turn() {
        let group = group(&[
            (1, HealthState::Healthy),
            (2, HealthState::Initial),
            (3, HealthState::Healthy),
            (4, HealthState::Draining),
            (5, HealthState::Unhealthy),
        ]);
        let mut ports: Vec<u16> = (0..4)
            .filter_map(|_| group.pick(&[]))
            .map(|p| p.port)
            .collect();
        ports.sort_unstable();
        assert_eq!(ports, [1, 1, 3, 3]);
        assert_eq!(group.pick(&[1]).map(|p| p.port), Some(3));
        assert!(
            group.pick(&[1, 3]).is_none(),
            "an unhealthy one is no second choice"
        );
    }

    #[test]
    fn with_no_healthy_target_the_balancer_fails_open() {
        let group = group(&[(5, HealthState::Unhealthy), (2, HealthState::Initial)]);
        assert_eq!(group.pick(&[]).map(|p| p.port), Some(5));
        assert!(group.pick(&[5]).is_none());
    }

    #[test]
    fn thresholds_count_in_a_row() {
        let group = group(&[(1, HealthState::Initial)]);
        let state = || group.get(1).map(|t| t.state);
        group.note(1, &Probe::Passed);
        assert_eq!(
            state(),
            Some(HealthState::Healthy),
            "the first success is enough"
        );
        group.note(1, &Probe::Mismatch(503));
        group.note(1, &Probe::Passed);
        group.note(1, &Probe::Mismatch(503));
        assert_eq!(state(), Some(HealthState::Healthy), "not two in a row");
        group.note(1, &Probe::Mismatch(503));
        assert_eq!(state(), Some(HealthState::Unhealthy));
        let found = group.get(1).expect("the target");
        assert_eq!(found.reason, Some("Target.ResponseCodeMismatch"));
        group.note(1, &Probe::Passed);
        assert_eq!(
            state(),
            Some(HealthState::Unhealthy),
            "one success is not enough"
        );
        group.note(1, &Probe::Passed);
        assert_eq!(state(), Some(HealthState::Healthy));
    }

    #[tokio::test]
    async fn a_draining_target_stays_until_its_last_answer() {
        let group = Arc::new(group(&[(1, HealthState::Healthy)]));
        let picked = group.pick(&[]).expect("a target");
        let draining = {
            let group = group.clone();
            tokio::spawn(async move { group.deregister(1, Duration::from_secs(30)).await })
        };
        while group
            .get(1)
            .is_some_and(|t| t.state != HealthState::Draining)
        {
            tokio::task::yield_now().await;
        }
        assert!(group.pick(&[]).is_none(), "nothing new");
        assert!(group.get(1).is_some());
        drop(picked);
        draining.await.expect("drained");
        assert!(group.get(1).is_none());
    }
}
