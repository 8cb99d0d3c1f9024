//! The bytes of a container's log, taken apart into lines of bounded length.
//!
//! `2026-01-02T03:04:05.000000000Z the text`. A line that is too long is cut while it is read, so
//! that however long it is no more than the bound is held, and it says how long it was. A line
//! without a time takes that of the line before; where it is the kubelet's word that it cannot read
//! the log, it is no line of the container.

use crate::{
    model::LINE_BYTES_MAX,
    platform::{PlatformError, StreamLine, text::clean},
};
use jiff::Timestamp;

/// Room for the time in front of the text.
const STAMP_BYTES: usize = 64;
/// How the kubelet begins to say, with status 200, that there is no log: for a moment after a
/// crash, and once the container or its file is removed (`GetContainerLogs` in
/// kubernetes/pkg/kubelet/kuberuntime, `ReadLogs` in k8s.io/cri-client/pkg/logs).
const NOT_THERE: [&str; 3] = [
    "unable to retrieve container logs for ",
    "failed to try resolving symlinks in path ",
    "failed to open log file ",
];
/// And that it cannot read one that is there, such as for want of open files or of watches.
const UNREADABLE: [&str; 4] = [
    "failed to create fsnotify watcher: ",
    "failed to watch directory ",
    "failed to seek ",
    "failed to read log file ",
];

/// The kubelet's word, instead of lines, that it cannot read a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As it says it.
    pub words: String,
    /// Whether there is no log, or not yet; else it is there and cannot be read.
    pub is_missing: bool,
}

impl Refusal {
    /// What a line without a time says, if it is the kubelet's refusal.
    fn of(line: &str) -> Option<Self> {
        let begins = |known: &[&str]| known.iter().any(|begin| line.starts_with(begin));
        let is_missing = begins(&NOT_THERE);
        (is_missing || begins(&UNREADABLE)).then(|| Self {
            words: line.trim_end().to_owned(),
            is_missing,
        })
    }

    /// As trouble in reading that stream.
    pub fn error(&self, stream: &str) -> PlatformError {
        PlatformError::Other {
            operation: format!("reading the log of {stream}"),
            cause: clean(&self.words),
        }
    }
}

/// Takes bytes and gives lines.
#[derive(Debug, Default)]
pub struct LineSplitter {
    /// The line that is being read, up to the bound.
    open: Vec<u8>,
    /// Its whole length so far.
    open_bytes: usize,
    last_ns: Option<i64>,
    refusal: Option<Refusal>,
}

