//! A user who asks without pause, and remembers every failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::support::get;

/// Ten requests in a row failed to be answered well: what and how.
pub struct Asking {
    stop: Arc<AtomicBool>,
    task: JoinHandle<(usize, Vec<String>)>,
}

/// Asks a page of an environment until told to stop.
pub fn ask(url: &str, path: &'static str) -> Asking {
    let stop = Arc::new(AtomicBool::new(false));
    let (url, stopped) = (url.to_owned(), stop.clone());
    let task = tokio::spawn(async move {
        let (mut answered, mut failures) = (0, Vec::new());
        while !stopped.load(Ordering::Acquire) {
            match get(&url, path).await {
                Ok((200, _)) => answered += 1,
                Ok((status, body)) => failures.push(format!("{status} {body}")),
                Err(error) => failures.push(error),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (answered, failures)
    });
    Asking { stop, task }
}

impl Asking {
    /// How many requests were answered well, and what became of the others.
    pub async fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Release);
        self.task.await.expect("the asking task")
    }
}
