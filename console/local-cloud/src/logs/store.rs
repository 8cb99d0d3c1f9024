//! The events of every log group, bounded by bytes, in order of time.
//!
//! A group keeps its events in one ordered map over all streams, because that is how
//! `FilterLogEvents` gives them; a page's token is simply the key of the last event looked at.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::protocol::now_ms;

/// The largest event, in bytes of UTF-8 plus [`EVENT_OVERHEAD_BYTES`].
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// What CloudWatch Logs counts for each event besides its message.
pub const EVENT_OVERHEAD_BYTES: usize = 26;

/// What one group may hold before its oldest events go.
const GROUP_BYTES_DEFAULT: usize = 64 * 1024 * 1024;

/// Streams whose events are all gone are forgotten, oldest first, beyond this many.
const STREAMS_MAX: usize = 2_000;

/// Events held back by [`Lateness`], in all groups together.
const HELD_BACK_MAX: usize = 100_000;

/// One event as `FilterLogEvents` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// The stream's name.
    pub stream: Arc<str>,
    /// When it happened, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// When the service took it in, in milliseconds since the epoch.
    pub ingestion_ms: i64,
    /// Unique within the account.
    pub id: EventId,
    /// The text.
    pub message: Arc<str>,
}

/// The place of an event in its group: time, then order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// When the event happened, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Counts the events of the whole store.
    pub sequence: u64,
}

impl EventId {
    /// Before every event at `timestamp_ms`.
    pub fn before(timestamp_ms: i64) -> Self {
        Self {
            timestamp_ms,
            sequence: 0,
        }
    }
}

/// Events made late on purpose: a share of them becomes visible only after a delay, as in an
/// agent that was cut off for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness {
    /// How long a late event is invisible.
    pub delay_ms: i64,
    /// How many of a hundred events are late.
    pub percent: u8,
    /// When events stop being late, in milliseconds since the epoch.
    pub until_ms: i64,
}

/// What `DescribeLogStreams` says of a stream.
#[derive(Debug, Clone)]
pub struct StreamFacts {
    /// The stream's name.
    pub name: Arc<str>,
    /// When it was made.
    pub created_ms: i64,
    /// The time of its oldest and newest event, if it ever had one.
    pub first_last_ms: Option<(i64, i64)>,
    /// When it last took an event in.
    pub ingested_ms: Option<i64>,
}

/// What `DescribeLogGroups` says of a group.
#[derive(Debug, Clone)]
pub struct GroupFacts {
    /// The group's name.
    pub name: String,
    /// When it was made.
    pub created_ms: i64,
    /// How long events are kept; forever when nothing was set.
    pub retention_days: Option<i64>,
    /// The bytes held.
    pub stored_bytes: usize,
}

/// One scan over a group, as far as its budgets went.
#[derive(Debug, Default)]
pub struct Scan {
    /// The events that matched, oldest first (newest first when reading backwards).
    pub events: Vec<LogEvent>,
    /// The last event looked at when a budget ended the scan; none when the range was finished.
    pub resume_after: Option<EventId>,
}

/// Where a scan looks and when it stops.
pub struct ScanRange {
    /// After this event; for a scan from a time, [`EventId::before`] it.
    pub after: Bound<EventId>,
    /// Up to, not including, this time.
    pub end_ms: i64,
    /// Stop after this many matches.
    pub events_max: usize,
    /// Stop after this many bytes of matches.
    pub bytes_max: usize,
    /// Stop after having looked at this many events, matching or not.
    pub looked_at_max: usize,
}

#[derive(Debug)]
struct Stored {
    stream: u32,
    ingestion_ms: i64,
    message: Arc<str>,
}

#[derive(Debug)]
struct Stream {
    facts: StreamFacts,
    events: usize,
}

#[derive(Debug)]
struct Group {
    created_ms: i64,
    retention_days: Option<i64>,
    bytes: usize,
    events: BTreeMap<EventId, Stored>,
    streams: BTreeMap<u32, Stream>,
    stream_by_name: BTreeMap<Arc<str>, u32>,
    next_stream: u32,
}

