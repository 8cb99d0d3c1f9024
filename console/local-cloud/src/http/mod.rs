//! The loopback endpoint: connections, limits, and the road of one request from its bytes to
//! the answer's.

mod answer;
mod call;
mod dispatch;
mod inject;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Journal};
use crate::cloud::Cloud;
use crate::ecr;
use crate::faults::FaultKind;
use crate::protocol::AwsError;
use crate::sigv4::{self, AccessKey, Authorization, Refusal, Signed};
use crate::sts::Sessions;
use answer::Reply;
use call::Call;

/// The largest request: above S3's and Logs' own limits for what is sent here.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a compressed request may grow to.
const INFLATED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a client may take to send its headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests may take to end when the cloud goes down.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// What the endpoint keeps besides the cloud itself.
pub(crate) struct Wire {
    pub cloud: Arc<Cloud>,
    pub journal: Journal,
    pub sessions: Sessions,
    pub blobs: ecr::BlobLinks,
}

/// The connection is to be dropped without an answer: the control plane is gone.
#[derive(Debug, thiserror::Error)]
#[error("the control plane does not answer")]
struct Gone;

/// Serves the AWS protocols on `listener` until `shutdown`, then lets requests end for two
/// seconds.
///
/// # Errors
/// When the listener's address cannot be read; failed connections are logged and forgotten.
pub async fn serve(
    cloud: Arc<Cloud>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let wire = Arc::new(Wire {
        cloud,
        journal: Journal::default(),
        sessions: Sessions::default(),
        blobs: ecr::BlobLinks::new(&format!("http://{address}")),
    });
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: give others time to close theirs.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let wire = Arc::clone(&wire);
        let shutdown = shutdown.clone();
        connections.spawn(async move {
            let service = service_fn(|request| handle(Arc::clone(&wire), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    connections.close();
    if tokio::time::timeout(DRAIN_TIMEOUT, connections.wait())
        .await
        .is_err()
    {
        tracing::info!("some requests had not ended when the endpoint closed");
    }
    Ok(())
}

async fn handle(
    wire: Arc<Wire>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Gone> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let is_admin = path.starts_with(admin::PREFIX);
    let faults = &wire.cloud.faults;
    if !is_admin && faults.hit(FaultKind::Blackout, "*", "*").is_some() {
        return Err(Gone);
    }
    if let Some(link) = path.strip_prefix(ecr::BLOB_PREFIX) {
        return Ok(serve_blob(
            &wire,
            link,
            head.uri.query().unwrap_or_default(),
        ));
    }

    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let call = Call::read(&head, &Bytes::new());
            let error = AwsError::client(
                "RequestEntityTooLarge",
                format!(
                    "The request could not be read to its end (at most {BODY_BYTES_MAX} bytes): {error}"
                ),
            );
            return Ok(answer::write(&call, Err(error.with_status(413))));
        }
    };
    let unsigned_call = Call::read(&head, &body);
    let (body, key) = match authenticate(&wire, &head, &body) {
        Ok(let_in) => let_in,
        Err(refusal) => {
            tracing::debug!(%refusal, path, "refused a request");
            return Ok(answer::write(
                &unsigned_call,
                Err(answer::refusal(&unsigned_call, &refusal)),
            ));
        }
    };
    wire.cloud.touch();
    let body = match inflate(&head, body) {
        Ok(body) => body,
        Err(error) => return Ok(answer::write(&unsigned_call, Err(error))),
    };
    let call = Call::read(&head, &body);
    if is_admin {
        return Ok(answer::write(&call, admin::handle(&wire, &head, &body)));
    }

    let result = match inject::before(&wire, &call, &key).await {
        Ok(()) => dispatch::dispatch(&wire, &call, &head, body, &key).await,
        Err(error) => Err(error),
    };
    Ok(answer::write(&call, result))
}

/// Who signed the request, and the body as it was signed.
fn authenticate(
    wire: &Wire,
    head: &hyper::http::request::Parts,
    body: &Bytes,
) -> Result<(Bytes, AccessKey), Refusal> {
    let authorization = Authorization::read(&head.headers)?;
    let own = &wire.cloud.settings.credentials;
    let key = if authorization.access_key_id == own.access_key_id {
        AccessKey {
            id: own.access_key_id.clone(),
            secret: own.secret_access_key.clone(),
            session_token: None,
        }
    } else {
        wire.sessions.key(authorization.access_key_id)?
    };
    let signed = Signed {
        method: head.method.as_str(),
        path_and_query: head.uri.path_and_query().map_or("/", |p| p.as_str()),
        headers: &head.headers,
        body,
    };
    let body = sigv4::verify(signed, &authorization, &key, SystemTime::now())?;
    Ok((body, key))
}

/// The body as it was before the client compressed it (`PutMetricData` does, when it is large).
fn inflate(head: &hyper::http::request::Parts, body: Bytes) -> Result<Bytes, AwsError> {
    use std::io::Read;

    let encoding = head
        .headers
        .get("content-encoding")
        .and_then(|v| v.to_str().ok());
    if encoding != Some("gzip") || head.method != hyper::Method::POST {
        return Ok(body);
    }
    let mut inflated = Vec::new();
    let read = flate2::read::GzDecoder::new(&*body)
        .take(INFLATED_BYTES_MAX as u64 + 1)
        .read_to_end(&mut inflated);
    match read {
        Ok(bytes) if bytes <= INFLATED_BYTES_MAX => Ok(inflated.into()),
        _ => Err(AwsError::client(
            "InvalidParameterValue",
            "The gzip content of the request cannot be read",
        )),
    }
}

fn serve_blob(wire: &Wire, link: &str, query: &str) -> Response<Full<Bytes>> {
    let found = wire
        .blobs
        .follow(link, query)
        .and_then(|(repository, digest)| ecr::layer_blob(&wire.cloud.ecr, &repository, &digest));
    let reply = match found {
        Some(blob) => Reply::bytes(StatusCode::OK, "application/octet-stream", blob),
        None => Reply::bytes(
            StatusCode::FORBIDDEN,
            "text/plain",
            Bytes::from_static(b"The link has expired or was never given out"),
        ),
    };
    reply.into_response()
}

/// What a service answered, before it is put into its protocol's form.
pub(crate) enum Answer {
    /// A structure, written as JSON, CBOR or the XML of awsQuery.
    Tree(serde_json::Value),
    /// The XML inside `<ActionResult>`.
    Xml(crate::protocol::Xml),
    /// A whole answer, as S3 needs it.
    Whole(Reply),
}

pub(crate) use answer::Reply as WholeReply;
pub(crate) type Served = Result<Answer, AwsError>;
