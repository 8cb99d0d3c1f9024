//! SDK errors sorted by what the operator can do about them.

use super::{operations::Operation, text::clean, wire_guard::RefusedAtWire};
use crate::platform::PlatformError;
use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{ConnectorError, SdkError},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use regex::Regex;
use std::{error::Error, sync::LazyLock, time::Duration};

/// What an error's text needs to know about where it happened.
#[derive(Clone, Debug)]
pub struct Place {
    /// Whom the calls go to, when it is not AWS itself.
    pub endpoint_url: Option<String>,
    /// The region.
    pub region: String,
    /// How to log in again.
    pub remedy: String,
    /// The resource that most calls are about, for "may not … on".
    pub resource: String,
}

impl Place {
    fn endpoint(&self, operation: &Operation) -> String {
        self.endpoint_url.clone().unwrap_or_else(|| {
            format!(
                "{}.{}.amazonaws.com",
                operation.service.endpoint_prefix(),
                self.region
            )
        })
    }
}

/// When the platform throttles and does not say when to come back.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(2);

// Words of the error messages: "User: arn:… is not authorized to perform: ecs:X on resource: arn:…".
static NOT_AUTHORIZED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?:User: (?P<who>\S+) )?is not authorized to perform: (?P<action>[\w:*-]+)(?: on resource: (?P<resource>[^\s,]+))?",
    )
    .ok()
});

/// Sorts an SDK error.
pub fn sort<E>(
    error: &SdkError<E, HttpResponse>,
    operation: &Operation,
    place: &Place,
) -> PlatformError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let chain = Chain(error);
    if let Some(refused) = chain.find::<RefusedAtWire>() {
        return PlatformError::NotPermitted {
            operation: refused.operation.clone(),
        };
    }
    match error {
        SdkError::ServiceError(service) => by_code(
            service.err().code().unwrap_or_default(),
            service.err().message().unwrap_or_default(),
            service.raw(),
            operation,
            place,
        ),
        _ => without_answer(&chain, error, operation, place),
    }
}

/// Nothing usable came back: no credentials to sign with, no connection, no time, or garbage.
fn without_answer<E>(
    chain: &Chain<'_>,
    error: &SdkError<E, HttpResponse>,
    operation: &Operation,
    place: &Place,
) -> PlatformError
where
    E: Error + 'static,
{
    if chain
        .find::<aws_credential_types::provider::error::CredentialsError>()
        .is_some()
        || chain.innermost().contains("no providers in chain provided")
    {
        return PlatformError::Credentials {
            cause: chain.innermost(),
            remedy: place.remedy.clone(),
        };
    }
    let unreachable = |cause: String| PlatformError::Unreachable {
        endpoint: place.endpoint(operation),
        cause,
    };
    match error {
        SdkError::TimeoutError(_) => unreachable("no answer in time".to_owned()),
        SdkError::DispatchFailure(_) => {
            let timed_out = chain
                .find::<ConnectorError>()
                .is_some_and(ConnectorError::is_timeout);
            unreachable(if timed_out {
                "no connection in time".to_owned()
            } else {
                chain.innermost()
            })
        }
        SdkError::ResponseError(_) => unreachable(format!(
            "the answer to {} is not what AWS would send ({})",
            operation.name,
            chain.innermost()
        )),
        _ => PlatformError::Other {
            operation: operation.iam_action.to_owned(),
            cause: chain.innermost(),
        },
    }
}

fn by_code(
    code: &str,
    message: &str,
    response: &HttpResponse,
    operation: &Operation,
    place: &Place,
) -> PlatformError {
    let message = clean(message);
    let words = if message.is_empty() {
        format!("{code} (HTTP {})", response.status().as_u16())
    } else if code.is_empty() {
        message.clone()
    } else {
        format!("{message} ({code})")
    };
    let called = operation.iam_action.to_owned();
    match kind_of(code, response.status().as_u16()) {
        Kind::Credentials => PlatformError::Credentials {
            cause: words,
            remedy: place.remedy.clone(),
        },
        Kind::Denied => denied(&message, operation, place),
        Kind::Throttled => PlatformError::Throttled {
            operation: called,
            retry_after: response
                .headers()
                .get("retry-after")
                .and_then(|seconds| seconds.parse().ok())
                .map_or(RETRY_AFTER_DEFAULT, Duration::from_secs),
        },
        Kind::NotFound => PlatformError::NotFound {
            what: format!("what {called} asked for ({words})"),
            hint: None,
        },
        Kind::Conflict => PlatformError::Conflict {
            what: place.resource.clone(),
            change: words,
        },
        Kind::Invalid => PlatformError::Invalid {
            operation: called,
            cause: words,
        },
        Kind::Other => PlatformError::Other {
            operation: called,
            cause: words,
        },
    }
}

