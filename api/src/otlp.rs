//! Sends a span for each request, each attempt at a job, and each call that they make to a
//! collector (OTLP over HTTP, in protobuf).

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
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, SdkTracer, SdkTracerProvider,
    ShouldSample,
};
use tokio::runtime::Handle;

use crate::about::{SERVICE, instance};
use crate::app::About;
use crate::calls::{self, Trail};
use crate::settings::Otlp;
use crate::trace::Parent;

/// A collector that takes longer loses a batch.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Gathers spans and sends them in batches from a thread of its own.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Of the traces that start here, the share that is kept.
    ratio: f64,
}

/// What is told of a request. Names are those of the semantic conventions for HTTP servers
/// (opentelemetry.io/docs/specs/semconv/http/http-spans).
pub(crate) struct RequestSpan<'a> {
    /// The trace as it is in the log.
    pub(crate) trace: &'a str,
    /// The caller's span, if it sent one.
    pub(crate) parent: Option<&'a Parent>,
    /// What it has called; nothing where its trace is not kept.
    pub(crate) trail: Option<&'a Trail>,
    pub(crate) request_id: &'a str,
    pub(crate) method: &'static str,
    pub(crate) route: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
    /// For operators.
    pub(crate) error: Option<&'a str>,
}

/// What is told of an attempt at a job. It is a part of the trace of the request that made the
/// job, under that request's span where the request was traced.
pub(crate) struct AttemptSpan<'a> {
    pub(crate) trail: &'a Trail,
    pub(crate) parent: Option<&'a Parent>,
    pub(crate) job_id: String,
    pub(crate) attempt: i64,
    pub(crate) started: SystemTime,
    /// The state of the job after it; nothing where it was lost to another worker.
    pub(crate) state: Option<&'static str>,
    /// Why it failed.
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
        Ok(Self {
            provider,
            tracer,
            ratio,
        })
    }

    /// The calls of a request or an attempt of this trace, where it is kept.
    pub(crate) fn trail(&self, trace: &str, parent: Option<&Parent>) -> Option<Trail> {
        let trace = TraceId::from_hex(trace).ok()?;
        let is_kept = parent.map_or_else(
            || {
                let sampler = Sampler::TraceIdRatioBased(self.ratio);
                let kind = SpanKind::Server;
                let outcome = sampler.should_sample(None, trace, "", &kind, &[], &[]);
                outcome.decision == SamplingDecision::RecordAndSample
            },
            |parent| parent.is_sampled,
        );
        is_kept.then(|| Trail::new(trace, calls::fresh_id()))
    }

    /// Notes an attempt that has just ended.
    pub(crate) fn record_attempt(&self, attempt: &AttemptSpan<'_>) {
        let mut builder = SpanBuilder::from_name("attempt job");
        builder.span_kind = Some(SpanKind::Consumer);
        builder.start_time = Some(attempt.started);
        let mut attributes = vec![
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.message.id", attempt.job_id.clone()),
            KeyValue::new("opsconsole.job.attempt", attempt.attempt),
        ];
        attributes.extend(
            attempt
                .state
                .map(|state| KeyValue::new("opsconsole.job.state", state)),
        );
        builder.attributes = Some(attributes);
        let trail = attempt.trail;
        let parent = attempt
            .parent
            .and_then(|parent| remote(trail.trace, parent));
        let mut span = self.span(
            builder,
            trail.trace,
            trail.span,
            &parent.unwrap_or_default(),
        );
        if let Some(error) = attempt.error {
            span.set_status(Status::error(error.to_owned()));
        }
        span.end();
        self.record_calls(trail);
    }

    /// Notes the calls made in a span that has just ended.
    fn record_calls(&self, trail: &Trail) {
        let sampled = TraceFlags::SAMPLED;
        let context = SpanContext::new(
            trail.trace,
            trail.span,
            sampled,
            false,
            TraceState::default(),
        );
        let parent = Context::new().with_remote_span_context(context);
        for call in trail.take() {
            let mut builder = SpanBuilder::from_name(call.name);
            builder.span_kind = Some(SpanKind::Client);
            builder.start_time = Some(call.started);
            builder.attributes = Some(call.attributes);
            let mut span = self.span(builder, trail.trace, call.id, &parent);
            if let Some(error) = call.error {
                span.set_status(Status::error(error));
            }
            span.end_with_timestamp(call.ended);
        }
    }

    /// Begins a span with an id that is known already.
    fn span(
        &self,
        builder: SpanBuilder,
        trace: TraceId,
        id: SpanId,
        parent: &Context,
    ) -> impl Span + use<> {
        NEXT.set(Some((trace, id)));
        let span = self.tracer.build_with_context(builder, parent);
        NEXT.set(None);
        span
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
        let parent = request.parent.and_then(|parent| remote(trace, parent));
        let id = request
            .trail
            .map_or_else(calls::fresh_id, |trail| trail.span);
        let mut span = self.span(builder, trace, id, &parent.unwrap_or_default());
        // Callers' own mistakes are no errors of the server (semantic conventions, "Status").
        if request.status >= 500 {
            let reason = request.error.unwrap_or_default().to_owned();
            span.set_status(Status::error(reason));
        }
        span.end_with_timestamp(ended);
        if let Some(trail) = request.trail {
            self.record_calls(trail);
        }
    }

    /// Sends what is left. Blocks until it is sent or the collector does not take it.
    pub(crate) fn finish(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(ANSWER_TIME_MAX) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Another's span, as the parent of one of ours.
fn remote(trace: TraceId, parent: &Parent) -> Option<Context> {
    let flags = if parent.is_sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    let span = SpanId::from_hex(&parent.span).ok()?;
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    Some(Context::new().with_remote_span_context(context))
}

thread_local! {
    /// The ids of the span about to be made here.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// A trace that starts here has the id that the log and the answer have already, and a span
/// the one that was sent along with its calls.
#[derive(Debug)]
struct OurIds(RandomIdGenerator);

impl IdGenerator for OurIds {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get()
            .map_or_else(|| self.0.new_span_id(), |(_, span)| span)
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
