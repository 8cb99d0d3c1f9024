//! What `/metrics` shows, in the Prometheus text format, named after the OpenTelemetry
//! semantic conventions for HTTP servers and database clients.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus::core::Collector;
use prometheus::{
    Counter, Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{About, App};
use crate::jobs::JobMeasures;
use crate::problem::ApiError;
use crate::vendors::CallSeconds;

/// From 1 ms to 10 s, dense where an alarm on p95 is likely to sit.
const SECONDS_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
];

/// Without the queue a scrape is worth more than too late.
const QUEUE_TIME_MAX: Duration = Duration::from_millis(500);

/// The measures of one process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    pub(crate) in_flight: IntGauge,
    pub(crate) items_created: IntCounter,
    pub(crate) jobs: JobMeasures,
    pub(crate) calls: CallSeconds,
    connections: GaugeVec,
    connections_max: GaugeVec,
    connection_errors: IntCounter,
    resident_memory_bytes: IntGauge,
    cpu_seconds: Counter,
}

impl Metrics {
    pub(crate) fn new(about: &About, cache: Option<Box<dyn Collector>>) -> Self {
        let build = Opts::new(
            "opsconsole_api_build_info",
            "Which release this is; always 1.",
        )
        .const_label("release", about.release.as_str())
        .const_label("git_sha", about.git_sha.as_str())
        .const_label("environment", about.environment.as_str());
        let labels = ["route", "method", "status"];
        let metrics = Self {
            registry: Registry::new(),
            requests: made(IntCounterVec::new(
                Opts::new("http_server_requests_total", "Requests answered."),
                &labels,
            )),
            seconds: made(HistogramVec::new(
                HistogramOpts::new(
                    "http_server_request_duration_seconds",
                    "Time from the head of a request to the head of its answer.",
                )
                .buckets(SECONDS_BUCKETS.to_vec()),
                &labels,
            )),
            in_flight: made(IntGauge::new(
                "http_server_active_requests",
                "Requests being worked on now.",
            )),
            items_created: made(IntCounter::new(
                "opsconsole_api_items_created_total",
                "Items stored since the start.",
            )),
            jobs: made(JobMeasures::new()),
            calls: made(CallSeconds::new()),
            connections: made(GaugeVec::new(
                Opts::new("db_client_connection_count", "Open database connections."),
                &["pool", "state"],
            )),
            connections_max: made(GaugeVec::new(
                Opts::new(
                    "db_client_connection_max",
                    "The most database connections that are opened.",
                ),
                &["pool"],
            )),
            connection_errors: made(IntCounter::new(
                "db_client_connection_errors_total",
                "Failures to reach the database or to get a connection to it.",
            )),
            cpu_seconds: made(Counter::new(
                "process_cpu_seconds_total",
                "Processor time that this process has used, in user and kernel.",
            )),
            resident_memory_bytes: made(IntGauge::new(
                "process_resident_memory_bytes",
                "Memory of this process that is in RAM.",
            )),
        };
        let build_info = made(IntGauge::with_opts(build));
        build_info.set(1);
        let start = made(IntGauge::new(
            "process_start_time_seconds",
            "When this process started, in seconds since 1970.",
        ));
        start.set(about.started_at.as_second());
        let collectors: [Box<dyn Collector>; 11] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.seconds.clone()),
            Box::new(metrics.in_flight.clone()),
            Box::new(metrics.items_created.clone()),
            Box::new(metrics.connections.clone()),
            Box::new(metrics.connections_max.clone()),
            Box::new(metrics.resident_memory_bytes.clone()),
            Box::new(metrics.connection_errors.clone()),
            Box::new(metrics.cpu_seconds.clone()),
            Box::new(build_info),
            Box::new(start),
        ];
        let others = metrics.jobs.collectors().into_iter();
        let others = others.chain([metrics.calls.collector()]).chain(cache);
        for collector in collectors.into_iter().chain(others) {
            made(metrics.registry.register(collector));
        }
        metrics
    }

    /// Counts one request. `route` is the pattern that matched, never the path: paths come
    /// from outside and would make a series each.
    pub(crate) fn record(&self, route: &str, method: &str, status: &str, duration: Duration) {
        let labels = [route, method, status];
        self.requests.with_label_values(&labels).inc();
        self.seconds
            .with_label_values(&labels)
            .observe(duration.as_secs_f64());
    }
}

#[cfg(test)]
impl Metrics {
    /// How many requests were answered like this.
    pub(crate) fn answered(&self, route: &str, method: &str, status: &str) -> u64 {
        self.requests
            .with_label_values(&[route, method, status])
            .get()
    }
}

/// The route of the scraper.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(scrape))
}

/// What this process has measured, in the Prometheus text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    operation_id = "scrape_metrics",
    responses((status = 200, description = "All series.", body = String, content_type = "text/plain")),
)]
async fn scrape(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let metrics = &app.metrics;
    for pool in app.store.pools() {
        let count = |state| metrics.connections.with_label_values(&[pool.name, state]);
        count("used").set(pool.used as f64);
        count("idle").set(pool.idle as f64);
        metrics
            .connections_max
            .with_label_values(&[pool.name])
            .set(f64::from(pool.max));
    }
    let queue = tokio::time::timeout(QUEUE_TIME_MAX, app.store.queue()).await;
    metrics.jobs.show(queue.ok().and_then(Result::ok));
    // Both only grow, so the difference to what was shown last is what to add.
    let errors = app.store.connection_errors();
    metrics
        .connection_errors
        .inc_by(errors.saturating_sub(metrics.connection_errors.get()));
    if let Some(seconds) = cpu_seconds() {
        metrics
            .cpu_seconds
            .inc_by((seconds - metrics.cpu_seconds.get()).max(0.0));
    }
    if let Some(bytes) = resident_memory_bytes() {
        metrics.resident_memory_bytes.set(bytes);
    }
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    encoder
        .encode(&metrics.registry.gather(), &mut text)
        .map_err(|error| ApiError::Internal {
            cause: format!("metrics cannot be written: {error}"),
        })?;
    Ok((
        [(header::CONTENT_TYPE, encoder.format_type().to_owned())],
        text,
    ))
}

/// From the kernel, where it tells (Linux: proc(5), `VmRSS`).
fn resident_memory_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// From the kernel, where it tells (Linux: proc(5), `utime` and `stime`, in ticks of 1/100 s:
/// `USER_HZ` is 100 on every architecture that this runs on).
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program lies in parentheses and may hold blanks; fields 14 and 15 are
    // the 12th and 13th after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(f64::from(user + system) / 100.0)
}

/// Names and labels are constants above, so a refusal is a defect that the first test finds.
fn made<T>(result: prometheus::Result<T>) -> T {
    result.expect("metric names and labels are valid and distinct")
}
