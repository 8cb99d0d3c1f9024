//! What the handlers share: who this process is, its store, its measures, its state of life.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::auth::Doorkeeper;
use crate::faults::Misbehaviour;
use crate::flags::Flags;
use crate::items::ItemCache;
use crate::jobs::{Signals, Tools};
use crate::metrics::Metrics;
use crate::otlp::Traces;
use crate::rate_limit::RateLimit;
use crate::settings::{Generation, Settings};
use crate::storage::{Store, Timed};

/// A cheap handle on what all requests share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// See [`App`].
pub(crate) struct Shared {
    pub(crate) about: About,
    pub(crate) store: Box<dyn Store>,
    pub(crate) metrics: Metrics,
    pub(crate) faults: Misbehaviour,
    pub(crate) door: Doorkeeper,
    pub(crate) flags: Flags,
    pub(crate) cache: Option<ItemCache>,
    pub(crate) traces: Option<Traces>,
    /// Nothing where callers may send as much as they like.
    pub(crate) rate_limit: Option<RateLimit>,
    /// The origins whose pages may read our answers.
    pub(crate) cors_origins: Vec<String>,
    /// How content is generated.
    pub(crate) generation: Generation,
    pub(crate) tools: Tools,
    pub(crate) signals: Signals,
    schema: watch::Sender<bool>,
    /// Rung when the schema was found to be behind, so that it is brought up again.
    pub(crate) migration_wanted: Notify,
    pub(crate) request_time_max: Duration,
    draining: CancellationToken,
}

/// Who this process is.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) release: String,
    pub(crate) git_sha: String,
    pub(crate) environment: String,
    pub(crate) started_at: Timestamp,
    pub(crate) started: Instant,
}

impl App {
    pub(crate) fn new(settings: &Settings, store: Box<dyn Store>) -> Self {
        Self::with_time_limit(settings, store, settings.request_time_max)
    }

    /// An app whose requests are given up after `request_time_max`.
    pub(crate) fn with_time_limit(
        settings: &Settings,
        store: Box<dyn Store>,
        request_time_max: Duration,
    ) -> Self {
        let about = About {
            release: settings.release.clone(),
            git_sha: settings.git_sha.clone(),
            environment: settings.environment.clone(),
            started_at: Timestamp::now(),
            started: Instant::now(),
        };
        // Both are extras: without them the service serves.
        let cache = settings.cache.as_ref().and_then(|cache| {
            ItemCache::new(cache, request_time_max)
                .inspect_err(|error| tracing::error!(%error, "nothing is cached"))
                .ok()
        });
        let traces = settings.otlp.as_ref().and_then(|otlp| {
            Traces::new(otlp, &about)
                .inspect_err(|error| tracing::error!(error, "no traces are sent"))
                .ok()
        });
        let metrics = Metrics::new(&about, cache.as_ref().map(ItemCache::collector));
        Self(Arc::new(Shared {
            tools: Tools::new(&settings.generation, &metrics.calls),
            metrics,
            cache,
            traces,
            about,
            store: Box::new(Timed::new(store, settings.database_url.backend())),
            faults: Misbehaviour::new(settings.faults.clone()),
            door: Doorkeeper::new(settings),
            flags: Flags::new(&settings.flags, &settings.environment),
            rate_limit: settings.rate_limit_per_second.map(RateLimit::new),
            cors_origins: settings.cors_origins.clone(),
            migration_wanted: Notify::new(),
            request_time_max,
            draining: CancellationToken::new(),
            generation: settings.generation.clone(),
            signals: Signals::new(),
            schema: watch::Sender::new(false),
        }))
    }

    /// From now on this process asks for no more traffic.
    pub(crate) fn start_draining(&self) {
        self.0.draining.cancel();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    /// Waits until this process asks for no more traffic.
    pub(crate) async fn stopping(&self) {
        self.0.draining.cancelled().await;
    }

    /// From now on the schema is one that this release can work on.
    pub(crate) fn note_schema(&self) {
        self.0.schema.send_replace(true);
    }

    /// Waits for [`Self::note_schema`].
    pub(crate) async fn schema_is_up(&self) {
        // The sender lives as long as we do.
        let _ = self.0.schema.subscribe().wait_for(|is_up| *is_up).await;
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