impl LineSplitter {
    /// The lines that these bytes complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<StreamLine> {
        let mut lines = Vec::new();
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.hold(&bytes[from..end]);
            lines.extend(self.close());
            from = end + 1;
        }
        self.hold(&bytes[from..]);
        lines
    }

    /// A last line that has no end. A container that is over may have written one.
    pub fn rest(&mut self) -> Option<StreamLine> {
        self.close()
    }

    /// That the kubelet said it cannot read the log, once.
    pub fn refusal(&mut self) -> Option<Refusal> {
        self.refusal.take()
    }

    /// Bytes that are held at present.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.open.capacity()
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.open_bytes += bytes.len();
        let room = (LINE_BYTES_MAX + STAMP_BYTES).saturating_sub(self.open.len());
        self.open.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn close(&mut self) -> Option<StreamLine> {
        let bytes = std::mem::take(&mut self.open);
        let whole_bytes = std::mem::take(&mut self.open_bytes);
        if bytes.is_empty() {
            return None;
        }
        let line = String::from_utf8_lossy(&bytes);
        let stamped = line
            .split_once(' ')
            .and_then(|(stamp, text)| Some((stamp.parse::<Timestamp>().ok()?, text)))
            .or_else(|| Some((line.trim_end().parse::<Timestamp>().ok()?, "")));
        let (at_ns, text) = match stamped {
            Some((at, text)) => (i64::try_from(at.as_nanosecond()).ok()?, text),
            None => {
                if let Some(refusal) = Refusal::of(&line) {
                    self.refusal = Some(refusal);
                    return None;
                }
                let now = || i64::try_from(Timestamp::now().as_nanosecond()).ok();
                (self.last_ns.or_else(now)?, &*line)
            }
        };
        self.last_ns = Some(at_ns);
        let text = text.trim_end_matches('\r');
        let mut text = text[..text.floor_char_boundary(LINE_BYTES_MAX - STAMP_BYTES)].to_owned();
        if whole_bytes > LINE_BYTES_MAX {
            text.push_str(&format!(" … (cut, {whole_bytes} bytes)"));
        }
        Some(StreamLine { at_ns, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[StreamLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_are_whole_however_the_bytes_are_cut() {
        let text = "2026-01-02T03:04:05.6Z one\n2026-01-02T03:04:05.700000001Z zwölf\n\
                    the kubelet's own words\n2026-01-02T03:04:06Z \n2026-01-02T03:04:07Z unfin";
        for size in 1..text.len() {
            let mut splitter = LineSplitter::default();
            let mut lines = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                lines.extend(splitter.push(piece));
            }
            assert_eq!(
                texts(&lines),
                ["one", "zwölf", "the kubelet's own words", ""],
                "pieces of {size}"
            );
            assert_eq!(lines[2].at_ns, lines[1].at_ns, "no time of its own");
            assert_eq!(
                splitter.rest().map(|line| line.text),
                Some("unfin".to_owned())
            );
        }
    }

    #[test]
    fn a_line_of_ten_megabytes_is_cut_while_it_is_read_and_says_how_long_it_was() {
        let mut splitter = LineSplitter::default();
        assert!(splitter.push(b"2026-01-02T03:04:05Z ").is_empty());
        for _ in 0..10 * 1024 {
            assert!(splitter.push(&[b'x'; 1024]).is_empty());
            assert!(splitter.held() < 2 * LINE_BYTES_MAX);
        }
        let lines = splitter.push(b"\n2026-01-02T03:04:06Z next\n");
        assert!(lines[0].text.ends_with("(cut, 10485781 bytes)"));
        assert!(lines[0].text.len() <= LINE_BYTES_MAX);
        assert_eq!(lines[1].text, "next");
    }

    #[test]
    fn that_the_kubelet_cannot_read_a_log_is_no_line_of_it() {
        let refused = |words: &str| {
            let mut splitter = LineSplitter::default();
            let lines = splitter.push(b"2026-01-02T03:04:05Z one\n");
            assert_eq!(texts(&lines), ["one"]);
            assert!(splitter.push(words.as_bytes()).is_empty());
            let rest = splitter.rest();
            (rest.map(|line| line.text), splitter.refusal())
        };
        let gone = "failed to try resolving symlinks in path \"/var/log/pods/a/api/0.log\": lstat \
                    /var/log/pods/a/api/0.log: no such file or directory";
        let full = "failed to create fsnotify watcher: too many open files";
        for (words, is_missing) in [
            (gone, true),
            (full, false),
            ("unable to retrieve container logs for containerd://1", true),
        ] {
            let words = words.to_owned();
            let said = refused(&words);
            assert_eq!(said, (None, Some(Refusal { words, is_missing })));
        }
        let (line, refusal) = refused("something else");
        assert_eq!((line.as_deref(), refusal), (Some("something else"), None));
        // What a container writes has a time, whatever it says.
        let mut splitter = LineSplitter::default();
        let lines = splitter.push(format!("2026-01-02T03:04:05Z {full}\n").as_bytes());
        assert_eq!((texts(&lines), splitter.refusal()), (vec![full], None));
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        let lines = LineSplitter::default().push(b"2026-01-02T03:04:05Z \xff\x00\xfe\r\n\n");
        assert_eq!(texts(&lines), ["\u{fffd}\0\u{fffd}"]);
    }
}
