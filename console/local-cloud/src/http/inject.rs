//! Faults, where a signed request meets them: before the service sees it.

use std::time::Duration;

use serde_json::{Value, json};

use super::Wire;
use super::answer;
use super::call::{Call, Protocol, Service};
use crate::ecs;
use crate::faults::FaultKind;
use crate::protocol::{ACCOUNT, AwsError};
use crate::sigv4::{AccessKey, Refusal};

/// The longest latency that a fault may add to a request.
const LATENCY_MS_MAX: u64 = 120_000;

/// Lets the faults that match have their way.
///
/// # Errors
/// The error that a fault gives instead of an answer.
pub async fn before(wire: &Wire, call: &Call, key: &AccessKey) -> Result<(), AwsError> {
    let hit = |kind| {
        wire.cloud
            .faults
            .hit(kind, call.service.as_str(), &call.action)
    };
    if let Some(fault) = hit(FaultKind::Latency) {
        let ms = fault.request.value.as_u64().unwrap_or(1_000);
        tokio::time::sleep(Duration::from_millis(ms.min(LATENCY_MS_MAX))).await;
    }
    if hit(FaultKind::ExpiredCredentials).is_some() {
        return Err(answer::refusal(call, &Refusal::Expired));
    }
    if hit(FaultKind::Deny).is_some() {
        return Err(denied(wire, call, key));
    }
    if hit(FaultKind::Throttle).is_some() {
        return Err(throttled(call));
    }
    if let Some(fault) = hit(FaultKind::SecondWriter) {
        second_writer(wire, &fault.request.value).await;
    }
    Ok(())
}

fn throttled(call: &Call) -> AwsError {
    match (call.protocol, call.service) {
        (Protocol::Rest, _) => {
            AwsError::server("SlowDown", "Please reduce your request rate.").with_status(503)
        }
        (_, Service::Elb | Service::Sts | Service::CloudWatch) => {
            AwsError::client("Throttling", "Rate exceeded")
        }
        _ => AwsError::client("ThrottlingException", "Rate exceeded"),
    }
}

fn denied(wire: &Wire, call: &Call, key: &AccessKey) -> AwsError {
    let who = wire.sessions.arn(&key.id);
    let message = format!(
        "User: {who} is not authorized to perform: {}:{} on resource: * because no identity-based policy allows the {0}:{1} action",
        call.service.as_str(),
        call.action
    );
    match call.protocol {
        Protocol::Json { .. } | Protocol::Cbor => {
            AwsError::client("AccessDeniedException", message)
        }
        Protocol::Query | Protocol::Rest => {
            AwsError::client("AccessDenied", message).with_status(403)
        }
    }
}

/// Somebody else updates a service first: what `value` says, or a forced new deployment of
/// `api` in the cluster `value` names.
async fn second_writer(wire: &Wire, value: &Value) {
    let input = match value {
        Value::Object(_) => value.clone(),
        Value::String(cluster) => json!({
            "cluster": cluster, "service": "api", "forceNewDeployment": true,
        }),
        _ => json!({ "cluster": "dev", "service": "api", "forceNewDeployment": true }),
    };
    match ecs::handle(&wire.cloud, "UpdateService", &input).await {
        Ok(_) => tracing::info!(account = ACCOUNT, %input, "a second writer updated a service"),
        Err(error) => tracing::warn!(%error, %input, "the second writer could not update"),
    }
}
