//! Tails over streams that end, break, restart, stall and are too many.

use super::{
    super::{LogStore, TailLine},
    *,
};
use crate::platform::OpenLog;
use futures::stream::{self, BoxStream};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// Milliseconds instead of seconds.
const QUICK: Pace = Pace {
    current: Duration::from_millis(20),
    idle: Duration::from_secs(5),
    grace: Duration::from_millis(20),
    linger: Duration::from_millis(20),
    steady: Duration::from_millis(200),
    turn: Duration::from_millis(30),
    again: (Duration::from_millis(1), Duration::from_millis(20)),
    gap_after: Duration::from_millis(30),
};

/// One container: its log, and that of the run before.
#[derive(Clone, Debug, Default)]
struct Container {
    lines: Vec<StreamLine>,
    previous: Option<Vec<StreamLine>>,
    restarts: u32,
    is_over: bool,
    fault: Option<PlatformError>,
}

#[derive(Debug)]
struct World {
    containers: Mutex<BTreeMap<String, Container>>,
    changed: watch::Sender<u64>,
    open_max: usize,
    /// Each stream ends cleanly after so many lines.
    ends_after: usize,
    /// A followed stream brings nothing that is written after it was opened.
    is_deaf: bool,
    opened: Mutex<Vec<(String, OpenLog)>>,
    given: Mutex<usize>,
}

impl World {
    fn new(open_max: usize) -> Self {
        Self {
            containers: Mutex::default(),
            changed: watch::Sender::new(0),
            open_max,
            ends_after: usize::MAX,
            is_deaf: false,
            opened: Mutex::default(),
            given: Mutex::default(),
        }
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Container)) {
        let mut containers = self
            .containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        change(containers.entry(name.to_owned()).or_default());
        drop(containers);
        self.changed.send_modify(|number| *number += 1);
    }

    fn write(&self, name: &str, at_ms: i64, text: &str) {
        let line = StreamLine {
            at_ns: at_ms * 1_000_000,
            text: text.to_owned(),
        };
        self.change(name, |container| container.lines.push(line));
    }

    fn container(&self, name: &str) -> Container {
        let containers = self
            .containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        containers.get(name).cloned().unwrap_or_default()
    }

    fn opened(&self) -> Vec<(String, OpenLog)> {
        self.opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The world as a platform shows it.
#[derive(Clone)]
struct Fake(Arc<World>);

impl LogStreams for Fake {
    fn open_max(&self) -> usize {
        self.0.open_max
    }

    fn sources(&self) -> BoxStream<'static, Result<Vec<LogSource>, PlatformError>> {
        let (world, changed) = (self.0.clone(), self.0.changed.subscribe());
        stream::unfold(
            (world, changed, true),
            |(world, mut changed, first)| async move {
                if !first {
                    changed.changed().await.ok()?;
                }
                changed.borrow_and_update();
                let list = {
                    let containers = world
                        .containers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    containers
                        .iter()
                        .map(|(name, container)| LogSource {
                            id: name.clone(),
                            stream: name.clone(),
                            restarts: container.restarts,
                            is_over: container.is_over,
                        })
                        .collect()
                };
                Some((Ok(list), (world, changed, false)))
            },
        )
        .boxed()
    }

    fn open(
        &self,
        source: &LogSource,
        how: &OpenLog,
    ) -> BoxStream<'static, Result<Vec<StreamLine>, PlatformError>> {
        let (world, name, how) = (self.0.clone(), source.id.clone(), *how);
        let mut opened = world.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push((name.clone(), how));
        drop(opened);
        let seen = world.container(&name);
        let cursor = Cursor {
            from_ns: how
                .since
                .map_or(i64::MIN, |at| at.as_second() * 1_000_000_000),
            restarts: seen.restarts,
            next: how
                .last_lines
                .map_or(0, |last| seen.lines.len().saturating_sub(last as usize)),
            end: if world.is_deaf && !how.previous {
                seen.lines.len()
            } else {
                usize::MAX
            },
            left: world.ends_after,
            changed: world.changed.subscribe(),
            is_broken: false,
            world,
            name,
            how,
        };
        stream::unfold(cursor, |mut cursor| async move {
            let item = cursor.item().await?;
            Some((item, cursor))
        })
        .boxed()
    }
}

/// One open stream.
struct Cursor {
    world: Arc<World>,
    name: String,
    how: OpenLog,
    from_ns: i64,
    restarts: u32,
    next: usize,
    end: usize,
    left: usize,
    changed: watch::Receiver<u64>,
    is_broken: bool,
}

