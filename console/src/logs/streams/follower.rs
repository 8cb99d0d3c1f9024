//! Follows one source for as long as it lives, over every end of its streams.

use super::{
    super::budget::back_off,
    Pace,
    replay::{Replay, Verdict},
};
use crate::platform::{LogSource, LogStreams, OpenLog, PlatformError, StreamLine};
use futures::StreamExt;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

/// Tries to read the run before a restart: for a moment after a crash the kubelet has no answer.
const PREVIOUS_TRIES: u32 = 6;

/// Tries to read the rest of a source that is over, when the platform answers that it cannot.
const LAST_TRIES: u32 = 6;

/// Where a source is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With everything that is kept.
    First,
    /// At that time, in milliseconds since the epoch.
    At(i64),
    /// With so many of the newest lines.
    Last(u32),
}

/// How a source stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Followed, and read up to now.
    Followed,
    /// Read in turns.
    InTurns,
    /// Cannot be read now; tried again.
    Failing(PlatformError),
}

/// What a follower tells.
#[derive(Debug)]
pub enum Word {
    /// Lines, in the order in which they were written.
    Lines(Vec<StreamLine>),
    /// How it stands now.
    Stands {
        /// How.
        standing: Standing,
        /// Read up to there, in milliseconds since the epoch.
        read_to_ms: Option<i64>,
    },
    /// Between these times (milliseconds since the epoch) lines are missing that the platform does
    /// not hold any more.
    Lost {
        /// The last line that was read.
        from_ms: i64,
        /// The first one after.
        to_ms: i64,
    },
    /// A stream was opened.
    Opened,
    /// Nothing more will come.
    Over,
}

/// Nobody listens any more.
pub struct Unheard;

/// Where the words go. Lines: at first each follower has a way of its own, so that what is past can
/// be put in order across all of them; then all share one that is bounded, and wait when it is
/// full. How a source stands is never held up by lines.
pub struct Mouth {
    pub source: Arc<str>,
    /// Dropped when the source is read up to now.
    pub past: Option<mpsc::Sender<Vec<StreamLine>>>,
    pub live: mpsc::Sender<(Arc<str>, Word)>,
    pub standing: mpsc::UnboundedSender<(Arc<str>, Word)>,
}

impl Mouth {
    fn tell(&self, word: Word) -> Result<(), Unheard> {
        let told = self.standing.send((self.source.clone(), word));
        told.map_err(|_| Unheard)
    }

    async fn say(&self, word: Word) -> Result<(), Unheard> {
        let said = self.live.send((self.source.clone(), word)).await;
        said.map_err(|_| Unheard)
    }

    async fn lines(&mut self, lines: Vec<StreamLine>, began_ns: i64) -> Result<(), Unheard> {
        if lines.is_empty() {
            return Ok(());
        }
        let Some(past) = &self.past else {
            return self.say(Word::Lines(lines)).await;
        };
        let is_now = lines.last().is_some_and(|line| line.at_ns >= began_ns);
        past.send(lines).await.map_err(|_| Unheard)?;
        if is_now {
            self.past = None;
        }
        Ok(())
    }
}

/// How one stream ended.
enum End {
    /// The platform ended it.
    Closed { is_new: bool },
    /// It is silent for too long, or the source was started anew without the stream's end.
    Stale,
    /// With an error.
    Broken(PlatformError),
}

/// Whether nothing more is to be had of a source that is over: it was read to its end, it is not
/// there any more, or the platform has given up on it.
fn is_last(end: &End, tries: u32) -> bool {
    match end {
        End::Closed { .. } | End::Broken(PlatformError::NotFound { .. }) => true,
        End::Broken(PlatformError::Other { .. } | PlatformError::Invalid { .. }) => {
            tries >= LAST_TRIES
        }
        End::Broken(_) | End::Stale => false,
    }
}

/// One source's follower.
pub struct Follower {
    pub streams: Arc<dyn LogStreams>,
    pub source: watch::Receiver<LogSource>,
    pub begin: Begin,
    /// Streams that may still be opened.
    pub slots: Arc<Semaphore>,
    /// Sources beyond that may be read at the same time.
    pub turns: Arc<Semaphore>,
    pub pace: Pace,
    pub mouth: Mouth,
    /// Lines from then on are not past any more, in nanoseconds since the epoch.
    pub began_ns: i64,
    pub replay: Replay,
    pub standing: Option<Standing>,
    pub has_looked_before: bool,
}

