//! Answers and errors in the form of the protocol that the client speaks.

use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::call::{CLOUDWATCH_VERSION, Call, ELB_VERSION, Protocol, STS_VERSION, Service};
use super::{Answer, Served};
use crate::cloudwatch;
use crate::protocol::{AwsError, Fault, Xml, cbor, iso8601};
use crate::sigv4::Refusal;

/// A whole answer: status, headers, bytes.
pub(crate) struct Reply {
    status: StatusCode,
    headers: Vec<(Cow<'static, str>, String)>,
    body: Bytes,
}

impl Reply {
    pub fn bytes(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), content_type.to_owned())],
            body: body.into(),
        }
    }

    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// An `x-amz-meta-` header.
    #[must_use]
    pub fn with_metadata(mut self, name: &str, value: String) -> Self {
        self.headers
            .push((format!("x-amz-meta-{name}").into(), value));
        self
    }

    pub fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            // A value that no header can hold (from an object's metadata) is left out.
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(&value),
            ) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Writes what a service answered.
pub fn write(call: &Call, served: Served) -> Response<Full<Bytes>> {
    let reply = match served {
        Ok(answer) => success(call, answer),
        Err(error) => {
            tracing::debug!(service = call.service.as_str(), action = call.action, %error, "answered with an error");
            failure(call, &error)
        }
    };
    let reply = match call.protocol {
        Protocol::Rest => reply
            .with_header("x-amz-request-id", &*call.request_id)
            .with_header("x-amz-id-2", &*call.request_id),
        _ => reply.with_header("x-amzn-requestid", &*call.request_id),
    };
    reply.into_response()
}

fn success(call: &Call, answer: Answer) -> Reply {
    match (call.protocol, answer) {
        (_, Answer::Whole(reply)) => reply,
        (Protocol::Json { content_type }, Answer::Tree(value)) => {
            Reply::bytes(StatusCode::OK, content_type, value.to_string())
        }
        (Protocol::Cbor, Answer::Tree(value)) => cbor_reply(StatusCode::OK, &value),
        (Protocol::Query | Protocol::Rest, Answer::Tree(value)) => {
            let mut xml = Xml::new();
            xml.tree(&timestamps_as_text(value, false));
            query_reply(call, &xml)
        }
        (_, Answer::Xml(xml)) => query_reply(call, &xml),
    }
}

fn query_reply(call: &Call, result: &Xml) -> Reply {
    let action = &call.action;
    let body = format!(
        "<{action}Response xmlns=\"{}\"><{action}Result>{}</{action}Result><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
        namespace(call.service),
        result.as_str(),
        call.request_id,
    );
    Reply::bytes(StatusCode::OK, "text/xml", body)
}

fn namespace(service: Service) -> String {
    match service {
        Service::Elb => format!("http://elasticloadbalancing.amazonaws.com/doc/{ELB_VERSION}/"),
        Service::Sts => format!("https://sts.amazonaws.com/doc/{STS_VERSION}/"),
        _ => format!("http://monitoring.amazonaws.com/doc/{CLOUDWATCH_VERSION}/"),
    }
}

fn cbor_reply(status: StatusCode, value: &Value) -> Reply {
    let body = cbor::encode(value, cloudwatch::is_timestamp);
    Reply::bytes(status, "application/cbor", body).with_header("smithy-protocol", "rpc-v2-cbor")
}

/// awsQuery writes as ISO 8601 what the other protocols write as epoch seconds.
fn timestamps_as_text(value: Value, timestamp: bool) -> Value {
    match value {
        Value::Number(n) if timestamp => {
            Value::String(iso8601((n.as_f64().unwrap_or_default() * 1000.0) as i64))
        }
        Value::Array(items) => items
            .into_iter()
            .map(|item| timestamps_as_text(item, timestamp))
            .collect(),
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(name, child)| {
                    let timestamp = cloudwatch::is_timestamp(&name);
                    (name, timestamps_as_text(child, timestamp))
                })
                .collect(),
        ),
        other => other,
    }
}

