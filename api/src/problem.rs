//! Every error the API answers with, as `application/problem+json` (RFC 9457).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::auth::{Refusal, Scope};
use crate::request_id;
use crate::storage::StoreError;

/// The media type of RFC 9457.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong, in the caller's terms. A `cause` is for the log only: it never reaches
/// the answer.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request cannot be read: syntax, encoding, a parameter.
    BadRequest(String),
    /// The body is JSON but not of the shape this resource has.
    WrongShape(String),
    /// The body has the right shape, but values that are not allowed.
    InvalidFields(Vec<FieldError>),
    /// No item has this id.
    ItemNotFound,
    /// No prompt has this id, or not this version.
    PromptNotFound,
    /// No location has this id.
    LocationNotFound,
    /// No job has this id.
    JobNotFound,
    /// The job has ended in another way than is asked for; the word for how.
    JobEnded(&'static str),
    /// The job has no content; the word for its state.
    NoContent(&'static str),
    /// The content of a job was there and is not any more.
    ContentGone,
    /// No API key has this prefix, or it has ended already.
    KeyNotFound,
    /// The caller must say who they are.
    Unauthenticated(Refusal),
    /// The caller is known but may not do this; the right that it lacks.
    Forbidden(Scope),
    /// More requests than this caller may send.
    TooManyRequests { retry_after: Duration },
    /// A change without `If-Match` (RFC 6585).
    PreconditionRequired,
    /// The resource has changed since the caller read it.
    PreconditionFailed,
    /// The key was used with another request.
    IdempotencyConflict,
    /// The head of the request is larger than what is taken.
    HeadTooLarge,
    /// No resource has this path.
    PathNotFound,
    /// The resource exists, the method does not; the router adds `Allow`.
    MethodNotAllowed,
    /// The body is larger than what is taken.
    BodyTooLarge,
    /// Path and query are longer than what is taken.
    UriTooLong,
    /// The body is declared as something other than JSON.
    NotJson,
    /// The body is compressed, which nobody here undoes.
    EncodedBody,
    /// The answer took longer than a request may.
    TimedOut,
    /// Something this service needs is not there now.
    Unavailable {
        cause: String,
        retry_after: Duration,
    },
    /// The disk of the database is full.
    StorageFull { cause: String },
    /// Probes: this process should get no traffic. Each check with what it found.
    NotReady(Map<String, Value>),
    /// A defect of ours.
    Internal { cause: String },
    /// An error answer made below us that was no problem document.
    Plain(StatusCode),
}

/// One field of a body and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer (RFC 6901) into the body.
    pub(crate) pointer: &'static str,
    /// What is wrong, and what would be right.
    pub(crate) detail: String,
}

/// The reason for an error answer, carried beside it to the request's log line.
#[derive(Clone, Debug)]
pub(crate) struct Cause(pub(crate) Arc<str>);

/// The document of RFC 9457, with the extension members `request_id`, `errors`, `checks`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Names the kind of problem; programs decide by it.
    #[schema(example = "urn:opsconsole:problem:invalid-fields")]
    r#type: String,
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time, and what to do.
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    request_id: Option<String>,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// What each check of a probe found.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = HashMap<String, String>, required = false)]
    checks: Map<String, Value>,
}

