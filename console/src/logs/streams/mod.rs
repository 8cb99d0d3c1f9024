//! Follows many sources at once, each as a stream of its own, and puts their lines in order.
//!
//! ```text
//! sources ─▶ one follower each ─▶ what is past: merged whole, source by source
//!                              └▶ what comes: one bounded channel ─▶ reorder ─▶ listener
//! ```
//! While the listener is busy the channel is full and the followers do not read: the platform
//! holds the lines then, and nothing is dropped.

mod follower;
mod past;
mod replay;

use self::follower::{Begin, Follower, Mouth, Standing, Word};
use super::{
    outlet::{Gone, Outlet},
    tail::{SourceCount, TailEvent, TailHandle, TailOptions, TailPhase, TailStart, at, now_ms},
};
use crate::platform::{LogSource, LogStreams, PlatformError, StreamLine};
use futures::StreamExt;
use past::Past;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::Instant,
};

/// Batches that wait for the listener at most, of all sources together.
const BATCHES: usize = 64;
/// Batches of one source that wait while what is past is put in order.
const PAST_BATCHES: usize = 4;
/// Sources beyond the open streams that are read at the same time.
const TURNS: usize = 8;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A stream that brings nothing for so long is read up to now.
    pub current: Duration,
    /// A stream silent for so long is opened again: after the platform rotated the file it may
    /// stay silent for ever (kubernetes#115701, #126564).
    pub idle: Duration,
    /// A source that was started anew ends its stream within that time, or the stream is left.
    pub grace: Duration,
    /// The stream of a source that is over brings its last lines within that time: what is left
    /// then may be gone with the source.
    pub linger: Duration,
    /// A stream that lasted so long was no failure, even if it brought nothing.
    pub steady: Duration,
    /// From one turn to the next, of sources that are read in turns.
    pub turn: Duration,
    /// First and longest wait of the doubling back-off.
    pub again: (Duration, Duration),
    /// Trouble shorter than this is no gap.
    pub gap_after: Duration,
}

/// The usual pace.
pub const PACE: Pace = Pace {
    current: Duration::from_millis(400),
    idle: Duration::from_secs(60),
    grace: Duration::from_secs(2),
    linger: Duration::from_secs(15),
    steady: Duration::from_millis(900),
    turn: Duration::from_secs(5),
    again: (Duration::from_millis(100), Duration::from_secs(5)),
    gap_after: Duration::from_secs(5),
};

/// Starts following on the current tokio runtime.
pub fn start(streams: Arc<dyn LogStreams>, options: TailOptions, pace: Pace) -> TailHandle {
    let (out, handle) = Outlet::open();
    let (live_tx, live) = mpsc::channel(BATCHES);
    let (standing_tx, standing) = mpsc::unbounded_channel();
    let began_ms = now_ms();
    let merger = Merger {
        slots: Arc::new(Semaphore::new(streams.open_max())),
        turns: Arc::new(Semaphore::new(TURNS)),
        streams,
        options,
        pace,
        out,
        live_tx,
        live,
        standing_tx,
        standing,
        running: HashMap::new(),
        over: HashSet::new(),
        tasks: JoinSet::new(),
        began_ms,
        trouble: None,
        gap: None,
    };
    tokio::spawn(merger.run());
    handle
}

/// One source that is followed.
struct Running {
    source: watch::Sender<LogSource>,
    name: Arc<str>,
    standing: Option<Standing>,
    failing_since: Option<Instant>,
    read_to_ms: Option<i64>,
}

/// A stretch of time that some source could not be read in.
struct OpenGap {
    is_lost: bool,
}

struct Merger {
    streams: Arc<dyn LogStreams>,
    options: TailOptions,
    pace: Pace,
    out: Outlet,
    live_tx: mpsc::Sender<(Arc<str>, Word)>,
    live: mpsc::Receiver<(Arc<str>, Word)>,
    /// A few words for each stream that is opened: never enough to need a bound.
    standing_tx: mpsc::UnboundedSender<(Arc<str>, Word)>,
    standing: mpsc::UnboundedReceiver<(Arc<str>, Word)>,
    slots: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    running: HashMap<Arc<str>, Running>,
    /// Sources that were read to their end and are still listed.
    over: HashSet<Arc<str>>,
    /// Ends with the tail.
    tasks: JoinSet<()>,
    began_ms: i64,
    /// The sources themselves cannot be listed, since then.
    trouble: Option<(PlatformError, Instant, i64)>,
    gap: Option<OpenGap>,
}

