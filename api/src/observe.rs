//! Around every request: its id, its time limit, its measures, and its one line in the log.

use std::time::{Duration, Instant};

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::auth::Principal;
use crate::browsers;
use crate::calls::Calls;
use crate::health::PROBES;
use crate::otlp::RequestSpan;
use crate::problem::{self, ApiError, Cause};
use crate::request_id::{self, RequestId};
use crate::trace::{Parent, TraceId};

/// Path and query together; RFC 9110 §4.1 recommends to take at least 8,000 bytes.
const URI_BYTES_MAX: usize = 8 * 1024;
/// All headers together; several times what browsers and proxies send.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How much of a path goes into the log.
const LOGGED_PATH_CHARS_MAX: usize = 512;
/// The caller went away before the answer: nginx's name for a status that is never sent.
const STATUS_CLIENT_GONE: u16 = 499;

/// Where no route matches: paths come from outside and would make a series each.
const NO_ROUTE: &str = "unmatched";
/// OpenTelemetry's name for a method outside RFC 9110 and RFC 5789, or for none.
const OTHER_METHOD: &str = "_OTHER";

/// The outermost layer. Whatever happens below leaves here as an answer with the request's
/// id, and if it is an error, as a problem document.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = RequestId::from_headers(request.headers());
    let trace = TraceId::from_headers(request.headers());
    request.extensions_mut().insert(trace.clone());
    let record = Record::start(&app, &id, trace, &request);
    let mut response = id
        .clone()
        .scope(record.calls.clone().scope(answer(&app, request, next)))
        .await;
    if app.is_draining() {
        // Kept connections must move to another instance while this one still listens.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    mark(&mut response, &id);
    let cause = response.extensions().get::<Cause>().cloned();
    let principal = response.extensions().get::<Principal>().cloned();
    record.finish(
        response.status().as_u16(),
        cause.as_ref(),
        principal.as_ref(),
    );
    response
}

/// The same for what never became a request: `refuse` makes the answer.
pub(crate) fn unreadable(app: &App, refuse: impl FnOnce() -> Response) -> Response {
    let id = RequestId::new();
    let mut response = id.clone().sync_scope(refuse);
    mark(&mut response, &id);
    let (method, route, status) = (OTHER_METHOD, NO_ROUTE, response.status().as_u16());
    let text = status_text(status);
    app.metrics
        .record(route, method, text.as_ref(), Duration::ZERO);
    let error = response.extensions().get::<Cause>().map(|cause| &*cause.0);
    tracing::info!(
        request_id = id.as_str(),
        method,
        route,
        status,
        error,
        "request"
    );
    response
}

fn mark(response: &mut Response, id: &RequestId) {
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, id.header_value());
    browsers::add_security_headers(response);
}

async fn answer(app: &App, request: Request, next: Next) -> Response {
    let uri_bytes = request
        .uri()
        .path_and_query()
        .map_or(0, |text| text.as_str().len());
    if uri_bytes > URI_BYTES_MAX {
        return ApiError::UriTooLong.into_response();
    }
    let head_bytes: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if head_bytes > HEAD_BYTES_MAX {
        return ApiError::HeadTooLarge.into_response();
    }
    if is_encoded(&request) {
        return ApiError::EncodedBody.into_response();
    }
    match tokio::time::timeout(app.request_time_max, next.run(request)).await {
        Ok(response) => as_problem(response),
        Err(_) => ApiError::TimedOut.into_response(),
    }
}

fn is_encoded(request: &Request) -> bool {
    let codings = request.headers().get_all(header::CONTENT_ENCODING);
    let is_encoded = codings
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    is_encoded && !request.body().is_end_stream()
}