#[derive(Debug)]
struct HeldBack {
    visible_ms: i64,
    group: String,
    stream: String,
    timestamp_ms: i64,
    message: String,
}

#[derive(Debug, Default)]
struct Late {
    lateness: Option<Lateness>,
    held_back: VecDeque<HeldBack>,
    counter: u64,
}

/// All log groups of the cloud. Cheap to share: one lock a group.
#[derive(Debug)]
pub struct LogStore {
    groups: RwLock<BTreeMap<String, Arc<Mutex<Group>>>>,
    sequence: std::sync::atomic::AtomicU64,
    late: Mutex<Late>,
    group_bytes_max: usize,
}

impl Default for LogStore {
    fn default() -> Self {
        Self::new()
    }
}

impl LogStore {
    /// An empty store that keeps 64 MiB a group.
    pub fn new() -> Self {
        Self::with_group_bytes_max(GROUP_BYTES_DEFAULT)
    }

    /// An empty store whose groups each keep the newest `bytes` of events.
    pub fn with_group_bytes_max(bytes: usize) -> Self {
        Self {
            groups: RwLock::default(),
            // Zero is `EventId::before`.
            sequence: std::sync::atomic::AtomicU64::new(1),
            late: Mutex::default(),
            group_bytes_max: bytes,
        }
    }

    /// Makes a group unless it exists; says whether it was made.
    pub fn ensure_group(&self, group: &str) -> bool {
        if self.group(group).is_some() {
            return false;
        }
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let mut made = false;
        groups.entry(group.to_owned()).or_insert_with(|| {
            made = true;
            Arc::new(Mutex::new(Group::new(now_ms())))
        });
        made
    }

    /// Makes a stream unless it exists; says whether it was made, or none without the group.
    pub fn ensure_stream(&self, group: &str, stream: &str) -> Option<bool> {
        let group = self.group(group)?;
        let mut group = lock(&group);
        let known = group.streams.len();
        group.stream(stream, now_ms());
        Some(group.streams.len() > known)
    }

    /// Takes one line in. Group and stream are made when they do not exist yet, and a line
    /// longer than an event may be becomes several events, as the awslogs driver does it.
    pub fn put(&self, group: &str, stream: &str, timestamp_ms: i64, message: String) {
        let now = now_ms();
        self.release_held_back(now);
        if let Some(visible_ms) = self.made_late(now) {
            let mut late = lock(&self.late);
            if late.held_back.len() < HELD_BACK_MAX {
                late.held_back.push_back(HeldBack {
                    visible_ms,
                    group: group.to_owned(),
                    stream: stream.to_owned(),
                    timestamp_ms,
                    message,
                });
                return;
            }
        }
        self.take_in(group, stream, timestamp_ms, now, &message);
    }

    /// Takes in a line that may not be UTF-8: what is not becomes U+FFFD.
    pub fn put_bytes(&self, group: &str, stream: &str, timestamp_ms: i64, line: &[u8]) {
        self.put(
            group,
            stream,
            timestamp_ms,
            String::from_utf8_lossy(line).into_owned(),
        );
    }

    /// Makes events late from now on, or prompt again; what is held back still comes late.
    pub fn set_lateness(&self, lateness: Option<Lateness>) {
        lock(&self.late).lateness = lateness;
    }

    /// Sets or removes how long a group keeps its events; false when there is no such group.
    pub fn set_retention(&self, group: &str, days: Option<i64>) -> bool {
        self.group(group).is_some_and(|group| {
            lock(&group).retention_days = days;
            true
        })
    }

    /// Forgets a group with all it holds; false when there is no such group.
    pub fn delete_group(&self, group: &str) -> bool {
        self.groups
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(group)
            .is_some()
    }

    /// Whether there is such a group.
    pub fn has_group(&self, group: &str) -> bool {
        self.group(group).is_some()
    }

    /// All groups in order of name.
    pub fn groups(&self) -> Vec<GroupFacts> {
        self.release_held_back(now_ms());
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups
            .iter()
            .map(|(name, group)| {
                let group = lock(group);
                GroupFacts {
                    name: name.clone(),
                    created_ms: group.created_ms,
                    retention_days: group.retention_days,
                    stored_bytes: group.bytes,
                }
            })
            .collect()
    }

