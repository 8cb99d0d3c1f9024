//! Removes jobs that have been over for long. What they have made stays in the content store,
//! whose own rules say for how long.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How often a process looks. Several may look at once: they take different jobs.
const PAUSE: Duration = Duration::from_secs(3600);
/// So many in one transaction, so that SQLite's one writer is soon free for others.
const BATCH: u32 = 100;

/// Removes old jobs until it is told to stop.
pub(super) async fn remove(app: App, kept: Duration, stopping: CancellationToken) {
    tokio::select! {
        () = app.schema_is_up() => {}
        () = stopping.cancelled() => return,
    }
    loop {
        tokio::select! {
            () = remove_now(&app, kept) => {}
            () = stopping.cancelled() => return,
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = stopping.cancelled() => return,
        }
    }
}

async fn remove_now(app: &App, kept: Duration) {
    let mut removed = 0;
    loop {
        match app.store.remove_old_jobs(kept, BATCH).await {
            Ok(number) => {
                removed += number;
                app.metrics.jobs.removed(number);
                if number < u64::from(BATCH) {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot remove old jobs");
                break;
            }
        }
    }
    if removed > 0 {
        tracing::info!(jobs = removed, "old jobs were removed");
    }
}
