//! Probes one target until it is deregistered.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use tokio::time::MissedTickBehavior;

use super::HttpClient;
use super::targets::{Probe, TargetGroupTargets};

/// How often a new target is probed until its first answer: registering takes a moment, and
/// waiting a whole interval for the first success would only make rollouts slower.
const FIRST_PROBES: Duration = Duration::from_millis(200);

/// Failures are counted at the configured interval only; the quick first probes can only find
/// that a target is healthy already.
pub(super) async fn probe_forever(group: Arc<TargetGroupTargets>, port: u16, client: HttpClient) {
    let interval = Duration::from_millis(group.check().interval_ms.max(10));
    let mut due = tokio::time::interval(interval.min(FIRST_PROBES));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counted = tokio::time::Instant::now();
    loop {
        due.tick().await;
        let Some(target) = group.get(port) else {
            return;
        };
        let settled = target.state != super::HealthState::Initial;
        let is_counted = counted.elapsed() >= interval;
        if settled && !is_counted {
            continue;
        }
        let found = probe(&group, port, &client).await;
        if found != Probe::Passed && !is_counted {
            continue;
        }
        counted = tokio::time::Instant::now();
        if !group.note(port, &found) {
            return;
        }
    }
}

async fn probe(group: &TargetGroupTargets, port: u16, client: &HttpClient) -> Probe {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let uri = format!("http://{address}{}", group.check().path);
    let request = Request::builder()
        .uri(uri)
        .header("user-agent", "ELB-HealthChecker/2.0")
        .body(Full::new(Bytes::new()));
    let Ok(request) = request else {
        return Probe::Refused;
    };
    let timeout = Duration::from_millis(group.check().timeout_ms.max(10));
    let asked = tokio::time::timeout(timeout, async {
        let answer = client.request(request).await?;
        let status = answer.status();
        // To the end, so that the connection can be used again.
        let _ = answer.into_body().collect().await;
        Ok::<_, hyper_util::client::legacy::Error>(status)
    });
    match asked.await {
        Ok(Ok(status)) if status.is_success() => Probe::Passed,
        Ok(Ok(status)) => Probe::Mismatch(status.as_u16()),
        Ok(Err(_)) => Probe::Refused,
        Err(_) => Probe::Timeout,
    }
}
