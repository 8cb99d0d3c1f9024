//! Which lines of a stream that was opened again are new.
//!
//! A stream can be opened "since" a whole second only (kubernetes#92389), so it begins with lines
//! that were taken before. They come in the order in which they were written, so they are skipped
//! one by one until the first that was not taken; from there on everything is new. That first line
//! also shows whether the stream goes on where the last one ended: when nothing that was taken
//! came before it, this is the log of another run, or of another file.

use crate::platform::StreamLine;
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

const NS_PER_S: i64 = 1_000_000_000;
/// Lines of this many seconds before the last one's are read again and remembered. One is enough
/// for two writers of one container whose stamps cross (stdout and stderr) at a second's turn.
const OVERLAP_S: i64 = 1;

/// How often a line was taken, and how often it was met since the stream was opened again.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    times: u32,
    met: u32,
}

/// What was taken of one source.
#[derive(Debug, Default)]
pub struct Replay {
    /// By second, then by time and text.
    taken: BTreeMap<i64, HashMap<(i64, u64), Taken>>,
    last_ns: Option<i64>,
    is_replaying: bool,
    has_met: bool,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken before.
    Known,
    /// To be taken.
    New,
    /// To be taken, and nothing that was taken came before it: something may be missing.
    Severed,
}

impl Replay {
    /// From when on the source is to be opened again; `None` while nothing was taken.
    pub fn since(&self) -> Option<Timestamp> {
        let second = self.last_ns?.div_euclid(NS_PER_S) - OVERLAP_S;
        Timestamp::from_second(second).ok()
    }

    /// When the last line that was taken was written, in nanoseconds since the epoch.
    pub fn last_ns(&self) -> Option<i64> {
        self.last_ns
    }

    /// The source is opened again.
    pub fn reopen(&mut self) {
        self.is_replaying = self.last_ns.is_some();
        self.has_met = false;
        for taken in self.taken.values_mut().flat_map(HashMap::values_mut) {
            taken.met = 0;
        }
    }

    /// Looks at the next line of the stream, without taking it.
    pub fn look(&mut self, line: &StreamLine) -> Verdict {
        if !self.is_replaying {
            return Verdict::New;
        }
        let second = line.at_ns.div_euclid(NS_PER_S);
        if self
            .taken
            .first_key_value()
            .is_some_and(|(first, _)| second < *first)
        {
            // From before what was asked for.
            return Verdict::Known;
        }
        let known = self
            .taken
            .get_mut(&second)
            .and_then(|lines| lines.get_mut(&key(line)))
            .filter(|taken| taken.met < taken.times);
        match known {
            Some(taken) => {
                taken.met += 1;
                self.has_met = true;
                Verdict::Known
            }
            None if self.has_met => Verdict::New,
            None => Verdict::Severed,
        }
    }

    /// The line is taken: whatever comes after it in this stream is new.
    pub fn take(&mut self, line: &StreamLine) {
        self.is_replaying = false;
        self.last_ns = Some(line.at_ns);
        let second = line.at_ns.div_euclid(NS_PER_S);
        let lines = self.taken.entry(second).or_default();
        lines.entry(key(line)).or_default().times += 1;
        if self.taken.len() > 2 {
            self.taken = self.taken.split_off(&(second - OVERLAP_S));
        }
    }
}

fn key(line: &StreamLine) -> (i64, u64) {
    let mut hasher = DefaultHasher::new();
    line.text.hash(&mut hasher);
    (line.at_ns, hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(at_ms: i64, text: &str) -> StreamLine {
        StreamLine {
            at_ns: at_ms * 1_000_000,
            text: text.to_owned(),
        }
    }

    /// What the platform answers to "since that second".
    fn since(log: &[StreamLine], replay: &Replay) -> Vec<StreamLine> {
        let from_ns = replay
            .since()
            .map_or(i64::MIN, |at| at.as_second() * NS_PER_S);
        log.iter()
            .filter(|line| line.at_ns >= from_ns)
            .cloned()
            .collect()
    }

    #[test]
    fn the_second_is_floored_and_what_was_taken_of_it_is_skipped() {
        let mut replay = Replay::default();
        assert_eq!(replay.since(), None);
        for line in [line(10_100, "a"), line(10_600, "b"), line(10_600, "b")] {
            assert_eq!(replay.look(&line), Verdict::New);
            replay.take(&line);
        }
        assert_eq!(replay.since(), Timestamp::from_second(9).ok());
        replay.reopen();
        let again = [
            (line(10_100, "a"), Verdict::Known),
            (line(10_600, "b"), Verdict::Known),
            (line(10_600, "b"), Verdict::Known),
            (line(10_600, "b"), Verdict::New),
        ];
        for (line, verdict) in again {
            assert_eq!(replay.look(&line), verdict);
        }
    }

    #[test]
    fn a_log_that_does_not_begin_with_what_was_taken_is_another_ones() {
        let mut replay = Replay::default();
        replay.take(&line(10_000, "the last of the first run"));
        replay.reopen();
        assert_eq!(replay.look(&line(10_500, "started")), Verdict::Severed);
    }

    proptest! {
        /// Cut anywhere, any number of times: every line once.
        #[test]
        fn a_stream_cut_anywhere_gives_every_line_once(
            steps in prop::collection::vec((0i64..1_500, 0u8..3), 1..80),
            cuts in prop::collection::vec(0usize..40, 1..20),
        ) {
            let mut at_ms = 5_000;
            let log: Vec<StreamLine> = steps
                .iter()
                .map(|(step, text)| {
                    at_ms += step;
                    line(at_ms, ["x", "y", "z"][usize::from(*text)])
                })
                .collect();
            let (mut replay, mut got) = (Replay::default(), Vec::new());
            for cut in cuts.into_iter().chain([usize::MAX]) {
                replay.reopen();
                for line in since(&log, &replay).into_iter().take(cut) {
                    match replay.look(&line) {
                        Verdict::Known => {}
                        Verdict::New => {
                            replay.take(&line);
                            got.push(line);
                        }
                        Verdict::Severed => prop_assert!(false, "it is the same log"),
                    }
                }
            }
            prop_assert_eq!(got, log);
        }
    }
}