impl ApiError {
    /// Status, stable name of the type, title and detail of this error.
    fn describe(&self) -> (StatusCode, &'static str, &'static str, String) {
        use StatusCode as S;
        let (status, name, title, detail) = match self {
            Self::BadRequest(detail) => (
                S::BAD_REQUEST,
                "bad-request",
                "The request cannot be read",
                detail.as_str(),
            ),
            Self::WrongShape(detail) => (
                S::UNPROCESSABLE_ENTITY,
                "wrong-shape",
                "The body does not have the shape of this resource",
                detail.as_str(),
            ),
            Self::InvalidFields(_) => (
                S::UNPROCESSABLE_ENTITY,
                "invalid-fields",
                "Some fields have values that are not allowed",
                "Mend the fields named in `errors` and send the request again.",
            ),
            Self::ItemNotFound => (
                S::NOT_FOUND,
                "item-not-found",
                "There is no such item",
                "No item has this id. GET /items lists those that exist.",
            ),
            Self::PromptNotFound => (
                S::NOT_FOUND,
                "prompt-not-found",
                "There is no such prompt",
                "No prompt has this id, or it has no such version. GET /prompts lists those \
                 that exist.",
            ),
            Self::LocationNotFound => (
                S::NOT_FOUND,
                "location-not-found",
                "There is no such location",
                "No location has this id. GET /locations lists those that exist.",
            ),
            Self::JobNotFound => (
                S::NOT_FOUND,
                "job-not-found",
                "There is no such job",
                "No job has this id. GET /jobs lists those that exist.",
            ),
            Self::JobEnded(state) => (
                S::CONFLICT,
                "job-ended",
                "The job has ended already",
                match *state {
                    "succeeded" => "It has succeeded: its content is at /jobs/{id}/result.",
                    "cancelled" => "It was called off: make another one.",
                    _ => {
                        "It is dead: its last_error says why, and POST /jobs/{id}/retry tries it again."
                    }
                },
            ),
            Self::NoContent(state) => (
                S::CONFLICT,
                "no-content",
                "The job has no content",
                match *state {
                    "cancelled" => "It was called off.",
                    "dead" => "It is dead: its last_error says why.",
                    _ => "It has not ended yet: follow it at /jobs/{id}/events.",
                },
            ),
            Self::ContentGone => (
                S::GONE,
                "content-gone",
                "The content is not there any more",
                "It was stored and has been removed since. Make a new job.",
            ),
            Self::KeyNotFound => (
                S::NOT_FOUND,
                "key-not-found",
                "There is no such API key",
                "No key in force has this prefix. GET /admin/keys lists all.",
            ),
            Self::Unauthenticated(refusal) => (
                S::UNAUTHORIZED,
                "unauthenticated",
                "This needs a credential",
                refused(*refusal),
            ),
            Self::Forbidden(scope) => (
                S::FORBIDDEN,
                "forbidden",
                "This credential may not do this",
                needs(*scope),
            ),
            Self::TooManyRequests { .. } => (
                S::TOO_MANY_REQUESTS,
                "too-many-requests",
                "There were too many requests",
                "Send the request again after Retry-After.",
            ),
            Self::PreconditionRequired => (
                S::PRECONDITION_REQUIRED,
                "precondition-required",
                "A change must say what it is based on",
                "Send the header If-Match with the ETag of the state that you read, or *.",
            ),
            Self::PreconditionFailed => (
                S::PRECONDITION_FAILED,
                "precondition-failed",
                "The resource has changed meanwhile",
                "Read it again and send the change with its present ETag.",
            ),
            Self::IdempotencyConflict => (
                S::UNPROCESSABLE_ENTITY,
                "idempotency-conflict",
                "This idempotency key belongs to another request",
                "Use a new key for each request, and the same one only to repeat it.",
            ),
            Self::HeadTooLarge => (
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head-too-large",
                "The headers are too large",
                "There may be at most 100 headers, of 16 KiB together.",
            ),
            Self::PathNotFound => (
                S::NOT_FOUND,
                "path-not-found",
                "There is nothing at this path",
                "GET / lists what this service has.",
            ),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This resource does not have this method",
                "The header Allow lists the methods that it has.",
            ),
            Self::BodyTooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is too large",
                "A body may have at most 64 KiB.",
            ),
            Self::UriTooLong => (
                S::URI_TOO_LONG,
                "uri-too-long",
                "The path and query are too long",
                "Path and query together may have at most 8 KiB.",
            ),
            Self::NotJson => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The body is not declared as JSON",
                "Send the header Content-Type: application/json.",
            ),
            Self::EncodedBody => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "encoded-body",
                "The body is compressed",
                "Send it as it is, without the header Content-Encoding.",
            ),
            Self::TimedOut => (
                S::SERVICE_UNAVAILABLE,
                "timed-out",
                "The request took too long",
                "It was given up and may have had an effect: read before you send it again.",
            ),
            Self::Unavailable { .. } => (
                S::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service cannot do this now",
                "Something it needs is not available. Send the request again after Retry-After.",
            ),
            Self::StorageFull { .. } => (
                S::INSUFFICIENT_STORAGE,
                "storage-full",
                "There is no room left to store this",
                "Reading still works. An operator must make room.",
            ),
            Self::NotReady(_) => (
                S::SERVICE_UNAVAILABLE,
                "not-ready",
                "This instance is not ready for traffic",
                "`checks` says why.",
            ),
            Self::Internal { .. } => (
                S::INTERNAL_SERVER_ERROR,
                "internal",
                "The service failed",
                "The fault is ours. Report the request id with the time.",
            ),
            Self::Plain(status) => (
                *status,
                "about:blank",
                status.canonical_reason().unwrap_or("Error"),
                "The request was refused.",
            ),
        };
        (status, name, title, detail.to_owned())
    }

    /// Seconds until the request is worth sending again, where that is known.
    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Unavailable { retry_after, .. } | Self::TooManyRequests { retry_after } => {
                Some(retry_after.as_secs().max(1))
            }
            Self::TimedOut | Self::NotReady(_) => Some(1),
            _ => None,
        }
    }

    fn cause(&self) -> Option<Arc<str>> {
        match self {
            Self::Unavailable { cause, .. }
            | Self::StorageFull { cause }
            | Self::Internal { cause } => Some(cause.as_str().into()),
            Self::BadRequest(detail) | Self::WrongShape(detail) => Some(detail.as_str().into()),
            Self::TimedOut => Some("the request's time limit has passed".into()),
            Self::NotReady(checks) => Some(Value::Object(checks.clone()).to_string().into()),
            _ => None,
        }
    }
}

