//! Sends a span for each request to a collector (OTLP over HTTP, in protobuf).

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::{Request, Response};
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SdkTracer, SdkTracerProvider,
};
use tokio::runtime::Handle;

use crate::about::{SERVICE, instance};
use crate::app::About;
use crate::settings::Otlp;
use crate::trace::Parent;

/// A collector that takes longer loses a batch.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Gathers spans and sends them in batches from a thread of its own.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// What is told of a request. Names are those of the semantic conventions for HTTP servers
/// (opentelemetry.io/docs/specs/semconv/http/http-spans).
pub(crate) struct RequestSpan<'a> {
    /// The trace as it is in the log.
    pub(crate) trace: &'a str,
    /// The caller's span, if it sent one.
    pub(crate) parent: Option<&'a Parent>,
    pub(crate) request_id: &'a str,
    pub(crate) method: &'static str,
    pub(crate) route: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
    /// For operators.
    pub(crate) error: Option<&'a str>,
}

impl Traces {
    /// Prepares the export. Must be called inside the runtime that is to send.
    ///
    /// # Errors
    /// The exporter or TLS cannot be set up.
    pub(crate) fn new(settings: &Otlp, about: &About) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .timeout(ANSWER_TIME_MAX)
            .build()
            .map_err(|error| error.to_string())?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OnRuntime {
                client,
                runtime: Handle::current(),
            })
            .with_endpoint(&settings.endpoint)
            .with_timeout(ANSWER_TIME_MAX)
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attributes([
                KeyValue::new("service.version", about.release.clone()),
                KeyValue::new("service.instance.id", instance()),
                KeyValue::new("deployment.environment.name", about.environment.clone()),
            ])
            .build();
        let ratio = f64::from(settings.sample_percent) / 100.0;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_id_generator(OurIds(RandomIdGenerator::default()))
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                ratio,
            ))))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer(SERVICE);
        Ok(Self { provider, tracer })
    }

    /// Notes a request that has just ended.
    pub(crate) fn record(&self, request: &RequestSpan<'_>) {
        let Ok(trace) = TraceId::from_hex(request.trace) else {
            return;
        };
        let ended = SystemTime::now();
        let mut builder = SpanBuilder::from_name(format!("{} {}", request.method, request.route));
        builder.span_kind = Some(SpanKind::Server);
        builder.start_time = Some(ended - request.duration);
        builder.attributes = Some(vec![
            KeyValue::new("http.request.method", request.method),
            KeyValue::new("http.route", request.route.to_owned()),
            KeyValue::new("url.path", request.path.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(request.status)),
            KeyValue::new("opsconsole.request_id", request.request_id.to_owned()),
        ]);
        let parent = request.parent.and_then(|parent| {
            let flags = if parent.is_sampled {
                TraceFlags::SAMPLED
            } else {
                TraceFlags::default()
            };
            let span = SpanId::from_hex(&parent.span).ok()?;
            let context = SpanContext::new(trace, span, flags, true, TraceState::default());
            Some(Context::new().with_remote_span_context(context))
        });
        NEXT_TRACE.set(Some(trace));
        let mut span = self
            .tracer
            .build_with_context(builder, &parent.unwrap_or_default());
        NEXT_TRACE.set(None);
        // Callers' own mistakes are no errors of the server (semantic conventions, "Status").
        if request.status >= 500 {
            let reason = request.error.unwrap_or_default().to_owned();
            span.set_status(Status::error(reason));
        }
        span.end_with_timestamp(ended);
    }

    /// Sends what is left. Blocks until it is sent or the collector does not take it.
    pub(crate) fn finish(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(ANSWER_TIME_MAX) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

thread_local! {
    /// The id that the span about to be made here belongs to.
    static NEXT_TRACE: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// A trace that starts here has the id that the log and the answer have already.
#[derive(Debug)]
struct OurIds(RandomIdGenerator);

impl IdGenerator for OurIds {
    fn new_trace_id(&self) -> TraceId {
        NEXT_TRACE.get().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

/// The batches are sent from a thread without a runtime; the client needs one.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let response = client.execute(request.try_into()?).await?;
            let status = response.status();
            let headers = response.headers().clone();
            let mut answer = Response::new(response.bytes().await?);
            *answer.status_mut() = status;
            *answer.headers_mut() = headers;
            Ok(answer)
        });
        let outcome: Result<_, reqwest::Error> = sending.await?;
        if let Err(error) = &outcome {
            tracing::warn!(%error, "traces were not sent");
        }
        Ok(outcome?)
    }
}
