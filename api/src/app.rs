//! What the handlers share: who this process is, its store, its measures, its state of life.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::auth::Doorkeeper;
use crate::faults::Misbehaviour;
use crate::flags::Flags;
use crate::metrics::Metrics;
use crate::rate_limit::RateLimit;
use crate::settings::Settings;
use crate::storage::Store;

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
    /// Nothing where callers may send as much as they like.
    pub(crate) rate_limit: Option<RateLimit>,
    /// The origins whose pages may read our answers.
    pub(crate) cors_origins: Vec<String>,
    /// Rung when the schema was found to be behind, so that it is brought up again.
    pub(crate) migration_wanted: Notify,
    pub(crate) request_time_max: Duration,
    draining: AtomicBool,
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
        Self(Arc::new(Shared {
            metrics: Metrics::new(&about),
            about,
            store,
            faults: Misbehaviour::new(settings.faults.clone()),
            door: Doorkeeper::new(settings),
            flags: Flags::new(&settings.flags, &settings.environment),
            rate_limit: settings.rate_limit_per_second.map(RateLimit::new),
            cors_origins: settings.cors_origins.clone(),
            migration_wanted: Notify::new(),
            request_time_max,
            draining: AtomicBool::new(false),
        }))
    }

    /// From now on this process asks for no more traffic.
    pub(crate) fn start_draining(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