impl Merger {
    async fn run(mut self) {
        // Ends only when nobody listens any more: sources may come for ever.
        let Err(Gone) = self.follow().await;
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, Gone> {
        let mut sources = self.streams.sources();
        let first = loop {
            tokio::select! {
                listed = sources.next() => match listed {
                    Some(Ok(list)) => break list,
                    Some(Err(error)) => self.unlisted(error).await?,
                    None => self.closed().await?,
                },
                () = self.out.events.closed() => return Err(Gone),
            }
        };
        self.listed().await?;
        self.phase(TailPhase::CatchingUp);
        let mut past = Past::new(match self.options.start {
            TailStart::LastLines(lines) => Some(lines),
            TailStart::At(_) => None,
        });
        for source in self.wanted(first) {
            let (sender, receiver) = mpsc::channel(PAST_BATCHES);
            past.add(self.out.name(&source.stream), receiver);
            self.begin(source, Some(sender));
        }
        loop {
            let batch = tokio::select! {
                batch = past.next() => batch,
                word = self.standing.recv() => {
                    if let Some((source, word)) = word {
                        self.hear(&source, word).await?;
                    }
                    continue;
                }
                () = self.out.events.closed() => return Err(Gone),
            };
            let Some(batch) = batch else { break };
            self.out.pass(batch).await?;
        }
        self.phase(TailPhase::Following);
        loop {
            let due = self.out.due();
            let gap_at = self.next_gap();
            tokio::select! {
                biased;
                () = self.out.events.closed() => return Err(Gone),
                () = at(due) => self.out.release().await?,
                listed = sources.next() => match listed {
                    Some(Ok(list)) => {
                        self.listed().await?;
                        self.update(list);
                    }
                    Some(Err(error)) => self.unlisted(error).await?,
                    None => self.closed().await?,
                },
                () = at(gap_at) => self.open_gap().await?,
                // Lines before what was told after them.
                word = self.live.recv() => if let Some((source, word)) = word {
                    self.hear(&source, word).await?;
                },
                word = self.standing.recv() => if let Some((source, word)) = word {
                    self.hear(&source, word).await?;
                },
            }
        }
    }

    /// A platform that ends its list of sources has none any more; the listener still listens.
    async fn closed(&self) -> Result<(), Gone> {
        self.out.events.closed().await;
        Err(Gone)
    }

    fn wanted(&self, list: Vec<LogSource>) -> Vec<LogSource> {
        let mut list = list;
        list.retain(|source| {
            self.options.streams.is_empty() || self.options.streams.contains(&source.stream)
        });
        list
    }

    /// Starts a follower.
    fn begin(&mut self, source: LogSource, past: Option<mpsc::Sender<Vec<StreamLine>>>) {
        let id: Arc<str> = source.id.as_str().into();
        let name = self.out.name(&source.stream);
        let begin = match (self.options.start, &past) {
            (TailStart::At(at_ms), _) => Begin::At(at_ms),
            (TailStart::LastLines(lines), Some(_)) => {
                Begin::Last(u32::try_from(lines).unwrap_or(u32::MAX))
            }
            (TailStart::LastLines(_), None) => Begin::First,
        };
        let (sender, receiver) = watch::channel(source);
        let follower = Follower {
            streams: self.streams.clone(),
            source: receiver,
            begin,
            slots: self.slots.clone(),
            turns: self.turns.clone(),
            pace: self.pace,
            mouth: Mouth {
                source: id.clone(),
                past,
                live: self.live_tx.clone(),
                standing: self.standing_tx.clone(),
            },
            began_ns: self.began_ms.saturating_mul(1_000_000),
            replay: replay::Replay::default(),
            standing: None,
            has_looked_before: false,
        };
        self.tasks.spawn(follower.run());
        self.running.insert(
            id,
            Running {
                source: sender,
                name,
                standing: None,
                failing_since: None,
                read_to_ms: None,
            },
        );
    }

    /// The sources are others now.
    fn update(&mut self, list: Vec<LogSource>) {
        let list = self.wanted(list);
        let ids: HashSet<Arc<str>> = list
            .iter()
            .map(|source| source.id.as_str().into())
            .collect();
        self.over.retain(|id| ids.contains(id));
        for (id, running) in &self.running {
            if !ids.contains(id) {
                running
                    .source
                    .send_if_modified(|source| !std::mem::replace(&mut source.is_over, true));
            }
        }
        for source in list {
            if self.over.contains(source.id.as_str()) {
                continue;
            }
            match self.running.get(source.id.as_str()) {
                Some(running) => {
                    running.source.send_if_modified(|known| {
                        let is_other = *known != source;
                        *known = source;
                        is_other
                    });
                }
                None => self.begin(source, None),
            }
        }
        self.count();
    }

    async fn hear(&mut self, id: &Arc<str>, word: Word) -> Result<(), Gone> {
        match word {
            Word::Opened => self.out.state.send_modify(|state| state.calls += 1),
            Word::Lines(lines) => {
                // A follower says that it is over only after its last lines.
                let Some(running) = self.running.get_mut(id) else {
                    return Ok(());
                };
                let name = running.name.clone();
                let Some(newest_ms) = lines.last().map(|line| line.at_ns.div_euclid(1_000_000))
                else {
                    return Ok(());
                };
                running.read_to_ms = Some(newest_ms);
                let lag_ms = (now_ms() - newest_ms).max(0);
                self.out.state.send_modify(|state| {
                    state.read_to_ms = state.read_to_ms.max(Some(newest_ms));
                    state.lag_ms = Some(match state.lag_ms {
                        Some(usual) => (usual * 7 + lag_ms) / 8,
                        None => lag_ms,
                    });
                });
                let lines = lines
                    .into_iter()
                    .map(|line| (name.clone(), line.at_ns.div_euclid(1_000_000), line.text));
                self.out.take(lines).await?;
            }
            Word::Stands {
                standing,
                read_to_ms,
            } => {
                if let Some(running) = self.running.get_mut(id) {
                    running.read_to_ms = running.read_to_ms.max(read_to_ms);
                    running.failing_since = match &standing {
                        Standing::Failing(_) => running.failing_since.or(Some(Instant::now())),
                        _ => None,
                    };
                    running.standing = Some(standing);
                }
                self.count();
                self.close_gap().await?;
            }
            Word::Lost { from_ms, to_ms } => match &mut self.gap {
                Some(gap) => gap.is_lost = true,
                None => {
                    self.out.flush().await?;
                    self.out.tell(TailEvent::GapOpened { from_ms }).await?;
                    self.out.tell(TailEvent::GapEnded { to_ms }).await?;
                }
            },
            Word::Over => {
                self.running.remove(id);
                self.over.insert(id.clone());
                self.count();
                self.close_gap().await?;
            }
        }
        // Tasks that are done give their memory back.
        while self.tasks.try_join_next().is_some() {}
        Ok(())
    }

    /// Tells how many sources are read, and how.
    fn count(&self) {
        let mut count = SourceCount::default();
        for running in self.running.values() {
            match &running.standing {
                Some(Standing::InTurns) => count.in_turns += 1,
                Some(Standing::Failing(error)) => {
                    count.failing += 1;
                    count.failure.get_or_insert_with(|| error.clone());
                }
                Some(Standing::Followed) | None => count.followed += 1,
            }
        }
        let all_fail = count.failing > 0 && count.failing == self.running.len();
        let trouble = match (&self.trouble, &count.failure) {
            (Some((error, _, since_ms)), _) => Some((error.clone(), *since_ms)),
            (None, Some(error)) if all_fail => Some((error.clone(), now_ms())),
            _ => None,
        };
        let retry_ms = i64::try_from(self.pace.again.1.as_millis()).unwrap_or(i64::MAX / 2);
        self.out.state.send_modify(|state| {
            state.sources = Some(count);
            match trouble {
                Some((error, since_ms)) => {
                    let since_ms = match &state.phase {
                        TailPhase::Trouble { since_ms, .. } => *since_ms,
                        _ => since_ms,
                    };
                    state.phase = TailPhase::Trouble {
                        error,
                        since_ms,
                        retry_at_ms: now_ms() + retry_ms,
                    };
                }
                None if matches!(state.phase, TailPhase::Trouble { .. }) => {
                    state.phase = TailPhase::Following;
                }
                None => {}
            }
        });
    }

    fn phase(&self, phase: TailPhase) {
        self.out.state.send_modify(|state| state.phase = phase);
        self.count();
    }

    /// The sources cannot be listed; those that are known are read on.
    async fn unlisted(&mut self, error: PlatformError) -> Result<(), Gone> {
        let (since, since_ms) = match &self.trouble {
            Some((_, since, since_ms)) => (*since, *since_ms),
            None => (Instant::now(), now_ms()),
        };
        self.trouble = Some((error, since, since_ms));
        self.count();
        Ok(())
    }

    async fn listed(&mut self) -> Result<(), Gone> {
        if self.trouble.take().is_some() {
            self.count();
            self.close_gap().await?;
        }
        Ok(())
    }

    /// When trouble becomes a gap.
    fn next_gap(&self) -> Option<Instant> {
        if self.gap.is_some() {
            return None;
        }
        let sources = self
            .running
            .values()
            .filter_map(|running| running.failing_since);
        let list = self.trouble.as_ref().map(|(_, since, _)| *since);
        let first = sources.chain(list).min()?;
        Some(first + self.pace.gap_after)
    }

    async fn open_gap(&mut self) -> Result<(), Gone> {
        let of_sources = self
            .running
            .values()
            .filter(|running| running.failing_since.is_some())
            .filter_map(|running| running.read_to_ms);
        let of_list = self.trouble.as_ref().map(|(_, _, since_ms)| *since_ms);
        let from_ms = of_sources.chain(of_list).min().unwrap_or_else(now_ms);
        self.gap = Some(OpenGap { is_lost: false });
        self.out.flush().await?;
        self.out.tell(TailEvent::GapOpened { from_ms }).await
    }

    /// Ends the gap once every source is read up to now again.
    async fn close_gap(&mut self) -> Result<(), Gone> {
        let is_over = self.trouble.is_none()
            && self
                .running
                .values()
                .all(|running| running.failing_since.is_none());
        if !is_over {
            return Ok(());
        }
        let Some(gap) = self.gap.take() else {
            return Ok(());
        };
        self.out.flush().await?;
        self.out
            .tell(TailEvent::GapEnded { to_ms: now_ms() })
            .await?;
        if !gap.is_lost {
            self.out.tell(TailEvent::GapFilled).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
