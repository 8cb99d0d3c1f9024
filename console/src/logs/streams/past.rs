//! What the sources hold already, put in order across all of them.
//!
//! Each source gives its lines in order. The oldest of all goes out once every source has shown
//! its next one, or has said that it is read up to now (by dropping its sender). A source that is
//! ahead waits, so little is held however much there is.

use crate::platform::StreamLine;
use futures::future::select_all;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};
use tokio::sync::mpsc;

/// Lines given at once at most.
const BATCH: usize = 2_000;

/// A line with its stream's name and time.
pub type Named = (Arc<str>, i64, String);

struct Source {
    name: Arc<str>,
    lines: VecDeque<StreamLine>,
    more: Option<mpsc::Receiver<Vec<StreamLine>>>,
}

/// The merge.
pub struct Past {
    sources: Vec<Source>,
    /// Only so many of the newest lines are wanted.
    last: Option<usize>,
    kept: VecDeque<Named>,
    is_done: bool,
}

impl Past {
    /// All lines, or only so many of the last ones.
    pub fn new(last: Option<usize>) -> Self {
        Self {
            sources: Vec::new(),
            last,
            kept: VecDeque::new(),
            is_done: false,
        }
    }

    /// Another source.
    pub fn add(&mut self, name: Arc<str>, more: mpsc::Receiver<Vec<StreamLine>>) {
        self.sources.push(Source {
            name,
            lines: VecDeque::new(),
            more: Some(more),
        });
    }

    /// The next lines in order; `None` when all sources are read up to now. Nothing is lost when
    /// the future is dropped.
    pub async fn next(&mut self) -> Option<Vec<Named>> {
        loop {
            if self.is_done {
                return None;
            }
            if !self.fill().await {
                self.is_done = true;
            }
            let merged = self.merge();
            match self.last {
                None if merged.is_empty() => {}
                None => return Some(merged),
                Some(last) => {
                    self.kept.extend(merged);
                    let surplus = self.kept.len().saturating_sub(last);
                    self.kept.drain(..surplus);
                    if self.is_done {
                        return Some(self.kept.drain(..).collect());
                    }
                }
            }
        }
    }

    /// Waits for one source that must show its next line. False when there is none to wait for.
    async fn fill(&mut self) -> bool {
        let mut waiting: Vec<&mut Source> = self
            .sources
            .iter_mut()
            .filter(|source| source.lines.is_empty() && source.more.is_some())
            .collect();
        if waiting.is_empty() {
            return self.sources.iter().any(|source| !source.lines.is_empty());
        }
        let received = select_all(waiting.iter_mut().map(|source| {
            Box::pin(async {
                match &mut source.more {
                    Some(more) => more.recv().await,
                    None => None,
                }
            })
        }));
        let (lines, index, _) = received.await;
        match lines {
            Some(lines) => waiting[index].lines.extend(lines),
            None => waiting[index].more = None,
        }
        true
    }

    /// What is in order now.
    fn merge(&mut self) -> Vec<Named> {
        let mut merged = Vec::new();
        let mut heads: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
        for (index, source) in self.sources.iter().enumerate() {
            match source.lines.front() {
                Some(line) => heads.push(Reverse((line.at_ns, index))),
                None if source.more.is_some() => return merged,
                None => {}
            }
        }
        while let Some(Reverse((_, index))) = heads.pop() {
            let source = &mut self.sources[index];
            if let Some(line) = source.lines.pop_front() {
                let at_ms = line.at_ns.div_euclid(1_000_000);
                merged.push((source.name.clone(), at_ms, line.text));
            }
            match source.lines.front() {
                Some(line) => heads.push(Reverse((line.at_ns, index))),
                None if source.more.is_some() => break,
                None => {}
            }
            if merged.len() >= BATCH {
                break;
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(at_ms: &[i64]) -> Vec<StreamLine> {
        at_ms
            .iter()
            .map(|at| StreamLine {
                at_ns: at * 1_000_000,
                text: at.to_string(),
            })
            .collect()
    }

    async fn all(mut past: Past) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(batch) = past.next().await {
            texts.extend(batch.into_iter().map(|(_, _, text)| text));
        }
        texts
    }

    fn two(last: Option<usize>) -> Past {
        let mut past = Past::new(last);
        for batches in [vec![lines(&[1, 4]), lines(&[7])], vec![lines(&[2, 3, 9])]] {
            let (sender, receiver) = mpsc::channel(4);
            for batch in batches {
                sender.try_send(batch).expect("room");
            }
            past.add("s".into(), receiver);
        }
        past
    }

    #[tokio::test]
    async fn what_two_sources_hold_comes_out_as_one_in_order() {
        assert_eq!(all(two(None)).await, ["1", "2", "3", "4", "7", "9"]);
        assert_eq!(all(two(Some(3))).await, ["4", "7", "9"]);
        assert!(all(Past::new(None)).await.is_empty());
    }
}