impl Cursor {
    /// The next item or the end, if either is there now.
    fn look(&mut self) -> Option<Option<Result<Vec<StreamLine>, PlatformError>>> {
        let world = self.world.clone();
        let containers = world
            .containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let container = containers.get(&self.name)?;
        if let Some(fault) = container.fault.clone().filter(|_| !self.is_broken) {
            self.is_broken = true;
            return Some(Some(Err(fault)));
        }
        let is_anew = container.restarts != self.restarts;
        let log = match (self.how.previous, &container.previous) {
            (true, Some(previous)) => previous,
            // The run that was followed is over, and so is its file.
            (true, None) => return Some(None),
            (false, _) if is_anew || self.is_broken => return Some(None),
            (false, _) => &container.lines,
        };
        while log
            .get(self.next)
            .is_some_and(|line| line.at_ns < self.from_ns)
        {
            self.next += 1;
        }
        if self.left == 0 {
            return Some(None);
        }
        if let Some(line) = log.get(self.next).filter(|_| self.next < self.end) {
            self.next += 1;
            self.left -= 1;
            *world.given.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            return Some(Some(Ok(vec![line.clone()])));
        }
        (!self.how.follow || container.is_over).then_some(None)
    }

    async fn item(&mut self) -> Option<Result<Vec<StreamLine>, PlatformError>> {
        loop {
            self.changed.borrow_and_update();
            if let Some(item) = self.look() {
                return item;
            }
            self.changed.changed().await.ok()?;
        }
    }
}

fn follow(world: &Arc<World>, start: TailStart) -> TailHandle {
    super::start(
        Arc::new(Fake(world.clone())),
        TailOptions::from(start),
        QUICK,
    )
}

async fn lines(handle: &mut TailHandle, count: usize) -> Vec<TailLine> {
    let mut lines = Vec::new();
    while lines.len() < count {
        let event = timeout(PATIENCE, handle.events.recv()).await;
        match event.unwrap_or_else(|_| panic!("{} of {count} lines came", lines.len())) {
            Some(TailEvent::Lines(batch)) => lines.extend(batch),
            Some(_) => {}
            None => panic!("the tail ended"),
        }
    }
    lines
}

