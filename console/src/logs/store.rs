//! The lines that are held: a ring bounded by bytes, text in chunked arenas.
//!
//! A line costs its text and a 16-byte record. Lines are let go a chunk at a time, oldest first,
//! and counted: nothing disappears silently.

use super::{
    line::parse_level,
    sanitize::clean,
    tail::{TailEvent, TailLine},
};
use crate::model::{LINE_BYTES_MAX, Level};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::Arc,
};

/// Text in one chunk at most, in bytes. Small enough that letting one go is no jolt, large enough
/// that the number of chunks stays in the hundreds.
const CHUNK_TEXT_BYTES: usize = 1024 * 1024;
/// Records in one chunk at most, for logs of very short lines.
const CHUNK_LINES: usize = 32 * 1024;
/// Minutes that the histogram remembers: a day.
const MINUTES_MAX: usize = 24 * 60;
const MINUTE_MS: i64 = 60_000;
/// Gaps that are remembered, the newest ones.
const GAPS_MAX: usize = 256;

const LATE: u8 = 1;
const TRUNCATED: u8 = 2;

/// A line's name: counted up from 0, never used again, so it survives eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u64);

/// One line as held.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its name.
    pub id: LineId,
    /// When it happened, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The stream it came from.
    pub stream: &'a str,
    /// How bad.
    pub level: Level,
    /// True when lines of a later time were out before it.
    pub late: bool,
    /// Its text, safe for a terminal; may hold newlines and tabs.
    pub text: &'a str,
    /// Its size in bytes as received, when it was too long to hold whole.
    pub truncated_from: Option<u64>,
}

/// Lines and errors of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinuteCount {
    /// The minute's start, in milliseconds since the epoch.
    pub start_ms: i64,
    /// Lines.
    pub lines: u64,
    /// Of them, lines of level error.
    pub errors: u64,
}

/// A stretch of time that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The newest line held when it opened; the gap is shown after it.
    pub after: Option<LineId>,
    /// Inclusive, in milliseconds since the epoch.
    pub from_ms: i64,
    /// Exclusive; `None` while it still grows.
    pub to_ms: Option<i64>,
    /// True once everything in it was read after all.
    pub filled: bool,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    at_ms: i64,
    /// Where its text begins in the chunk; it ends where the next one begins.
    start: u32,
    source: u16,
    level: Level,
    flags: u8,
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    first: u64,
    text: String,
    records: Vec<Record>,
    errors: u32,
    latest_ms: Option<i64>,
    /// Index of a truncated line, and its size as received.
    truncated: Vec<(u32, u64)>,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    fn bytes(&self) -> usize {
        self.text.capacity()
            + self.records.capacity() * size_of::<Record>()
            + self.truncated.capacity() * size_of::<(u32, u64)>()
            + size_of::<Self>()
    }

    fn line<'a>(&'a self, index: usize, sources: &'a [Arc<str>]) -> Option<Line<'a>> {
        let record = self.records.get(index)?;
        let end = self
            .records
            .get(index + 1)
            .map_or(self.text.len(), |next| next.start as usize);
        let truncated_from = if record.flags & TRUNCATED == 0 {
            None
        } else {
            let key = u32::try_from(index).ok()?;
            let at = self
                .truncated
                .binary_search_by_key(&key, |entry| entry.0)
                .ok()?;
            Some(self.truncated[at].1)
        };
        Some(Line {
            id: LineId(self.first + index as u64),
            at_ms: record.at_ms,
            stream: sources.get(usize::from(record.source))?,
            level: record.level,
            late: record.flags & LATE != 0,
            text: self.text.get(record.start as usize..end)?,
            truncated_from,
        })
    }
}

/// The ring. A clone is cheap (sealed chunks are shared) and frozen: pausing a view is taking a
/// clone and showing that, while the original goes on. The shared chunks live as long as either,
/// so a pause costs at most one more budget.
#[derive(Clone, Debug)]
pub struct LogStore {
    budget_bytes: usize,
    chunk_text_bytes: usize,
    sealed: VecDeque<Arc<Chunk>>,
    sealed_bytes: usize,
    open: Chunk,
    sources: Vec<Arc<str>>,
    source_index: HashMap<Arc<str>, u16>,
    last_source: u16,
    evicted: u64,
    minutes: BTreeMap<i64, (u64, u64)>,
    gaps: Vec<Gap>,
}