    /// The streams of a group in order of name; none without the group.
    pub fn streams(&self, group: &str) -> Option<Vec<StreamFacts>> {
        self.release_held_back(now_ms());
        let group = self.group(group)?;
        let group = lock(&group);
        Some(
            group
                .stream_by_name
                .values()
                .filter_map(|id| group.streams.get(id))
                .map(|stream| stream.facts.clone())
                .collect(),
        )
    }

    /// Reads a group forwards from `range.after`; none without the group.
    pub fn scan(
        &self,
        group: &str,
        range: &ScanRange,
        in_stream: impl Fn(&str) -> bool,
        matches: impl Fn(&str) -> bool,
    ) -> Option<Scan> {
        let now = now_ms();
        self.release_held_back(now);
        let group = self.group(group)?;
        let mut group = lock(&group);
        group.expire(now);
        let wanted: std::collections::BTreeSet<u32> = group
            .streams
            .iter()
            .filter(|(_, stream)| in_stream(&stream.facts.name))
            .map(|(id, _)| *id)
            .collect();
        let mut scan = Scan::default();
        let mut bytes = 0;
        let from = group.events.range((range.after, Bound::Unbounded));
        for (looked_at, (id, stored)) in from.enumerate() {
            if id.timestamp_ms >= range.end_ms {
                break;
            }
            if wanted.contains(&stored.stream) && matches(&stored.message) {
                bytes += stored.message.len() + EVENT_OVERHEAD_BYTES;
                scan.events.extend(group.event(id, stored));
            }
            let full = scan.events.len() >= range.events_max || bytes >= range.bytes_max;
            if full || looked_at + 1 >= range.looked_at_max {
                scan.resume_after = Some(*id);
                break;
            }
        }
        Some(scan)
    }

    /// The newest events of one stream before `before`, newest first; none without the group.
    pub fn scan_back(
        &self,
        group: &str,
        stream: &str,
        before: Bound<EventId>,
        start_ms: i64,
        events_max: usize,
        bytes_max: usize,
    ) -> Option<Vec<LogEvent>> {
        let now = now_ms();
        self.release_held_back(now);
        let group = self.group(group)?;
        let mut group = lock(&group);
        group.expire(now);
        let wanted = *group.stream_by_name.get(stream)?;
        let mut events = Vec::new();
        let mut bytes = 0;
        for (id, stored) in group.events.range((Bound::Unbounded, before)).rev() {
            if id.timestamp_ms < start_ms || events.len() >= events_max || bytes >= bytes_max {
                break;
            }
            if stored.stream == wanted {
                bytes += stored.message.len() + EVENT_OVERHEAD_BYTES;
                events.extend(group.event(id, stored));
            }
        }
        Some(events)
    }

    fn group(&self, name: &str) -> Option<Arc<Mutex<Group>>> {
        self.groups
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    fn take_in(&self, group: &str, stream: &str, timestamp_ms: i64, now: i64, message: &str) {
        let found = self.group(group).or_else(|| {
            self.ensure_group(group);
            self.group(group)
        });
        // Only a deletion at this very moment leaves nothing to write to.
        let Some(found) = found else { return };
        let mut guard = lock(&found);
        for piece in split_as_awslogs_does(message) {
            let id = EventId {
                timestamp_ms,
                sequence: self
                    .sequence
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            };
            guard.insert(id, stream, now, piece);
        }
        guard.shrink_to(self.group_bytes_max);
    }

    /// When the next event becomes visible, if the fault makes it a late one.
    fn made_late(&self, now: i64) -> Option<i64> {
        let mut late = lock(&self.late);
        let lateness = late.lateness?;
        if now >= lateness.until_ms {
            late.lateness = None;
            return None;
        }
        late.counter += 1;
        // 37 and 100 have no common divisor: the late ones are spread evenly, not in a block.
        let chosen = (late.counter * 37) % 100 < u64::from(lateness.percent);
        chosen.then_some(now + lateness.delay_ms)
    }

    fn release_held_back(&self, now: i64) {
        // In order of their arrival, which is the order in which they become visible as long as
        // the delay is the same; after a change of the delay one may wait for another.
        let mut due = Vec::new();
        {
            let mut late = lock(&self.late);
            while late.held_back.front().is_some_and(|h| h.visible_ms <= now) {
                due.extend(late.held_back.pop_front());
            }
        }
        for held in due {
            self.take_in(
                &held.group,
                &held.stream,
                held.timestamp_ms,
                held.visible_ms,
                &held.message,
            );
        }
    }
}

impl Group {
    fn new(created_ms: i64) -> Self {
        Self {
            created_ms,
            retention_days: None,
            bytes: 0,
            events: BTreeMap::new(),
            streams: BTreeMap::new(),
            stream_by_name: BTreeMap::new(),
            next_stream: 0,
        }
    }