/// Replaces an error answer that some library below made in its own format.
fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let media_type = response.headers().get(header::CONTENT_TYPE);
    if !is_error || media_type.is_some_and(|value| value == problem::MEDIA_TYPE) {
        return response;
    }
    let mut replaced = match status {
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed,
        StatusCode::NOT_FOUND => ApiError::PathNotFound,
        status => ApiError::Plain(status),
    }
    .into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        replaced.headers_mut().insert(header::ALLOW, allow.clone());
    }
    replaced
}

/// Turns a panic into an answer. Its message is in the log already, by the panic hook.
pub(crate) fn panicked(payload: Box<dyn std::any::Any + Send>) -> Response {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    ApiError::Internal {
        cause: format!("panic: {message}"),
    }
    .into_response()
}

/// What is known of a request at its start. It is counted and logged exactly once, also when
/// its caller goes away and the future is dropped in the middle.
struct Record {
    app: App,
    id: RequestId,
    trace: TraceId,
    route: Option<MatchedPath>,
    method: Method,
    path: String,
    /// Only looked for where traces are sent.
    parent: Option<Parent>,
    started: Instant,
    calls: Calls,
    is_finished: bool,
}

impl Record {
    fn start(app: &App, id: &RequestId, trace: TraceId, request: &Request) -> Self {
        app.metrics.in_flight.inc();
        let traces = app.traces.as_ref();
        let parent = traces.and_then(|_| Parent::from_headers(request.headers()));
        let trail = traces.and_then(|traces| traces.trail(trace.as_str(), parent.as_ref()));
        Self {
            app: app.clone(),
            id: id.clone(),
            trace,
            route: request.extensions().get::<MatchedPath>().cloned(),
            method: request.method().clone(),
            // Without the query, where callers put what should not be kept.
            path: request
                .uri()
                .path()
                .chars()
                .take(LOGGED_PATH_CHARS_MAX)
                .collect(),
            parent,
            started: Instant::now(),
            calls: trail.map_or_else(Calls::default, Calls::traced),
            is_finished: false,
        }
    }

    fn finish(mut self, status: u16, cause: Option<&Cause>, principal: Option<&Principal>) {
        self.write(
            status,
            cause.map(|cause| &*cause.0),
            principal.map(|principal| principal.name.as_str()),
        );
    }

    fn write(&mut self, status: u16, error: Option<&str>, principal: Option<&str>) {
        self.is_finished = true;
        let duration = self.started.elapsed();
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let method = known_method(&self.method);
        let metrics = &self.app.metrics;
        metrics.in_flight.dec();
        metrics.record(route, method, status_text(status).as_ref(), duration);
        // Microseconds are as fine as anyone reads them.
        let duration_ms = duration.as_micros() as f64 / 1000.0;
        if let Some(traces) = &self.app.traces {
            traces.record(&RequestSpan {
                trace: self.trace.as_str(),
                parent: self.parent.as_ref(),
                trail: self.calls.trail(),
                request_id: self.id.as_str(),
                method,
                route,
                path: &self.path,
                status,
                duration,
                error,
            });
        }
        let db_ms = self.calls.database_time().as_micros() as f64 / 1000.0;
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    request_id = self.id.as_str(),
                    trace_id = self.trace.as_str(),
                    principal,
                    method,
                    route,
                    path = self.path.as_str(),
                    status,
                    duration_ms,
                    db_ms,
                    error,
                    "request"
                )
            };
        }
        match status {
            503 => line!(tracing::Level::WARN),
            500.. => line!(tracing::Level::ERROR),
            ..400 if PROBES.contains(&route) => line!(tracing::Level::DEBUG),
            _ => line!(tracing::Level::INFO),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.is_finished {
            self.write(STATUS_CLIENT_GONE, Some("the caller went away"), None);
        }
    }
}

fn status_text(status: u16) -> std::borrow::Cow<'static, str> {
    match status {
        200 => "200".into(),
        201 => "201".into(),
        other => other.to_string().into(),
    }
}

/// Methods outside RFC 9110 and RFC 5789 share one label: callers can make up any.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => OTHER_METHOD,
    }
}
