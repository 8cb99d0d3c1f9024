//! From a call to the service that answers it.

use bytes::Bytes;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::call::{CLOUDWATCH_VERSION, Call, ELB_VERSION, Protocol, STS_VERSION, Service};
use super::{Answer, Served, Wire};
use crate::protocol::{AwsError, QueryParams, cbor};
use crate::sigv4::AccessKey;
use crate::{cloudwatch, ecr, ecs, elb, logs, s3, sts};

/// Answers a call; a mutating one is written into the journal first.
///
/// # Errors
/// Whatever the service answers with, and a body that is not what the protocol says it is.
pub async fn dispatch(
    wire: &Wire,
    call: &Call,
    head: &Parts,
    body: Bytes,
    key: &AccessKey,
) -> Served {
    if !call.is_reading() {
        wire.journal
            .write(call.service.as_str(), &call.action, &key.id);
    }
    let cloud = &wire.cloud;
    match (call.service, call.protocol) {
        (Service::S3, _) => s3::rest::handle(&cloud.s3, &call.action, head, body),
        (Service::Elb, _) => {
            let params = QueryParams::parse(&body);
            let xml = elb::handle(cloud, &call.action, &params).await;
            // The service says which action it does not know; which version is the wire's matter.
            xml.map(Answer::Xml).map_err(|error| {
                if error.code == "InvalidAction" {
                    AwsError::invalid_action(&call.action, ELB_VERSION)
                } else {
                    error
                }
            })
        }
        (Service::Sts, _) => {
            let params = QueryParams::parse(&body);
            sts::handle(&wire.sessions, &key.id, &call.action, &params).map(Answer::Xml)
        }
        (Service::CloudWatch, protocol) => {
            let input = match protocol {
                Protocol::Cbor => cbor::decode(&body)
                    .map_err(|e| AwsError::client("SerializationException", e.to_string()))?,
                Protocol::Query => QueryParams::parse(&body).to_tree(),
                _ => json_body(&body)?,
            };
            let answer = cloudwatch::handle(&cloud.metrics, &cloud.alarms, &call.action, &input);
            answer.map(Answer::Tree).map_err(|error| match protocol {
                Protocol::Query if error.code == "UnknownOperationException" => {
                    AwsError::invalid_action(&call.action, CLOUDWATCH_VERSION)
                }
                _ => error,
            })
        }
        (Service::Ecs, _) => ecs::handle(cloud, &call.action, &json_body(&body)?)
            .await
            .map(Answer::Tree),
        (Service::Logs, _) => {
            logs::handle(&cloud.logs, &cloud.faults, &call.action, &json_body(&body)?)
                .map(Answer::Tree)
        }
        (Service::Ecr, _) => {
            ecr::handle(&cloud.ecr, &wire.blobs, &call.action, &json_body(&body)?).map(Answer::Tree)
        }
        (Service::Unknown, Protocol::Query) => {
            let params = QueryParams::parse(&body);
            let version = params.get("Version").unwrap_or(STS_VERSION);
            Err(AwsError::invalid_action(&call.action, version))
        }
        (Service::Unknown, _) => Err(AwsError::unknown_operation(&call.action)),
    }
}

fn json_body(body: &Bytes) -> Result<Value, AwsError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body)
        .map_err(|error| AwsError::client("SerializationException", error.to_string()))
}
