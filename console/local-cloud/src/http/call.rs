//! What a request asks for: which service, which action, in which protocol.

use bytes::Bytes;
use hyper::Method;
use hyper::http::request::Parts;

use crate::protocol::QueryParams;

/// How request and answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// awsJson 1.0 or 1.1: the action in `x-amz-target`.
    Json {
        /// `application/x-amz-json-1.0` or `-1.1`.
        content_type: &'static str,
    },
    /// awsQuery: a form in, XML out.
    Query,
    /// Smithy RPC v2 with CBOR: the action in the path.
    Cbor,
    /// S3's REST with XML.
    Rest,
}

/// A service known here, by the prefix of its IAM actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Ecs,
    Logs,
    Ecr,
    Elb,
    Sts,
    CloudWatch,
    S3,
    /// One that is not.
    Unknown,
}

impl Service {
    /// The name that IAM and faults call it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Logs => "logs",
            Self::Ecr => "ecr",
            Self::Elb => "elasticloadbalancing",
            Self::Sts => "sts",
            Self::CloudWatch => "cloudwatch",
            Self::S3 => "s3",
            Self::Unknown => "unknown",
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub service: Service,
    pub protocol: Protocol,
    /// Such as `UpdateService`.
    pub action: String,
    /// Named in the answer and in the log.
    pub request_id: String,
}

/// Services that speak awsJson, by the prefix of `x-amz-target`.
const TARGETS: [(&str, Service); 4] = [
    ("AmazonEC2ContainerServiceV20141113", Service::Ecs),
    ("Logs_20140328", Service::Logs),
    ("AmazonEC2ContainerRegistry_V20150921", Service::Ecr),
    (CLOUDWATCH_SERVICE, Service::CloudWatch),
];

/// What RPC v2 and awsJson call CloudWatch.
const CLOUDWATCH_SERVICE: &str = "GraniteServiceVersion20100801";

/// Services that speak awsQuery, by their `Version`.
const VERSIONS: [(&str, Service); 3] = [
    (ELB_VERSION, Service::Elb),
    (STS_VERSION, Service::Sts),
    (CLOUDWATCH_VERSION, Service::CloudWatch),
];

pub const ELB_VERSION: &str = "2015-12-01";
pub const STS_VERSION: &str = "2011-06-15";
pub const CLOUDWATCH_VERSION: &str = "2010-08-01";

impl Call {
    /// Reads what is asked for; anything that is nothing else is asked of S3, as on AWS.
    pub fn read(head: &Parts, body: &Bytes) -> Self {
        let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok());
        let content_type = header("content-type").unwrap_or_default();
        let path = head.uri.path();
        let (service, protocol, action) = if path.starts_with(crate::admin::PREFIX) {
            let content_type = "application/json";
            let action = path.to_owned();
            (Service::Unknown, Protocol::Json { content_type }, action)
        } else if let Some(target) = header("x-amz-target") {
            let (prefix, action) = target.rsplit_once('.').unwrap_or(("", target));
            let content_type = if content_type.starts_with(JSON_1_0) {
                JSON_1_0
            } else {
                JSON_1_1
            };
            (
                find(&TARGETS, prefix),
                Protocol::Json { content_type },
                action.to_owned(),
            )
        } else if let Some((service, action)) = rpc_path(path) {
            let service = match service {
                CLOUDWATCH_SERVICE => Service::CloudWatch,
                _ => Service::Unknown,
            };
            (service, Protocol::Cbor, action.to_owned())
        } else if head.method == Method::POST
            && content_type.starts_with("application/x-www-form-urlencoded")
        {
            let params = QueryParams::parse(body);
            let service = find(&VERSIONS, params.get("Version").unwrap_or_default());
            let action = params.get("Action").unwrap_or_default().to_owned();
            (service, Protocol::Query, action)
        } else {
            (Service::S3, Protocol::Rest, s3_action(head).to_owned())
        };
        Self {
            service,
            protocol,
            action,
            request_id: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// Whether the action changes nothing.
    pub fn is_reading(&self) -> bool {
        const READING: [&str; 10] = [
            "Describe",
            "List",
            "Get",
            "Head",
            "Filter",
            "BatchGet",
            "BatchCheck",
            "AssumeRole",
            "Test",
            "Discover",
        ];
        READING.iter().any(|verb| self.action.starts_with(verb))
    }
}

const JSON_1_0: &str = "application/x-amz-json-1.0";
const JSON_1_1: &str = "application/x-amz-json-1.1";

fn find(known: &[(&str, Service)], name: &str) -> Service {
    known
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(Service::Unknown, |(_, service)| *service)
}

/// `/service/{service}/operation/{action}`.
fn rpc_path(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/service/")?.split_once("/operation/")
}

fn s3_action(head: &Parts) -> &'static str {
    let path = head.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let level = match (bucket.is_empty(), key.is_empty()) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    match (head.method.as_str(), level) {
        ("GET", 0) => "ListBuckets",
        ("PUT", 1) => "CreateBucket",
        ("DELETE", 1) => "DeleteBucket",
        ("HEAD", 1) => "HeadBucket",
        ("GET", 1) => "ListObjectsV2",
        ("PUT", 2) => "PutObject",
        ("GET", 2) => "GetObject",
        ("HEAD", 2) => "HeadObject",
        ("DELETE", 2) => "DeleteObject",
        _ => "Unknown",
    }
}
