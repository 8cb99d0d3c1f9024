//! Content in a bucket of S3, or of something that speaks like it.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use opentelemetry::KeyValue;
use tokio::sync::OnceCell;
use url::Url;

use super::{ContentError, ContentKey, ContentStore, DOCUMENT_BYTES_MAX, Put, check_size};
use crate::calls;
use crate::vendors::{CallError, CallSeconds, Failure};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// One request with its retries.
const OPERATION_TIME_MAX: Duration = Duration::from_secs(20);
/// By the SDK; a job that fails is tried again as a whole.
const ATTEMPTS_MAX: u32 = 2;
/// Servers other than AWS's seldom care.
const REGION_DEFAULT: &str = "us-east-1";

/// See the top of this file.
pub(super) struct Bucket {
    name: String,
    prefix: String,
    endpoint: Option<Url>,
    seconds: CallSeconds,
    /// Made at the first use: finding credentials may take calls of its own.
    client: OnceCell<Client>,
}

impl Bucket {
    pub(super) fn new(
        name: &str,
        prefix: &str,
        endpoint: Option<Url>,
        seconds: CallSeconds,
    ) -> Self {
        Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            endpoint,
            seconds,
            client: OnceCell::new(),
        }
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(|| self.connect()).await
    }

    async fn connect(&self) -> Client {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIME_MAX)
                    .operation_timeout(OPERATION_TIME_MAX)
                    .build(),
            );
        if self.endpoint.is_some() && std::env::var_os("AWS_REGION").is_none() {
            loader = loader.region(Region::new(REGION_DEFAULT));
        }
        let config = loader.load().await;
        let mut builder = aws_sdk_s3::config::Builder::from(&config);
        if let Some(endpoint) = &self.endpoint {
            builder = builder
                .endpoint_url(endpoint.as_str())
                // A bucket as a part of the host name does not resolve elsewhere, and many
                // servers know no checksums in trailers.
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        Client::from_conf(builder.build())
    }

    fn key(&self, key: &ContentKey) -> String {
        format!("{}{}", self.prefix, key.as_str())
    }

    /// Measures a request, and says what its failure means; `Ok(None)` where `is_answer`
    /// takes the error's code for an answer.
    async fn ask<T, E>(
        &self,
        what: &'static str,
        request: impl Future<Output = Result<T, SdkError<E>>>,
        is_answer: fn(&str) -> bool,
    ) -> Result<Option<T>, ContentError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let mut meaning = None;
        let call = async {
            match request.await {
                Ok(value) => Ok(Some(value)),
                Err(error) if error.code().is_some_and(is_answer) => Ok(None),
                Err(error) => {
                    let (kind, content_error) = explain(what, &error);
                    let what = content_error.to_string();
                    meaning = Some(content_error);
                    Err(CallError {
                        peer: "S3",
                        kind,
                        what,
                        retry_after: None,
                    })
                }
            }
        };
        let operation = what.trim_start_matches("s3:");
        let span = calls::begin(format!("S3/{operation}"), || {
            vec![
                KeyValue::new("rpc.system", "aws-api"),
                KeyValue::new("rpc.service", "S3"),
                KeyValue::new("rpc.method", operation),
                KeyValue::new("aws.s3.bucket", self.name.clone()),
            ]
        });
        let outcome = self.seconds.measure("s3", call).await;
        if let Some(span) = span {
            span.end(outcome.as_ref().err().map(|error| error.kind.label()));
        }
        outcome.map_err(|error| {
            meaning.unwrap_or(ContentError::Unavailable {
                reason: error.what,
                retry_after: None,
            })
        })
    }
}

#[async_trait]
impl ContentStore for Bucket {
    /// `If-None-Match: *` makes S3 refuse a second document of one name
    /// (docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
    async fn put_new(&self, key: &ContentKey, document: Bytes) -> Result<Put, ContentError> {
        check_size(&document)?;
        let request = self
            .client()
            .await
            .put_object()
            .bucket(&self.name)
            .key(self.key(key))
            .if_none_match("*")
            .content_type("application/json")
            .body(ByteStream::from(document))
            .send();
        let stored = self
            .ask("s3:PutObject", request, |code| code == "PreconditionFailed")
            .await?;
        Ok(stored.map_or(Put::Existed, |_| Put::Stored))
    }

    async fn get(&self, key: &ContentKey) -> Result<Option<Bytes>, ContentError> {
        let request = self
            .client()
            .await
            .get_object()
            .bucket(&self.name)
            .key(self.key(key))
            .send();
        let found = self
            .ask("s3:GetObject", request, |code| code == "NoSuchKey")
            .await?;
        let Some(mut object) = found else {
            return Ok(None);
        };
        let mut document = BytesMut::new();
        while let Some(chunk) = object.body.next().await {
            let chunk = chunk.map_err(|error| ContentError::Unavailable {
                reason: format!("S3 broke off: {error}"),
                retry_after: None,
            })?;
            if document.len() + chunk.len() > DOCUMENT_BYTES_MAX {
                let bytes = object.content_length.unwrap_or_default();
                return Err(ContentError::TooLarge {
                    bytes: u64::try_from(bytes).unwrap_or_default(),
                });
            }
            document.extend_from_slice(&chunk);
        }
        Ok(Some(document.freeze()))
    }

    async fn delete(&self, key: &ContentKey) -> Result<(), ContentError> {
        let request = self
            .client()
            .await
            .delete_object()
            .bucket(&self.name)
            .key(self.key(key))
            .send();
        self.ask("s3:DeleteObject", request, |code| code == "NoSuchKey")
            .await
            .map(drop)
    }
}

/// What a failed request means (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html),
/// with the right that it needs. What S3 says is not repeated: it names accounts and roles.
fn explain<E>(what: &'static str, error: &SdkError<E>) -> (Failure, ContentError)
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    let code = error.code().unwrap_or_default();
    let pause = |seconds| Some(Duration::from_secs(seconds));
    let unavailable = |reason: String, retry_after| ContentError::Unavailable {
        reason,
        retry_after,
    };
    tracing::warn!(
        operation = what,
        status,
        error = %DisplayErrorContext(error),
        "S3 request failed"
    );
    match (code, status) {
        ("NoSuchBucket", _) => (
            Failure::Rejected,
            ContentError::Denied("S3 has no such bucket (NoSuchBucket)".into()),
        ),
        (_, Some(401 | 403)) => {
            let code = if code.is_empty() {
                "AccessDenied"
            } else {
                code
            };
            let help = format!("S3 answered {code}; allow {what} on the bucket and its prefix");
            (Failure::Unauthorized, ContentError::Denied(help))
        }
        ("SlowDown", _) | (_, Some(429)) => (
            Failure::RateLimited,
            unavailable("S3 asks for a pause (SlowDown)".into(), pause(5)),
        ),
        // Another writer of the same name is not done yet.
        ("ConditionalRequestConflict", _) => (
            Failure::ServerError,
            unavailable("S3 is busy with another write of it".into(), pause(1)),
        ),
        (_, Some(status)) => (
            Failure::ServerError,
            unavailable(format!("S3 answered {status} {code}").trim().into(), None),
        ),
        _ if matches!(error, SdkError::TimeoutError(_)) => (
            Failure::TimedOut,
            unavailable("S3 gave no answer in time".into(), None),
        ),
        _ if matches!(error, SdkError::ConstructionFailure(_)) => (
            Failure::Unauthorized,
            ContentError::Denied("there are no credentials for S3".into()),
        ),
        _ => (
            Failure::Unreachable,
            unavailable("S3 cannot be reached".into(), None),
        ),
    }
}
