//! The data plane of the load balancers: a reverse proxy per environment that sends requests to
//! healthy tasks and counts what came of them.

mod body;
mod health;
mod ports;
mod targets;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::PathAndQuery;
use axum::http::{Method, Response, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

pub use ports::{bind_stable, free_port};
pub use targets::{HealthCheck, HealthState, Picked, Target, TargetGroupTargets};

use crate::cloudwatch::MetricStore;
use crate::protocol::now_ms;

/// The largest request body that is passed on; it is held whole, so that it can be sent again.
const REQUEST_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An Application Load Balancer gives a target this long to answer.
const TARGET_TIMEOUT: Duration = Duration::from_secs(60);

/// How many targets are tried for one request.
const ATTEMPTS_MAX: usize = 4;

/// How connections to targets are made and kept.
pub type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// A client for targets on this machine.
pub fn http_client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(1)));
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(10))
        .build(connector)
}

/// What one listener needs: its targets, and the names its measurements go under.
pub struct Route {
    /// The targets.
    pub targets: Arc<TargetGroupTargets>,
    /// The `LoadBalancer` dimension: `app/dev/0123456789abcdef`.
    pub load_balancer: String,
    /// The `TargetGroup` dimension: `targetgroup/api-dev/0123456789abcdef`.
    pub target_group: String,
    /// Where measurements go.
    pub metrics: Arc<MetricStore>,
    /// How targets are reached.
    pub client: HttpClient,
}

/// Serves one listener until the process ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, route: Arc<Route>) -> std::io::Result<()> {
    let app = axum::Router::new()
        .fallback(forward)
        .with_state(route)
        .into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await
}

/// Passes one request on to a healthy target, and to another one when the first cannot be
/// reached: nothing has been processed then. A request that may safely be sent twice (RFC 9110,
/// section 9.2.2) is also sent again when its connection breaks before an answer.
async fn forward(State(route): State<Arc<Route>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let client = parts
        .extensions
        .get::<axum::extract::ConnectInfo<SocketAddr>>()
        .map(|info| info.0);
    let Ok(body) = Limited::new(body, REQUEST_BODY_BYTES_MAX).collect().await else {
        return plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the request body is too large",
        );
    };
    let body = body.to_bytes();
    let mut headers = parts.headers;
    let host_port = headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .and_then(|h| h.rsplit_once(':'))
        .map(|(_, port)| port.to_owned());
    prepare_headers(&mut headers, client, host_port.as_deref());
    let path = parts
        .uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));

    let mut tried: Vec<u16> = Vec::new();
    while tried.len() < ATTEMPTS_MAX {
        let Some(target) = route.targets.pick(&tried) else {
            break;
        };
        tried.push(target.port);
        let Some(outgoing) = outgoing(&parts.method, target.port, &path, &headers, &body) else {
            return plain(StatusCode::BAD_REQUEST, "the request cannot be passed on");
        };
        let began = Instant::now();
        match tokio::time::timeout(TARGET_TIMEOUT, route.client.request(outgoing)).await {
            Ok(Ok(answer)) => {
                route.count_answer(answer.status(), began.elapsed());
                return passed_back(answer, target);
            }
            Ok(Err(error)) => {
                route.count("TargetConnectionErrorCount", 1.0);
                if !error.is_connect() && !parts.method.is_idempotent() {
                    break;
                }
            }
            Err(_) => {
                route.count("RequestCount", 1.0);
                return route.own_error(StatusCode::GATEWAY_TIMEOUT);
            }
        }
    }
    let status = if tried.is_empty() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        route.count("RequestCount", 1.0);
        StatusCode::BAD_GATEWAY
    };
    route.own_error(status)
}

fn outgoing(
    method: &Method,
    port: u16,
    path: &PathAndQuery,
    headers: &HeaderMap,
    body: &Bytes,
) -> Option<Request<Full<Bytes>>> {
    let uri = Uri::builder()
        .scheme("http")
        .authority(SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string())
        .path_and_query(path.clone())
        .build()
        .ok()?;
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers.clone();
    Some(request)
}

fn passed_back(answer: Response<hyper::body::Incoming>, target: Picked) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    remove_hop_by_hop(&mut parts.headers);
    // The target stays busy, and so is not stopped while draining, until its last byte is out.
    Response::from_parts(parts, Body::new(body::Held::new(body, target)))
}

/// Headers that are about one connection only (RFC 9110, section 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
    ] {
        headers.remove(name);
    }
}

/// What a load balancer adds: who asked, how, at which port, and an id to follow the request by.
fn prepare_headers(headers: &mut HeaderMap, client: Option<SocketAddr>, port: Option<&str>) {
    remove_hop_by_hop(headers);
    // The body is held whole and sent with its own length.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT);
    if let Some(address) = client {
        let before = headers
            .get("x-forwarded-for")
            .and_then(|v| v.to_str().ok())
            .map(|v| format!("{v}, "))
            .unwrap_or_default();
        set(
            headers,
            "x-forwarded-for",
            &format!("{before}{}", address.ip()),
        );
    }
    set(headers, "x-forwarded-proto", "http");
    if let Some(port) = port {
        set(headers, "x-forwarded-port", port);
    }
    if !headers.contains_key("x-amzn-trace-id") {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let seconds = now_ms() / 1000;
        set(
            headers,
            "x-amzn-trace-id",
            &format!("Root=1-{seconds:08x}-{}", &id[..24]),
        );
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{} {text}\n", status.as_u16())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Names and units: the page "CloudWatch metrics for your Application Load Balancer".
impl Route {
    fn count_answer(&self, status: StatusCode, took: Duration) {
        self.count("RequestCount", 1.0);
        self.count("TargetResponseTime", took.as_secs_f64());
        let name = match status.as_u16() {
            200..300 => "HTTPCode_Target_2XX_Count",
            300..400 => "HTTPCode_Target_3XX_Count",
            400..500 => "HTTPCode_Target_4XX_Count",
            _ => "HTTPCode_Target_5XX_Count",
        };
        self.count(name, 1.0);
    }

    /// An error that the load balancer itself answers with.
    fn own_error(&self, status: StatusCode) -> Response<Body> {
        self.count("HTTPCode_ELB_5XX_Count", 1.0);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                self.count("HTTPCode_ELB_503_Count", 1.0);
                plain(status, "no healthy target")
            }
            StatusCode::GATEWAY_TIMEOUT => {
                self.count("HTTPCode_ELB_504_Count", 1.0);
                plain(status, "the target did not answer in time")
            }
            _ => {
                self.count("HTTPCode_ELB_502_Count", 1.0);
                plain(status, "the target broke the connection")
            }
        }
    }

    fn count(&self, name: &str, value: f64) {
        let at = now_ms();
        let balancer = ("LoadBalancer", self.load_balancer.as_str());
        let group = ("TargetGroup", self.target_group.as_str());
        for dimensions in [&[balancer][..], &[balancer, group][..]] {
            self.metrics
                .record("AWS/ApplicationELB", name, dimensions, at, value);
        }
    }

    /// Records how many targets are healthy now.
    pub fn count_hosts(&self) {
        let (healthy, unhealthy) = self.targets.host_counts();
        self.count("HealthyHostCount", healthy as f64);
        self.count("UnHealthyHostCount", unhealthy as f64);
    }
}