impl LogStore {
    /// Holds at most `budget_bytes` of memory, text and records together.
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            budget_bytes,
            // A small budget gets small chunks, so that at least seven eighths of it are held.
            chunk_text_bytes: (budget_bytes / 8).clamp(4 * 1024, CHUNK_TEXT_BYTES),
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            open: Chunk::default(),
            sources: Vec::new(),
            source_index: HashMap::new(),
            last_source: 0,
            evicted: 0,
            minutes: BTreeMap::new(),
            gaps: Vec::new(),
        }
    }

    /// Takes what a tail delivered.
    pub fn apply(&mut self, event: TailEvent) {
        match event {
            TailEvent::Lines(lines) => {
                for line in &lines {
                    self.push(line);
                }
            }
            TailEvent::GapOpened { from_ms } => {
                if self.gaps.len() == GAPS_MAX {
                    self.gaps.remove(0);
                }
                self.gaps.push(Gap {
                    after: self.next_id().0.checked_sub(1).map(LineId),
                    from_ms,
                    to_ms: None,
                    filled: false,
                });
            }
            TailEvent::GapEnded { to_ms } => {
                if let Some(gap) = self.gaps.last_mut() {
                    gap.to_ms = Some(to_ms);
                }
            }
            TailEvent::GapFilled => {
                // Only the last one: an earlier one may hold what no source keeps any more.
                if let Some(gap) = self.gaps.last_mut().filter(|gap| gap.to_ms.is_some()) {
                    gap.filled = true;
                }
            }
        }
    }

    /// Takes one line; its text is cleaned on the way in.
    pub fn push(&mut self, line: &TailLine) -> LineId {
        let received = line.text.trim_end_matches(['\n', '\r']);
        let held = &received[..received.floor_char_boundary(LINE_BYTES_MAX)];
        let text = clean(held);
        if !self.open.records.is_empty()
            && (self.open.text.len() + text.len() > self.chunk_text_bytes
                || self.open.records.len() == CHUNK_LINES)
        {
            self.seal();
        }
        let level = parse_level(&text);
        let source = self.source_of(&line.stream);
        let index = self.open.records.len();
        let mut flags = if line.late { LATE } else { 0 };
        if held.len() < received.len() {
            flags |= TRUNCATED;
            self.open
                .truncated
                .push((index as u32, received.len() as u64));
        }
        // A chunk holds at most a chunk's text or one line, both far below 4 GiB.
        let start = self.open.text.len() as u32;
        self.open.text.push_str(&text);
        self.open.records.push(Record {
            at_ms: line.at_ms,
            start,
            source,
            level,
            flags,
        });
        self.open.errors += u32::from(level == Level::Error);
        self.open.latest_ms = self.open.latest_ms.max(Some(line.at_ms));
        self.count(line.at_ms, level);
        LineId(self.open.first + index as u64)
    }

    fn count(&mut self, at_ms: i64, level: Level) {
        let minute = self.minutes.entry(at_ms.div_euclid(MINUTE_MS)).or_default();
        minute.0 += 1;
        minute.1 += u64::from(level == Level::Error);
        if self.minutes.len() > MINUTES_MAX {
            self.minutes.pop_first();
        }
    }

    fn source_of(&mut self, stream: &Arc<str>) -> u16 {
        if self
            .sources
            .get(usize::from(self.last_source))
            .is_some_and(|last| last == stream)
        {
            return self.last_source;
        }
        self.last_source = match self.source_index.get(stream) {
            Some(index) => *index,
            None => {
                // 65,535 streams in one tail: from there on they share the last name.
                let index = u16::try_from(self.sources.len()).unwrap_or(u16::MAX);
                if self.sources.len() == usize::from(u16::MAX) {
                    self.sources.push("(other streams)".into());
                } else if index < u16::MAX {
                    self.sources.push(stream.clone());
                    self.source_index.insert(stream.clone(), index);
                }
                index
            }
        };
        self.last_source
    }

    fn seal(&mut self) {
        let next = Chunk {
            first: self.open.end(),
            ..Chunk::default()
        };
        let mut full = std::mem::replace(&mut self.open, next);
        full.text.shrink_to_fit();
        full.records.shrink_to_fit();
        full.truncated.shrink_to_fit();
        self.sealed_bytes += full.bytes();
        self.sealed.push_back(Arc::new(full));
        // The open chunk may grow to this size again (its buffers double): leave room for it.
        let room = self.chunk_text_bytes.saturating_mul(2);
        while self.sealed_bytes + room > self.budget_bytes {
            let Some(oldest) = self.sealed.pop_front() else {
                break;
            };
            self.sealed_bytes -= oldest.bytes();
            self.evicted += oldest.records.len() as u64;
        }
    }

    /// Lets every line go, as for another anchor; ids go on counting.
    pub fn clear(&mut self) {
        let next = self.open.end();
        *self = Self::new(self.budget_bytes);
        self.open.first = next;
    }

    /// The oldest line held, or the id the next line will get.
    pub fn first_id(&self) -> LineId {
        LineId(
            self.sealed
                .front()
                .map_or(self.open.first, |chunk| chunk.first),
        )
    }

    /// The id the next line will get.
    pub fn next_id(&self) -> LineId {
        LineId(self.open.end())
    }

    /// Lines held.
    pub fn len(&self) -> usize {
        (self.next_id().0 - self.first_id().0) as usize
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lines let go to stay within the budget ("n lines let go").
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Memory held in bytes.
    pub fn bytes(&self) -> usize {
        self.sealed_bytes + self.open.bytes()
    }

    /// Bytes of text held: the payload.
    pub fn text_bytes(&self) -> usize {
        self.chunks().map(|chunk| chunk.text.len()).sum()
    }

    /// One line, unless it was let go.
    pub fn get(&self, id: LineId) -> Option<Line<'_>> {
        let chunk = self.chunk_of(id)?;
        chunk.line((id.0 - chunk.first) as usize, &self.sources)
    }

    /// The lines held of a range of ids; from either end.
    pub fn range(&self, ids: Range<LineId>) -> Lines<'_> {
        Lines {
            store: self,
            next: ids.start.max(self.first_id()).0,
            end: ids.end.min(self.next_id()).0,
            chunk: None,
        }
    }

    fn chunks(&self) -> impl DoubleEndedIterator<Item = &Chunk> {
        self.sealed.iter().map(Arc::as_ref).chain([&self.open])
    }

    fn chunk_of(&self, id: LineId) -> Option<&Chunk> {
        if id >= self.next_id() || id < self.first_id() {
            return None;
        }
        if id.0 >= self.open.first {
            return Some(&self.open);
        }
        let after = self.sealed.partition_point(|chunk| chunk.first <= id.0);
        self.sealed.get(after.checked_sub(1)?).map(Arc::as_ref)
    }

    /// The first error at or after that line. Chunks without errors cost nothing.
    pub fn error_from(&self, id: LineId) -> Option<LineId> {
        self.chunks()
            .filter(|chunk| chunk.errors > 0 && chunk.end() > id.0)
            .find_map(|chunk| {
                let skip = id.0.saturating_sub(chunk.first) as usize;
                let found = chunk.records.iter().skip(skip).position(is_error)?;
                Some(LineId(chunk.first + (skip + found) as u64))
            })
    }

    /// The last error before that line.
    pub fn error_before(&self, id: LineId) -> Option<LineId> {
        self.chunks()
            .rev()
            .filter(|chunk| chunk.errors > 0 && chunk.first < id.0)
            .find_map(|chunk| {
                let until = ((id.0 - chunk.first) as usize).min(chunk.records.len());
                let found = chunk.records[..until].iter().rposition(is_error)?;
                Some(LineId(chunk.first + found as u64))
            })
    }

    /// The last `minutes` minutes up to the newest line, oldest first, holes as zeros. It counts
    /// all lines of the tail, those let go included, for up to a day.
    pub fn histogram(&self, minutes: usize) -> Vec<MinuteCount> {
        let Some((newest, _)) = self.minutes.last_key_value() else {
            return Vec::new();
        };
        let count = i64::try_from(minutes.min(MINUTES_MAX)).unwrap_or(0);
        (newest - count + 1..=*newest)
            .map(|minute| {
                let (lines, errors) = self.minutes.get(&minute).copied().unwrap_or_default();
                MinuteCount {
                    start_ms: minute * MINUTE_MS,
                    lines,
                    errors,
                }
            })
            .collect()
    }

    /// The first line held at or after that time (for a click on the histogram).
    pub fn first_at_or_after(&self, at_ms: i64) -> Option<LineId> {
        let chunk = self.chunks().find(|chunk| chunk.latest_ms >= Some(at_ms))?;
        let index = chunk
            .records
            .iter()
            .position(|record| record.at_ms >= at_ms)?;
        Some(LineId(chunk.first + index as u64))
    }

    /// Stretches that could not be read, oldest first.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Streams seen so far, in the order they came.
    pub fn streams(&self) -> &[Arc<str>] {
        &self.sources
    }
}

fn is_error(record: &Record) -> bool {
    record.level == Level::Error
}

/// Lines in the order of their ids; see [`LogStore::range`].
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    store: &'a LogStore,
    next: u64,
    end: u64,
    /// The chunk of the line last given: nearly always the next one's, too.
    chunk: Option<&'a Chunk>,
}

impl<'a> Lines<'a> {
    /// One line by its id, quick when it is near the one before.
    pub(super) fn line(&mut self, id: u64) -> Option<Line<'a>> {
        let chunk = match self.chunk {
            Some(chunk) if chunk.first <= id && id < chunk.end() => chunk,
            _ => self.store.chunk_of(LineId(id))?,
        };
        self.chunk = Some(chunk);
        chunk.line((id - chunk.first) as usize, &self.store.sources)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.next >= self.end {
            return None;
        }
        self.next += 1;
        self.line(self.next - 1)
    }
}

impl DoubleEndedIterator for Lines<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        self.end -= 1;
        self.line(self.end)
    }
}

#[cfg(test)]
mod tests;
