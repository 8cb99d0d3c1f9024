//! Log tails, searches on the server and saving, asked for by the Logs screen.
//!
//! Lines do not travel as messages. The task that reads a tail puts them into a [`SharedLog`] and
//! says at most thirty times a second that there are more; the screen then takes a snapshot, which
//! is cheap because the store's sealed chunks are shared. So however many lines arrive, the screen
//! gets one message a frame and a key never waits behind a batch.

use crate::{
    logs::{
        Filter, HistoryFound, HistoryProgress, HistorySearch, LineFormat, LineId, LogStore,
        SaveError, Saved, Tail, TailEvent, TailHandle, TailOptions, TailState, save,
        search_history,
    },
    model::EnvironmentName,
    platform::{Connections, LogAccess, PlatformError},
    tui::{
        effect::Level,
        message::{Generation, Message},
    },
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, task::AbortHandle, time::MissedTickBehavior};

/// At most one message a tail in this time: two frames.
const NEWS_EVERY: Duration = Duration::from_millis(33);

/// How long to wait before an environment that cannot be reached is tried again.
const CONNECT_AGAIN: Duration = Duration::from_secs(5);

/// What a tail writes and a screen reads.
#[derive(Clone, Debug)]
pub struct SharedLog(Arc<Mutex<LogStore>>);