fn denied(message: &str, operation: &Operation, place: &Place) -> PlatformError {
    let found = NOT_AUTHORIZED
        .as_ref()
        .and_then(|pattern| pattern.captures(message));
    let part = |name: &str| {
        found
            .as_ref()
            .and_then(|found| found.name(name))
            .map(|part| part.as_str().to_owned())
    };
    PlatformError::Denied {
        principal: part("who").unwrap_or_else(|| "this principal".to_owned()),
        action: part("action").unwrap_or_else(|| operation.iam_action.to_owned()),
        resource: part("resource").unwrap_or_else(|| place.resource.clone()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Credentials,
    Denied,
    Throttled,
    NotFound,
    Conflict,
    Invalid,
    Other,
}

/// Sorts by the error codes of the services used here and of AWS's "Common errors".
fn kind_of(code: &str, status: u16) -> Kind {
    match code {
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "RequestTimeTooSkewed"
        | "AuthFailure" => Kind::Credentials,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "NotAuthorized"
        | "OptInRequired" => Kind::Denied,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "SlowDown"
        | "PriorRequestNotComplete" => Kind::Throttled,
        "PreconditionFailed" | "ConditionalRequestConflict" | "UpdateInProgressException" => {
            Kind::Conflict
        }
        "NoSuchKey" | "NoSuchBucket" => Kind::NotFound,
        code if code.ends_with("NotFoundException") || code.ends_with("NotFound") => Kind::NotFound,
        "InvalidParameterException"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "InvalidRequestException"
        | "ValidationError"
        | "ValidationException"
        | "ClientException"
        | "UnsupportedFeatureException"
        | "ServiceNotActiveException"
        | "BlockedException"
        | "PlatformUnknownException"
        | "PlatformTaskDefinitionIncompatibilityException"
        | "ConflictException"
        | "UnknownOperationException"
        | "InvalidAction" => Kind::Invalid,
        _ if status == 429 => Kind::Throttled,
        _ if status == 412 => Kind::Conflict,
        _ => Kind::Other,
    }
}

/// An error and what it says caused it.
struct Chain<'a>(&'a (dyn Error + 'static));

impl<'a> Chain<'a> {
    fn iter(&self) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
        std::iter::successors(Some(self.0), |error: &&'a (dyn Error + 'static)| {
            (*error).source()
        })
    }

    fn find<T: Error + 'static>(&self) -> Option<&'a T> {
        self.iter().find_map(|error| error.downcast_ref::<T>())
    }

    fn innermost(&self) -> String {
        self.iter()
            .last()
            .map_or_else(|| self.0.to_string(), |error| clean(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ecs::operations::DESCRIBE_SERVICES;

    fn place() -> Place {
        Place {
            endpoint_url: None,
            region: "us-east-1".to_owned(),
            remedy: "Run `aws sso login --profile work`".to_owned(),
            resource: "service prod/api".to_owned(),
        }
    }

    fn answer(status: u16) -> HttpResponse {
        let mut response = HttpResponse::new(
            status.try_into().expect("a status"),
            aws_smithy_types::body::SdkBody::empty(),
        );
        response.headers_mut().insert("retry-after", "7");
        response
    }

    fn sorted(code: &str, message: &str, status: u16) -> PlatformError {
        by_code(code, message, &answer(status), &DESCRIBE_SERVICES, &place())
    }

    #[test]
    fn an_expired_token_says_how_to_log_in_again() {
        let error = sorted(
            "ExpiredTokenException",
            "The security token is expired",
            400,
        );
        assert!(error.to_string().contains("aws sso login --profile work"));
    }

    #[test]
    fn a_denial_names_who_may_not_do_what_on_what() {
        let error = sorted(
            "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/ana is not authorized to perform: \
             ecs:DescribeServices on resource: arn:aws:ecs:us-east-1:123456789012:service/prod/api \
             because no identity-based policy allows it",
            400,
        );
        assert_eq!(
            error,
            PlatformError::Denied {
                principal: "arn:aws:iam::123456789012:user/ana".to_owned(),
                action: "ecs:DescribeServices".to_owned(),
                resource: "arn:aws:ecs:us-east-1:123456789012:service/prod/api".to_owned(),
            }
        );
    }

    #[test]
    fn a_denial_in_other_words_still_names_the_missing_permission() {
        let error = sorted("AccessDenied", "Access Denied", 403);
        assert!(
            error
                .to_string()
                .contains("ecs:DescribeServices on service prod/api")
        );
    }

    #[test]
    fn throttling_tells_when_to_come_back() {
        assert_eq!(
            sorted("ThrottlingException", "Rate exceeded", 400),
            PlatformError::Throttled {
                operation: "ecs:DescribeServices".to_owned(),
                retry_after: Duration::from_secs(7),
            }
        );
    }

    #[test]
    fn an_answer_with_an_unknown_code_keeps_the_platforms_words_without_control_characters() {
        let error = sorted("Odd", "bro\u{1b}[2Jken", 500);
        assert!(error.to_string().contains("broken (Odd)"));
    }
}