fn texts(lines: &[TailLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

/// Nothing more comes: what is written next is the next line there is.
async fn nothing_else(world: &World, handle: &mut TailHandle, name: &str) {
    world.write(name, now_ms() + 1, "the end");
    assert_eq!(texts(&lines(handle, 1).await), ["the end"]);
}

const START: TailStart = TailStart::At(0);

#[tokio::test]
async fn what_is_past_is_one_log_in_order_and_what_comes_follows() {
    let world = Arc::new(World::new(10));
    for (name, at_ms) in [("a", 1_000), ("b", 2_000), ("a", 3_000), ("b", 4_000)] {
        world.write(name, at_ms, &format!("{name}{at_ms}"));
    }
    let mut handle = follow(&world, START);
    assert_eq!(
        texts(&lines(&mut handle, 4).await),
        ["a1000", "b2000", "a3000", "b4000"]
    );
    world.write("c", now_ms(), "a source that comes later");
    assert_eq!(
        texts(&lines(&mut handle, 1).await),
        ["a source that comes later"]
    );
    let mut last = follow(&world, TailStart::LastLines(2));
    let got = lines(&mut last, 2).await;
    assert_eq!(texts(&got), ["b4000", "a source that comes later"]);
    nothing_else(&world, &mut last, "b").await;
}

#[tokio::test]
async fn a_stream_that_ends_again_and_again_loses_and_doubles_nothing() {
    let mut world = World::new(10);
    // More than is read again of the seconds before, or it would never come further.
    world.ends_after = 17;
    let world = Arc::new(world);
    let base_ms = now_ms() - 100_000;
    world.write("a", base_ms, "0");
    let mut handle = follow(&world, START);
    let mut got = lines(&mut handle, 1).await;
    for number in 1..200 {
        // Several in one second, some in one instant.
        world.write("a", base_ms + number / 3 * 700, &number.to_string());
        tokio::task::yield_now().await;
    }
    got.extend(lines(&mut handle, 199).await);
    let expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(texts(&got), expected);
    nothing_else(&world, &mut handle, "a").await;
    assert!(world.opened().len() > 12, "it was cut often");
}

#[tokio::test]
async fn the_end_of_the_run_before_a_restart_is_read_once() {
    let mut world = World::new(10);
    world.is_deaf = true;
    let world = Arc::new(world);
    let base_ms = now_ms();
    world.write("a", base_ms, "one");
    let mut handle = follow(&world, START);
    assert_eq!(texts(&lines(&mut handle, 1).await), ["one"]);
    // Its last words were written while nobody heard them.
    world.write("a", base_ms + 10, "panic");
    world.change("a", |container| {
        container.previous = Some(std::mem::take(&mut container.lines));
        container.restarts = 1;
        container.lines = vec![StreamLine {
            at_ns: (base_ms + 2_000) * 1_000_000,
            text: "started anew".to_owned(),
        }];
    });
    assert_eq!(
        texts(&lines(&mut handle, 2).await),
        ["panic", "started anew"]
    );
    let previous = world
        .opened()
        .iter()
        .filter(|(_, how)| how.previous)
        .count();
    assert_eq!(previous, 1);
}

#[tokio::test]
async fn what_no_log_holds_any_more_is_shown_as_a_gap_that_stays() {
    let world = Arc::new(World::new(10));
    let base_ms = now_ms();
    world.write("a", base_ms, "one");
    let mut handle = follow(&world, START);
    let mut store = LogStore::new(1024 * 1024);
    let mut count = 0;
    while count < 2 {
        let event = timeout(PATIENCE, handle.events.recv()).await;
        let event = event.expect("in time").expect("goes on");
        if let TailEvent::Lines(lines) = &event {
            count += lines.len();
            if count == 1 {
                // Rotated away, and no run before: nothing says what was written between.
                world.change("a", |container| {
                    container.restarts = 1;
                    container.lines = vec![StreamLine {
                        at_ns: (base_ms + 9_000) * 1_000_000,
                        text: "much later".to_owned(),
                    }];
                });
            }
        }
        store.apply(event);
    }
    let gaps: Vec<_> = store
        .gaps()
        .iter()
        .map(|gap| (gap.from_ms, gap.to_ms, gap.filled))
        .collect();
    assert_eq!(gaps, [(base_ms, Some(base_ms + 9_000), false)]);
}

#[tokio::test]
async fn sources_beyond_the_cap_are_read_in_turns_and_the_screen_is_told() {
    let world = Arc::new(World::new(1));
    for name in ["a", "b", "c"] {
        world.write(name, 1_000, name);
    }
    let mut handle = follow(&world, START);
    let mut got: Vec<String> = Vec::new();
    got.extend(
        lines(&mut handle, 3)
            .await
            .into_iter()
            .map(|line| line.text),
    );
    for name in ["a", "b", "c"] {
        world.write(name, now_ms(), &format!("{name} later"));
    }
    got.extend(
        lines(&mut handle, 3)
            .await
            .into_iter()
            .map(|line| line.text),
    );
    got.sort_unstable();
    assert_eq!(got, ["a", "a later", "b", "b later", "c", "c later"]);
    let counts = |state: &super::super::TailState| {
        let sources = state.sources.clone().unwrap_or_default();
        (sources.followed, sources.in_turns) == (1, 2)
    };
    timeout(PATIENCE, handle.state.wait_for(counts))
        .await
        .expect("in time")
        .expect("goes on");
    // The followed one is over: another takes its place.
    world.change("a", |container| container.is_over = true);
    for name in ["b", "c"] {
        world.change(name, |container| container.restarts += 0);
    }
    let counts = |state: &super::super::TailState| {
        let sources = state.sources.clone().unwrap_or_default();
        sources.followed + sources.in_turns == 2 && sources.followed == 1
    };
    timeout(PATIENCE, handle.state.wait_for(counts))
        .await
        .expect("in time")
        .expect("goes on");
}

#[tokio::test]
async fn one_source_that_fails_leaves_the_others_and_its_gap_is_filled() {
    let world = Arc::new(World::new(10));
    let base_ms = now_ms();
    world.write("a", base_ms, "a1");
    world.write("b", base_ms + 1, "b1");
    let mut handle = follow(&world, START);
    assert_eq!(texts(&lines(&mut handle, 2).await), ["a1", "b1"]);
    world.change("a", |container| {
        container.fault = Some(PlatformError::Unreachable {
            endpoint: "node-1".to_owned(),
            cause: "no route to host".to_owned(),
        });
    });
    let is_failing = |state: &super::super::TailState| {
        state
            .sources
            .as_ref()
            .is_some_and(|sources| sources.failing == 1)
    };
    let stands = timeout(PATIENCE, handle.state.wait_for(is_failing)).await;
    let stands = stands.expect("in time").expect("goes on").clone();
    assert_eq!(stands.phase, TailPhase::Following, "the other is read on");
    world.write("b", now_ms(), "b2");
    assert_eq!(texts(&lines(&mut handle, 1).await), ["b2"]);
    world.write("a", now_ms(), "a2, unheard");
    let mut store = LogStore::new(1024 * 1024);
    while store.gaps().is_empty() {
        let event = timeout(PATIENCE, handle.events.recv()).await;
        store.apply(event.expect("in time").expect("goes on"));
    }
    world.change("a", |container| container.fault = None);
    while !store.gaps()[0].filled {
        let event = timeout(PATIENCE, handle.events.recv()).await;
        store.apply(event.expect("in time").expect("goes on"));
    }
    assert_eq!(store.gaps()[0].from_ms, base_ms);
    assert_eq!(store.len(), 1, "the line that was not heard");
}

#[tokio::test]
async fn while_nobody_reads_the_streams_are_not_read_either() {
    let world = Arc::new(World::new(10));
    let base_ms = now_ms();
    world.change("a", |container| {
        container.lines = (0..200_000)
            .map(|number| StreamLine {
                at_ns: (base_ms + number / 100) * 1_000_000,
                text: number.to_string(),
            })
            .collect();
    });
    let mut handle = follow(&world, START);
    let given = || *world.given.lock().unwrap_or_else(PoisonError::into_inner);
    let mut before = usize::MAX;
    let began = std::time::Instant::now();
    while given() != before || before == 0 {
        assert!(began.elapsed() < PATIENCE, "it reads on: {}", given());
        before = given();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(before < 60_000, "{before} lines were read for nobody");
    let got = lines(&mut handle, 200_000).await;
    assert!(
        got.iter()
            .enumerate()
            .all(|(number, line)| line.text == number.to_string())
    );
}