    fn stream(&mut self, name: &str, now: i64) -> u32 {
        if let Some(id) = self.stream_by_name.get(name) {
            return *id;
        }
        if self.streams.len() >= STREAMS_MAX {
            let empty = self.streams.iter().find(|(_, s)| s.events == 0);
            if let Some((id, name)) = empty.map(|(id, s)| (*id, s.facts.name.clone())) {
                self.streams.remove(&id);
                self.stream_by_name.remove(&name);
            }
        }
        let id = self.next_stream;
        self.next_stream += 1;
        let name: Arc<str> = name.into();
        self.stream_by_name.insert(name.clone(), id);
        let facts = StreamFacts {
            name,
            created_ms: now,
            first_last_ms: None,
            ingested_ms: None,
        };
        self.streams.insert(id, Stream { facts, events: 0 });
        id
    }

    fn insert(&mut self, id: EventId, stream: &str, now: i64, message: &str) {
        let stream_id = self.stream(stream, now);
        if let Some(stream) = self.streams.get_mut(&stream_id) {
            let at = id.timestamp_ms;
            let (first, last) = stream.facts.first_last_ms.unwrap_or((at, at));
            stream.facts.first_last_ms = Some((first.min(at), last.max(at)));
            stream.facts.ingested_ms = Some(now);
            stream.events += 1;
        }
        self.bytes += message.len() + EVENT_OVERHEAD_BYTES;
        let stored = Stored {
            stream: stream_id,
            ingestion_ms: now,
            message: message.into(),
        };
        self.events.insert(id, stored);
    }

    fn event(&self, id: &EventId, stored: &Stored) -> Option<LogEvent> {
        Some(LogEvent {
            stream: self.streams.get(&stored.stream)?.facts.name.clone(),
            timestamp_ms: id.timestamp_ms,
            ingestion_ms: stored.ingestion_ms,
            id: *id,
            message: stored.message.clone(),
        })
    }

    fn shrink_to(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max && self.events.len() > 1 {
            self.drop_oldest();
        }
    }

    fn expire(&mut self, now: i64) {
        let Some(days) = self.retention_days else {
            return;
        };
        let oldest_kept = now - days * 24 * 60 * 60 * 1000;
        while self
            .events
            .first_key_value()
            .is_some_and(|(id, _)| id.timestamp_ms < oldest_kept)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, gone)) = self.events.pop_first() {
            self.bytes -= gone.message.len() + EVENT_OVERHEAD_BYTES;
            if let Some(stream) = self.streams.get_mut(&gone.stream) {
                stream.events -= 1;
            }
        }
    }
}

/// The events that one line becomes: whole when it fits, else cut at the size limit, never
/// inside a character (moby, daemon/logger/awslogs, `findValidSplit`).
fn split_as_awslogs_does(message: &str) -> impl Iterator<Item = &str> {
    let piece_max = EVENT_BYTES_MAX - EVENT_OVERHEAD_BYTES;
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        if text.len() <= piece_max {
            return Some(text);
        }
        let (piece, after) = text.split_at(text.floor_char_boundary(piece_max));
        rest = Some(after);
        Some(piece)
    })
}

/// A panic while holding one of these locks leaves no invariant broken that the next writer
/// would trip over, so a poisoned lock is used on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
