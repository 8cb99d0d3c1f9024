//! What browsers need to hear: which origins may read answers, and what answers may do.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;

/// How long a browser may keep the answer to a preflight request, in seconds.
const PREFLIGHT_SECONDS: &str = "600";
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const ASKABLE: &str =
    "authorization, content-type, if-match, if-none-match, idempotency-key, x-request-id";
const READABLE: &str = "etag, location, retry-after, x-request-id, ratelimit-limit, \
                        ratelimit-remaining, ratelimit-reset, idempotency-replayed";

/// Answers preflight requests of origins on the allow-list and marks answers to them. Other
/// origins get no header: their browsers then refuse. (fetch.spec.whatwg.org §3.3)
pub(crate) async fn cors(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.cors_origins.is_empty() {
        return next.run(request).await;
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.filter(|origin| {
        app.cors_origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_bytes())
    });
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&allowed, is_preflight) {
        (Some(_), true) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            let headers = response.headers_mut();
            for (name, value) in [
                (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, ASKABLE),
                (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
            ] {
                headers.insert(name, HeaderValue::from_static(value));
            }
            response
        }
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    // Caches must not give one origin's answer to another.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(READABLE),
        );
    }
    response
}

/// The headers of the OWASP REST security cheat sheet, on every answer that has none of
/// its own.
pub(crate) fn add_security_headers(response: &mut Response) {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}
