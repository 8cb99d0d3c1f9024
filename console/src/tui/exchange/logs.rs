//! Log tails, searches on the server and saving, asked for by the Logs screen.
//!
//! Lines do not travel as messages. The task that reads a tail puts them into a [`SharedLog`] and
//! says at most thirty times a second that there are more; the screen then takes a snapshot, which
//! is cheap because the store's sealed chunks are shared. So however many lines arrive, the screen
//! gets one message a frame and a key never waits behind a batch.

use crate::{
    logs::{
        Filter, LineId, LogStore, LogView, Pattern, PatternKind, Tail, TailEvent, TailHandle,
        TailOptions, TailState, WorkBudget,
    },
    model::EnvironmentName,
    platform::{Connections, LogAccess, LogPages, PageRequest, PlatformError},
    tui::{
        effect::Level,
        message::{Generation, Message},
    },
};
use std::{
    collections::HashMap,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, task::AbortHandle, time::MissedTickBehavior};

/// At most one message a tail in this time: two frames.
const NEWS_EVERY: Duration = Duration::from_millis(33);

/// How long to wait before an environment that cannot be reached is tried again.
const CONNECT_AGAIN: Duration = Duration::from_secs(5);

/// How far a search on the server looks back, nearest first, in milliseconds. Each stretch is read
/// whole before the next is begun, because a page comes oldest first.
const SEARCH_BACK_MS: [i64; 4] = [3_600_000, 6 * 3_600_000, 24 * 3_600_000, 3 * 24 * 3_600_000];

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
    /// Look for `pattern` on the server, in what is older than `before_ms`.
    SearchBack {
        /// Whose.
        generation: Generation,
        /// Where.
        environment: EnvironmentName,
        /// What for.
        pattern: Pattern,
        /// Only these streams; all when empty.
        streams: Vec<String>,
        /// Exclusive, in milliseconds since the epoch.
        before_ms: i64,
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
    Searching {
        /// From when on it reads, in milliseconds since the epoch.
        from_ms: i64,
        /// Lines read so far.
        lines: u64,
    },
    /// A search on the server is over: when the newest match happened, or from when on there is
    /// none.
    Searched(Result<Result<i64, i64>, PlatformError>),
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
                pattern,
                streams,
                before_ms,
            } => {
                let connections = self.connections.clone();
                let task = tokio::spawn(async move {
                    let search = ServerSearch {
                        pattern,
                        streams,
                        generation,
                        send: send.clone(),
                    };
                    let result = match connections.connect(&environment).await {
                        Ok(found) => search.run(found.platform.logs(), before_ms).await,
                        Err(error) => Err(error),
                    };
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
                    let notice = match save(*store, *filter, &name) {
                        Ok((path, lines)) => (
                            Level::Good,
                            format!("saved {lines} lines to {}", path.display()),
                        ),
                        Err(error) => (Level::Bad, format!("{name} was not saved: {error}")),
                    };
                    let _ = send.blocking_send(Message::Notice(notice.0, notice.1));
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

/// A search in what is no longer, or not yet, held here.
struct ServerSearch {
    pattern: Pattern,
    streams: Vec<String>,
    generation: Generation,
    send: mpsc::Sender<Message>,
}

impl ServerSearch {
    /// The newest match before `before_ms`, or from when on there is none.
    async fn run(
        &self,
        access: LogAccess,
        before_ms: i64,
    ) -> Result<Result<i64, i64>, PlatformError> {
        let pages = access.pages();
        let mut end_ms = before_ms;
        let mut lines = 0;
        for back_ms in SEARCH_BACK_MS {
            let start_ms = before_ms - back_ms;
            if let Some(found) = self.stretch(&**pages, start_ms, end_ms, &mut lines).await? {
                return Ok(Ok(found));
            }
            end_ms = start_ms;
        }
        Ok(Err(end_ms))
    }

    /// The newest match from `start_ms` to `end_ms`.
    async fn stretch(
        &self,
        pages: &dyn LogPages,
        start_ms: i64,
        end_ms: i64,
        lines: &mut u64,
    ) -> Result<Option<i64>, PlatformError> {
        let mut newest = None;
        let mut request = PageRequest {
            start_ms,
            end_ms: Some(end_ms),
            filter: self.server_filter(),
            streams: self.streams.clone(),
            token: None,
            limit: None,
        };
        loop {
            let reply = LogsReply::Searching {
                from_ms: start_ms,
                lines: *lines,
            };
            // A screen that is gone stops the search by its generation; until then it costs nothing.
            let _ = self.send.send(Message::Logs(self.generation, reply)).await;
            let page = match pages.page(&request).await {
                Ok(page) => page,
                Err(PlatformError::Throttled { retry_after, .. }) => {
                    tokio::time::sleep(retry_after.max(Duration::from_millis(200))).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            *lines += u64::try_from(page.events.len()).unwrap_or(0);
            newest = page
                .events
                .iter()
                .filter(|event| self.pattern.is_match(&event.message))
                .map(|event| event.timestamp_ms)
                .max()
                .max(newest);
            match page.token {
                Some(token) => request.token = Some(token),
                None => return Ok(newest),
            }
        }
    }

    /// The server filters only what it matches as we do: CloudWatch's quoted terms are plain text
    /// and mind the case, so anything else is read and matched here.
    fn server_filter(&self) -> Option<String> {
        let text = self.pattern.text();
        let quotable = !text.contains(['"', '\\']);
        (self.pattern.kind() == PatternKind::Literal && self.pattern.counts_case() && quotable)
            .then(|| format!("\"{text}\""))
    }
}

/// Writes what passes; answers the file and the number of lines.
fn save(store: LogStore, filter: Filter, name: &str) -> std::io::Result<(PathBuf, usize)> {
    let mut view = LogView::new();
    view.set_filter(filter);
    while !view.work(&store, WorkBudget::lines(100_000)).complete {}
    let (path, file) = create(name)?;
    let mut out = BufWriter::new(file);
    let mut lines = 0;
    for line in view.lines(&store, 0) {
        let at = jiff::Timestamp::from_millisecond(line.at_ms)
            .map(|at| format!("{at:.3}"))
            .unwrap_or_default();
        writeln!(out, "{at} {} {}", line.stream, line.text)?;
        lines += 1;
    }
    out.flush()?;
    Ok((path, lines))
}

/// A new file: in the working directory, or at home where that is not writable. Never overwrites.
fn create(name: &str) -> std::io::Result<(PathBuf, std::fs::File)> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    match create_in(&here, name) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
            create_in(&home.ok_or(error)?, name)
        }
        done => done,
    }
}

fn create_in(directory: &Path, name: &str) -> std::io::Result<(PathBuf, std::fs::File)> {
    let path = directory.join(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    // Log lines can hold what is nobody else's business.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        logs::{TailLine, TailPhase},
        model::RawLogEvent,
        platform::Page,
    };
    use async_trait::async_trait;
    use tokio::sync::watch;

    /// Events of one stream, two a page, with an empty page before each.
    struct Pages(Vec<RawLogEvent>);

    #[async_trait]
    impl LogPages for Pages {
        fn budget_key(&self) -> String {
            "test".to_owned()
        }

        async fn page(&self, request: &PageRequest) -> Result<Page, PlatformError> {
            let end_ms = request.end_ms.unwrap_or(i64::MAX);
            let within: Vec<&RawLogEvent> = self
                .0
                .iter()
                .filter(|event| (request.start_ms..end_ms).contains(&event.timestamp_ms))
                .collect();
            let at: usize = request
                .token
                .as_deref()
                .map_or(0, |token| token.parse().expect("our own token"));
            let is_empty_page = at.is_multiple_of(2);
            let events = within.iter().skip(at / 2 * 2).take(2);
            Ok(Page {
                events: if is_empty_page {
                    Vec::new()
                } else {
                    events.map(|event| (*event).clone()).collect()
                },
                token: (is_empty_page || at / 2 * 2 + 2 < within.len())
                    .then(|| (at + 1).to_string()),
            })
        }
    }

    fn event(timestamp_ms: i64, message: &str) -> RawLogEvent {
        RawLogEvent {
            id: timestamp_ms.to_string(),
            stream: "api/api/1".to_owned(),
            timestamp_ms,
            ingested_ms: timestamp_ms,
            message: message.to_owned(),
        }
    }

    async fn searched(text: &str, events: Vec<RawLogEvent>, before_ms: i64) -> Result<i64, i64> {
        let (send, mut news) = mpsc::channel(64);
        let search = ServerSearch {
            pattern: Pattern::literal(text),
            streams: Vec::new(),
            generation: Generation::next(),
            send,
        };
        let listening = tokio::spawn(async move { while news.recv().await.is_some() {} });
        let found = search
            .run(LogAccess::Pages(Arc::new(Pages(events))), before_ms)
            .await;
        drop(search);
        listening.await.expect("listens to the end");
        found.expect("no trouble")
    }

    const HOUR_MS: i64 = 3_600_000;

    #[tokio::test]
    async fn the_server_is_searched_for_the_newest_match_nearest_first() {
        let now_ms = 100 * HOUR_MS;
        let events = vec![
            event(now_ms - 20 * HOUR_MS, "timeout, long ago"),
            event(now_ms - HOUR_MS / 2, "timeout"),
            event(now_ms - HOUR_MS / 3, "Timeout again"),
            event(now_ms - HOUR_MS / 4, "fine"),
        ];
        let found = searched("timeout", events.clone(), now_ms).await;
        assert_eq!(found, Ok(now_ms - HOUR_MS / 3));
        let found = searched("long ago", events.clone(), now_ms).await;
        assert_eq!(found, Ok(now_ms - 20 * HOUR_MS));
        let found = searched("never", events, now_ms).await;
        assert_eq!(found, Err(now_ms - 72 * HOUR_MS));
    }

    #[test]
    fn the_server_filters_only_what_it_matches_as_we_do() {
        let filter = |pattern: Pattern| {
            ServerSearch {
                pattern,
                streams: Vec::new(),
                generation: Generation::next(),
                send: mpsc::channel(1).0,
            }
            .server_filter()
        };
        let literal = Pattern::literal;
        assert_eq!(filter(literal("Timeout")).as_deref(), Some("\"Timeout\""));
        assert_eq!(filter(literal("timeout")), None, "it would mind the case");
        assert_eq!(filter(literal("Say \"hi\"")), None);
        let regex = Pattern::new("T.*t", PatternKind::Regex).expect("an expression");
        assert_eq!(filter(regex), None);
    }

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

    #[test]
    fn what_passes_is_saved_and_nothing_is_overwritten() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = LogStore::new(1 << 20);
        for (at_ms, text) in [(0, "one"), (1_500, "two"), (2_000, "three")] {
            store.push(&TailLine {
                stream: Arc::from("api/api/1"),
                at_ms,
                text: text.to_owned(),
                late: false,
            });
        }
        let filter: Filter = "t".parse().expect("a filter");
        let name = directory.path().join("prod.log");
        let name = name.to_str().expect("a name");
        let (path, lines) = save(store.clone(), filter.clone(), name).expect("saved");
        assert_eq!(lines, 2);
        assert_eq!(
            std::fs::read_to_string(&path).expect("there"),
            "1970-01-01T00:00:01.500Z api/api/1 two\n1970-01-01T00:00:02.000Z api/api/1 three\n"
        );
        let again = save(store, filter, name);
        assert_eq!(
            again.map_err(|error| error.kind()).err(),
            Some(std::io::ErrorKind::AlreadyExists)
        );
    }
}