fn failure(call: &Call, error: &AwsError) -> Reply {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let sender = match error.fault {
        Fault::Client => "Sender",
        Fault::Server => "Receiver",
    };
    match call.protocol {
        Protocol::Json { content_type } => {
            let body = json!({ "__type": error.code, "message": error.message });
            let reply = Reply::bytes(status, content_type, body.to_string());
            match call.service {
                Service::CloudWatch => {
                    reply.with_header("x-amzn-query-error", format!("{};{sender}", error.code))
                }
                _ => reply,
            }
        }
        Protocol::Cbor => {
            let shape = cloudwatch_shape(&error.code);
            let body = json!({
                "__type": format!("com.amazonaws.cloudwatch#{shape}"),
                "message": error.message,
            });
            cbor_reply(status, &body)
                .with_header("x-amzn-query-error", format!("{};{sender}", error.code))
        }
        Protocol::Query => {
            let mut xml = Xml::new();
            xml.element("Error", |xml| {
                xml.text("Type", sender)
                    .text("Code", &error.code)
                    .text("Message", &error.message);
            });
            xml.text("RequestId", &call.request_id);
            let body = format!(
                "<ErrorResponse xmlns=\"{}\">{}</ErrorResponse>",
                namespace(call.service),
                xml.as_str()
            );
            Reply::bytes(status, "text/xml", body)
        }
        Protocol::Rest if call.action.starts_with("Head") => Reply::empty(status),
        Protocol::Rest => {
            let mut xml = Xml::new();
            xml.element("Error", |xml| {
                xml.text("Code", &error.code)
                    .text("Message", &error.message)
                    .text("RequestId", &call.request_id)
                    .text("HostId", &call.request_id);
            });
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}",
                xml.as_str()
            );
            Reply::bytes(status, "application/xml", body)
        }
    }
}

/// The names of CloudWatch's errors in its model, where they differ from their query codes.
fn cloudwatch_shape(code: &str) -> &str {
    match code {
        "InvalidParameterValue" => "InvalidParameterValueException",
        "MissingParameter" => "MissingRequiredParameterException",
        "InvalidParameterCombination" => "InvalidParameterCombinationException",
        "InvalidFormat" => "InvalidFormatFault",
        "LimitExceeded" => "LimitExceededFault",
        other => other,
    }
}

/// A refusal as the protocol's services word it.
pub fn refusal(call: &Call, refusal: &Refusal) -> AwsError {
    let (json, query, s3) = match refusal {
        Refusal::Missing => (
            "MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            "AccessDenied",
        ),
        Refusal::Incomplete(_) => (
            "IncompleteSignatureException",
            "IncompleteSignature",
            "AuthorizationHeaderMalformed",
        ),
        Refusal::UnknownKey => (
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
        ),
        Refusal::Expired => ("ExpiredTokenException", "ExpiredToken", "ExpiredToken"),
        Refusal::Mismatch => (
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "SignatureDoesNotMatch",
        ),
        Refusal::Skewed(_) => (
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "RequestTimeTooSkewed",
        ),
        Refusal::OtherBody => (
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "XAmzContentSHA256Mismatch",
        ),
    };
    let message = match (call.protocol, refusal) {
        (Protocol::Rest, Refusal::Missing) => "Access Denied".to_owned(),
        (Protocol::Rest, Refusal::UnknownKey) => {
            "The AWS Access Key Id you provided does not exist in our records.".to_owned()
        }
        _ => refusal.to_string(),
    };
    match call.protocol {
        Protocol::Json { .. } | Protocol::Cbor => AwsError::client(json, message),
        Protocol::Query => AwsError::client(query, message).with_status(403),
        Protocol::Rest => AwsError::client(s3, message).with_status(match refusal {
            Refusal::Expired | Refusal::OtherBody | Refusal::Incomplete(_) => 400,
            _ => 403,
        }),
    }
}