/// Why a credential was refused, and what to do.
fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Missing => {
            "Send the header Authorization: Bearer with an API key or an access token."
        }
        Refusal::Invalid => "The credential is not one that this service accepts.",
        Refusal::Expired => "The credential has expired. Ask for a new one.",
        Refusal::NotYetValid => "The token is not valid yet. Check the clock of its issuer.",
        Refusal::WrongAudience => "The token was made for another service (aud).",
        Refusal::WrongIssuer => "The token was made by another issuer (iss).",
        Refusal::UnknownKey => {
            "The token was signed with a key that its issuer does not publish. Ask for a new one."
        }
    }
}

/// What a credential must have for a right.
fn needs(scope: Scope) -> &'static str {
    match scope {
        Scope::ItemsRead => "It needs the role reader and the scope items:read.",
        Scope::ItemsWrite => "It needs the role writer and the scope items:write.",
        Scope::ContentRead => "It needs the role reader and the scope content:read.",
        Scope::ContentWrite => "It needs the role writer and the scope content:write.",
        Scope::Admin => "It needs the role admin and the scope admin.",
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, name, title, detail) = self.describe();
        let retry_after = self.retry_after_seconds();
        let cause = self.cause();
        let is_encoded = matches!(self, Self::EncodedBody);
        let refusal = match self {
            Self::Unauthenticated(refusal) => Some(refusal),
            _ => None,
        };
        let problem = Problem {
            r#type: match name {
                "about:blank" => name.to_owned(),
                name => format!("urn:opsconsole:problem:{name}"),
            },
            title,
            status: status.as_u16(),
            detail,
            request_id: request_id::current().map(|id| id.to_string()),
            errors: match &self {
                Self::InvalidFields(errors) => errors.clone(),
                _ => Vec::new(),
            },
            checks: match self {
                Self::NotReady(checks) => checks,
                _ => Map::new(),
            },
        };
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        if is_encoded {
            // RFC 9110 §15.5.16: tells it from a refusal of the media type.
            let none = HeaderValue::from_static("identity");
            headers.insert(header::ACCEPT_ENCODING, none);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(refusal) = refusal {
            // RFC 6750 §3.1: no error code for those who sent no credential.
            let challenge = match refusal {
                Refusal::Missing => "Bearer realm=\"opsconsole-api\"",
                _ => "Bearer realm=\"opsconsole-api\", error=\"invalid_token\"",
            };
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(cause) = cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let cause = error.to_string();
        match error {
            StoreError::Unavailable { retry_after, .. } => Self::Unavailable { cause, retry_after },
            StoreError::Full { .. } => Self::StorageFull { cause },
            StoreError::Incompatible { .. } | StoreError::Unexpected { .. } => {
                Self::Internal { cause }
            }
        }
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => Self::NotJson,
            JsonRejection::JsonDataError(error) => Self::WrongShape(innermost(&error)),
            JsonRejection::JsonSyntaxError(error) => {
                Self::BadRequest(format!("The body is not valid JSON: {}", innermost(&error)))
            }
            other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            _ => Self::BadRequest("The body ended before it was complete.".into()),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::BadRequest(format!(
            "The query cannot be read: {}",
            innermost(&rejection)
        ))
    }
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::BadRequest("The path is not valid percent-encoded UTF-8.".into())
    }
}

/// The last error of the chain: what the parser found, without the names of our types.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
