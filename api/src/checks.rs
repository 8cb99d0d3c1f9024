//! Tries each dependency and says for each: ok, took how long, or why not.

use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::storage::{Schema, Store};

/// A dependency that takes longer is as good as gone.
const CHECK_TIME_MAX: Duration = Duration::from_secs(5);

/// What all checks found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    pub(crate) checks: Vec<Check>,
}

/// What one check found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) ok: bool,
    pub(crate) duration_ms: u64,
    /// What was found, or why it is not ok; for operators only.
    pub(crate) detail: String,
}

/// Tries the database: a connection, and a schema that this release can serve on.
pub(crate) async fn run(store: &dyn Store) -> Report {
    let started = Instant::now();
    let outcome = match tokio::time::timeout(CHECK_TIME_MAX, store.schema()).await {
        Ok(Ok(Schema::Current)) => Ok("the schema is that of this release".to_owned()),
        Ok(Ok(Schema::Newer)) => Ok("the schema is that of a later release".to_owned()),
        Ok(Ok(Schema::Behind)) => {
            Err("migrations are pending: run opsconsole-api migrate".to_owned())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CHECK_TIME_MAX.as_secs())),
    };
    let checks = vec![Check {
        name: "database",
        ok: outcome.is_ok(),
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        detail: outcome.unwrap_or_else(|reason| reason),
    }];
    Report {
        ok: checks.iter().all(|check| check.ok),
        checks,
    }
}
