//! What parts of one process tell each other about jobs, so that nobody has to wait for the
//! next look into the database.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

/// How many callers may follow jobs at a time; each looks into the database twice a second.
const FOLLOWERS_MAX: usize = 100;

/// See the top of this file.
pub(crate) struct Signals {
    /// A job may be due.
    pub(crate) due: Notify,
    /// Something happened to some job.
    pub(crate) changed: Notify,
    /// Some job was called off.
    pub(crate) cancelled: Notify,
    /// Room for callers who follow a job.
    pub(crate) followers: Arc<Semaphore>,
}

impl Signals {
    pub(crate) fn new() -> Self {
        Self {
            due: Notify::new(),
            changed: Notify::new(),
            cancelled: Notify::new(),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        }
    }
}