impl SharedLog {
    /// An empty one that holds at most so many bytes.
    pub fn new(budget_bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(LogStore::new(budget_bytes))))
    }

    /// Takes what a tail delivered; answers the id that the next line will get.
    pub fn apply(&self, event: TailEvent) -> LineId {
        let mut store = self.lock();
        store.apply(event);
        store.next_id()
    }

    /// What it holds now, frozen.
    pub fn snapshot(&self) -> LogStore {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LogStore> {
        // A panic while a line was put in leaves at worst that line out.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What can be asked.
#[derive(Debug)]
pub enum LogsRequest {
    /// Start a tail.
    Start {
        /// Whose.
        generation: Generation,
        /// Where.
        environment: EnvironmentName,
        /// What to read.
        options: TailOptions,
    },
    /// End the tail or search of that generation.
    Stop(Generation),
    /// Say [`LogsReply::Continue`] once: the screen has work left and gives way to keys.
    Continue(Generation),
    /// Search on the server, in what is older than the lines held.
    SearchBack {
        /// Whose.
        generation: Generation,
        /// Where.
        environment: EnvironmentName,
        /// What for, and how far back.
        search: HistorySearch,
    },
    /// Write every line of `store` that passes `filter` to a file in the working directory, or in
    /// the home directory where that cannot be written; a notice says where.
    Save {
        /// What is held.
        store: Box<LogStore>,
        /// What is shown of it.
        filter: Box<Filter>,
        /// The file's name.
        name: String,
    },
}

/// What comes back.
#[derive(Debug)]
pub enum LogsReply {
    /// The environment cannot be reached; it is tried again.
    Failed(PlatformError),
    /// A tail was started; its lines go there.
    Started(SharedLog),
    /// There are more lines, or the tail stands otherwise.
    Advanced {
        /// How it stands.
        state: Box<TailState>,
        /// The id that the next line will get.
        next: LineId,
    },
    /// For [`LogsRequest::Continue`].
    Continue,
    /// A search on the server goes on.
    Searching(HistoryProgress),
    /// A search on the server is over.
    Searched(Result<HistoryFound, PlatformError>),
}

/// Runs the requests; ends their tasks when it is dropped.
pub struct LogsExchange {
    connections: Connections,
    budget_bytes: usize,
    send: mpsc::Sender<Message>,
    running: HashMap<Generation, AbortHandle>,
}

impl LogsExchange {
    /// Reads from `connections`, holds at most `budget_bytes` a tail and answers to `send`.
    pub fn new(connections: Connections, budget_bytes: usize, send: mpsc::Sender<Message>) -> Self {
        Self {
            connections,
            budget_bytes,
            send,
            running: HashMap::new(),
        }
    }

    /// Starts what is asked for and comes back at once.
    pub fn handle(&mut self, request: LogsRequest) {
        self.running.retain(|_, task| !task.is_finished());
        let send = self.send.clone();
        match request {
            LogsRequest::Start {
                generation,
                environment,
                options,
            } => {
                let log = SharedLog::new(self.budget_bytes);
                let connections = self.connections.clone();
                let task = tokio::spawn(async move {
                    if let Some(access) =
                        connect(&connections, &environment, generation, &send).await
                    {
                        forward(Tail::start(access, options), log, generation, send).await;
                    }
                });
                self.running.insert(generation, task.abort_handle());
            }
            LogsRequest::Stop(generation) => {
                if let Some(task) = self.running.remove(&generation) {
                    task.abort();
                }
            }
            LogsRequest::Continue(generation) => {
                tokio::spawn(async move {
                    // The screen that asked may be gone; then nobody misses the answer.
                    let _ = send
                        .send(Message::Logs(generation, LogsReply::Continue))
                        .await;
                });
            }
            LogsRequest::SearchBack {
                generation,
                environment,
                search,
            } => {
                let connections = self.connections.clone();
                let task = tokio::spawn(async move {
                    let result =
                        search_back(&connections, &environment, &search, generation, &send).await;
                    let _ = send
                        .send(Message::Logs(generation, LogsReply::Searched(result)))
                        .await;
                });
                self.running.insert(generation, task.abort_handle());
            }
            LogsRequest::Save {
                store,
                filter,
                name,
            } => {
                tokio::task::spawn_blocking(move || {
                    let (level, text) = match save_somewhere(&store, &filter, &name) {
                        Ok(saved) => (
                            Level::Good,
                            format!("saved {} lines to {}", saved.lines, saved.path.display()),
                        ),
                        Err(error) => (Level::Bad, error.to_string()),
                    };
                    let _ = send.blocking_send(Message::Notice(level, text));
                });
            }
        }
    }
}

impl Drop for LogsExchange {
    fn drop(&mut self) {
        for task in self.running.values() {
            task.abort();
        }
    }
}

/// The environment's logs, tried until it can be reached; `None` when nobody waits any more.
async fn connect(
    connections: &Connections,
    environment: &EnvironmentName,
    generation: Generation,
    send: &mpsc::Sender<Message>,
) -> Option<LogAccess> {
    loop {
        match connections.connect(environment).await {
            Ok(found) => return Some(found.platform.logs()),
            Err(error) => {
                let reply = LogsReply::Failed(error);
                send.send(Message::Logs(generation, reply)).await.ok()?;
                tokio::time::sleep(CONNECT_AGAIN).await;
            }
        }
    }
}

/// Puts a tail's lines into `log` and tells the screen, but never more often than it draws.
async fn forward(
    mut tail: TailHandle,
    log: SharedLog,
    generation: Generation,
    send: mpsc::Sender<Message>,
) {
    let started = LogsReply::Started(log.clone());
    if send.send(Message::Logs(generation, started)).await.is_err() {
        return;
    }
    let mut every = tokio::time::interval(NEWS_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = LineId(0);
    let (mut news, mut delivers, mut lives) = (true, true, true);
    while news || delivers || lives {
        tokio::select! {
            event = tail.events.recv(), if delivers => match event {
                Some(event) => {
                    next = log.apply(event);
                    news = true;
                }
                None => delivers = false,
            },
            changed = tail.state.changed(), if lives => {
                lives = changed.is_ok();
                news = true;
            }
            _ = every.tick(), if news => {
                let state = Box::new(tail.state.borrow_and_update().clone());
                let reply = LogsReply::Advanced { state, next };
                if send.send(Message::Logs(generation, reply)).await.is_err() {
                    return;
                }
                news = false;
            }
        }
    }
}

/// Searches what is no longer, or not yet, held here, and tells the screen how far it is.
async fn search_back(
    connections: &Connections,
    environment: &EnvironmentName,
    search: &HistorySearch,
    generation: Generation,
    send: &mpsc::Sender<Message>,
) -> Result<HistoryFound, PlatformError> {
    let found = connections.connect(environment).await?;
    search_history(found.platform.logs(), search, |progress| {
        // Progress that the screen has no room for is told by the next page.
        let reply = LogsReply::Searching(progress.clone());
        let _ = send.try_send(Message::Logs(generation, reply));
    })
    .await
}

/// In the working directory, or at home where that is not writable.
fn save_somewhere(store: &LogStore, filter: &Filter, name: &str) -> Result<Saved, SaveError> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let write = |place: &Path| save(store, filter.clone(), LineFormat::Text, &place.join(name));
    match (write(&here), directories::BaseDirs::new()) {
        (Err(SaveError::Io { .. }), Some(dirs)) => write(dirs.home_dir()),
        (done, _) => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{TailLine, TailPhase};
    use tokio::sync::watch;

    fn standing(phase: TailPhase) -> TailState {
        TailState {
            phase,
            read_to_ms: None,
            lag_ms: None,
            lines: 0,
            late: 0,
            calls: 0,
            throttled: 0,
            sources: None,
        }
    }

    #[tokio::test]
    async fn a_flood_of_lines_is_a_handful_of_messages_and_no_line_is_lost() {
        const BATCHES: usize = 200;
        const LINES: usize = 1_000;
        let (deliver, events) = mpsc::channel(8);
        let (stand, state) = watch::channel(standing(TailPhase::Following));
        let (send, mut news) = mpsc::channel(1_024);
        let log = SharedLog::new(256 << 20);
        let task = tokio::spawn(forward(
            TailHandle { events, state },
            log.clone(),
            Generation::next(),
            send,
        ));
        let stream: Arc<str> = Arc::from("api/api/1");
        let started = std::time::Instant::now();
        for batch in 0..BATCHES {
            let lines = (0..LINES).map(|line| TailLine {
                stream: Arc::clone(&stream),
                at_ms: i64::try_from(batch * LINES + line).expect("small"),
                text: "GET /items 200".to_owned(),
                late: false,
            });
            let lines = TailEvent::Lines(lines.collect());
            deliver.send(lines).await.expect("taken");
        }
        drop(deliver);
        stand.send_replace(standing(TailPhase::Ended));
        drop(stand);
        task.await.expect("ends by itself");
        let frames = started.elapsed().as_millis() / NEWS_EVERY.as_millis();
        let (mut messages, mut newest) = (0, LineId(0));
        while let Some(message) = news.recv().await {
            messages += 1;
            if let Message::Logs(_, LogsReply::Advanced { next, .. }) = message {
                newest = next;
            }
        }
        assert_eq!(log.snapshot().len(), BATCHES * LINES);
        assert_eq!(
            newest,
            LineId(u64::try_from(BATCHES * LINES).expect("small"))
        );
        assert!(
            messages <= frames + 4,
            "{messages} messages in {frames} frames"
        );
    }
}