impl Follower {
    /// Reads until the source is over or nobody listens.
    pub async fn run(mut self) {
        // The sender is gone with the tail: nothing is left to tell then.
        if self.follow().await.is_ok() {
            self.mouth.past = None;
            let _ = self.mouth.say(Word::Over).await;
        }
    }

    async fn follow(&mut self) -> Result<(), Unheard> {
        let mut tries = 0;
        loop {
            let source = self.source.borrow_and_update().clone();
            let slot = self.slots.clone().try_acquire_owned().ok();
            let turn = match slot {
                Some(_) => None,
                None => {
                    // What is read in turns must not hold up the order of what is past.
                    self.mouth.past = None;
                    self.turns.clone().acquire_owned().await.ok()
                }
            };
            let is_live = slot.is_some();
            let opened = Instant::now();
            let end = self.read(&source, is_live && !source.is_over).await?;
            drop((slot, turn));
            if source.is_over && is_last(&end, tries) {
                return Ok(());
            }
            let pause = match end {
                End::Stale => Duration::ZERO,
                End::Closed { is_new } => {
                    self.stands(is_live)?;
                    let is_steady = is_new || opened.elapsed() >= self.pace.steady;
                    tries = if is_steady { 0 } else { tries + 1 };
                    match (is_live, tries) {
                        (false, _) => self.pace.turn,
                        (true, 0) => Duration::ZERO,
                        (true, tries) => back_off(tries, self.pace.again.0, self.pace.again.1),
                    }
                }
                End::Broken(error) => {
                    tries += 1;
                    let pause = match &error {
                        PlatformError::Throttled { retry_after, .. } => *retry_after,
                        _ => Duration::ZERO,
                    };
                    self.mouth.past = None;
                    // The rest of one that is over may need a moment to be found; that is no gap.
                    let is_rest =
                        source.is_over && !matches!(error, PlatformError::Unreachable { .. });
                    if !is_rest && self.standing != Some(Standing::Failing(error.clone())) {
                        self.tell(Standing::Failing(error))?;
                    }
                    back_off(tries, self.pace.again.0, self.pace.again.1).max(pause)
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                // Started anew, or over: no need to wait.
                changed = self.source.changed(), if is_live && !pause.is_zero() => {
                    changed.map_err(|_| Unheard)?;
                }
                () = self.mouth.live.closed() => return Err(Unheard),
            }
        }
    }

    /// One stream, from its opening to its end.
    async fn read(&mut self, source: &LogSource, follow: bool) -> Result<End, Unheard> {
        let mut has_severed = false;
        if !self.has_looked_before {
            self.has_looked_before = true;
            if source.restarts > 0 {
                self.read_previous(source).await?;
                // What comes now is another run's, and that is known.
                has_severed = true;
            }
        }
        let how = OpenLog {
            since: self.since(),
            last_lines: self.last_lines(),
            follow,
            previous: false,
        };
        self.replay.reopen();
        self.mouth.tell(Word::Opened)?;
        let mut stream = self.streams.open(source, &how);
        let opened = Instant::now();
        let (mut heard, mut is_new) = (opened, false);
        let mut is_current = false;
        // Started anew or over since the stream was opened: it should end by itself. It is left
        // only when it has been silent since for so long, for it may bring the last lines yet.
        let mut stale: Option<(Instant, Duration)> = None;
        loop {
            let silent_at = heard + self.pace.idle;
            let stale_at = stale.map(|(since, grace)| since.max(heard) + grace);
            tokio::select! {
                biased;
                item = stream.next() => match item {
                    None => return Ok(End::Closed { is_new }),
                    Some(Err(error)) => return Ok(End::Broken(error)),
                    Some(Ok(lines)) => {
                        heard = Instant::now();
                        let mut fresh = Vec::with_capacity(lines.len());
                        for line in lines {
                            if !self.is_wanted(&line) {
                                continue;
                            }
                            let mut verdict = self.replay.look(&line);
                            if verdict == Verdict::Severed && !has_severed {
                                has_severed = true;
                                self.mend(source, &line).await?;
                                // While it waits to be started again, the run before is this one.
                                self.replay.reopen();
                                verdict = self.replay.look(&line);
                            }
                            if verdict == Verdict::Known {
                                continue;
                            }
                            self.replay.take(&line);
                            fresh.push(line);
                        }
                        is_new |= !fresh.is_empty();
                        let reaches_now = fresh.last().is_some_and(|line| line.at_ns >= self.began_ns);
                        self.mouth.lines(fresh, self.began_ns).await?;
                        if follow && !is_current && reaches_now {
                            is_current = true;
                            self.stands(true)?;
                        }
                    }
                },
                () = sleep_until(heard + self.pace.current), if follow && !is_current => {
                    is_current = true;
                    self.stands(true)?;
                }
                () = sleep_until(silent_at), if follow => return Ok(End::Stale),
                () = sleep_until(stale_at.unwrap_or(silent_at)), if stale_at.is_some() => {
                    return Ok(End::Stale);
                }
                changed = self.source.changed() => {
                    changed.map_err(|_| Unheard)?;
                    let now = self.source.borrow();
                    let grace = match (now.is_over, now.restarts != source.restarts) {
                        (true, _) => Some(self.pace.linger),
                        (false, true) => Some(self.pace.grace),
                        (false, false) => None,
                    };
                    let since = stale.map_or_else(Instant::now, |(since, _)| since);
                    stale = grace.map(|grace| (since, grace));
                }
                () = self.mouth.live.closed() => return Err(Unheard),
            }
        }
    }

    /// The stream did not go on where the last one ended: what lies between may be at the end of
    /// the run before.
    async fn mend(&mut self, source: &LogSource, first: &StreamLine) -> Result<(), Unheard> {
        let last_ns = self.replay.last_ns();
        let is_whole = self.read_previous(source).await?;
        if let (Some(last_ns), false) = (last_ns, is_whole) {
            let lost = Word::Lost {
                from_ms: last_ns.div_euclid(1_000_000),
                to_ms: first.at_ns.div_euclid(1_000_000),
            };
            // Before the lines that come after it.
            match self.mouth.past {
                Some(_) => self.mouth.tell(lost)?,
                None => self.mouth.say(lost).await?,
            }
        }
        Ok(())
    }

    /// Reads the run before the newest restart. True when it went on where we were.
    async fn read_previous(&mut self, source: &LogSource) -> Result<bool, Unheard> {
        let mut is_whole = false;
        for attempt in 1..=PREVIOUS_TRIES {
            let how = OpenLog {
                since: self.since(),
                last_lines: self.last_lines(),
                follow: false,
                previous: true,
            };
            self.replay.reopen();
            let mut stream = self.streams.open(source, &how);
            let mut error = None;
            while let Some(item) = stream.next().await {
                let lines = match item {
                    Ok(lines) => lines,
                    Err(broken) => {
                        error = Some(broken);
                        break;
                    }
                };
                let mut fresh = Vec::new();
                for line in lines {
                    if !self.is_wanted(&line) {
                        continue;
                    }
                    match self.replay.look(&line) {
                        Verdict::Known => {
                            is_whole = true;
                            continue;
                        }
                        Verdict::New => is_whole = true,
                        Verdict::Severed => {}
                    }
                    self.replay.take(&line);
                    fresh.push(line);
                }
                self.mouth.lines(fresh, self.began_ns).await?;
            }
            match error {
                Some(error) if error.is_transient() && attempt < PREVIOUS_TRIES => {
                    sleep(back_off(attempt, self.pace.again.0, self.pace.again.1)).await;
                }
                // There is none, or it may not be read: what follows is read all the same.
                _ => break,
            }
        }
        Ok(is_whole)
    }

    fn since(&self) -> Option<jiff::Timestamp> {
        self.replay.since().or(match self.begin {
            Begin::At(at_ms) => jiff::Timestamp::from_second(at_ms.div_euclid(1_000)).ok(),
            Begin::First | Begin::Last(_) => None,
        })
    }

    /// Only for a first look: on a resumption it would cut what came meanwhile.
    fn last_lines(&self) -> Option<u32> {
        match (self.begin, self.replay.last_ns()) {
            (Begin::Last(lines), None) => Some(lines),
            _ => None,
        }
    }

    fn is_wanted(&self, line: &StreamLine) -> bool {
        match self.begin {
            Begin::At(at_ms) => line.at_ns.div_euclid(1_000_000) >= at_ms,
            Begin::First | Begin::Last(_) => true,
        }
    }

    /// Read up to now.
    fn stands(&mut self, is_live: bool) -> Result<(), Unheard> {
        self.mouth.past = None;
        self.tell(if is_live {
            Standing::Followed
        } else {
            Standing::InTurns
        })
    }

    fn tell(&mut self, standing: Standing) -> Result<(), Unheard> {
        if self.standing.as_ref() == Some(&standing) {
            return Ok(());
        }
        self.standing = Some(standing.clone());
        let read_to_ms = self
            .replay
            .last_ns()
            .map(|at_ns| at_ns.div_euclid(1_000_000));
        self.mouth.tell(Word::Stands {
            standing,
            read_to_ms,
        })
    }
}
