//! Logs without a screen: reads or follows a source and writes its lines.

use super::{
    budget::Budget,
    filter::Filter,
    format::{LineFormat, Printed},
    line::parse_level,
    sanitize::clean,
    store::{Line, LineId},
    tail::{Tail, TailEvent, TailHandle, TailLine, TailOptions, TailPhase, TailState},
};
use crate::platform::{LogAccess, PlatformError};
use std::{borrow::Cow, io, io::Write, time::Duration};
use tokio::time::Instant;

/// A source that has not answered even once is given up after so long, unless trying again
/// cannot help; then at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to read and how to write it.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// What to read; set [`TailOptions::once`] to end when everything there was written.
    pub tail: TailOptions,
    /// Which lines are written.
    pub filter: Filter,
    /// How.
    pub format: LineFormat,
    /// Take out escape sequences: always when the writer is a terminal.
    pub clean: bool,
}

/// Why it ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The logs cannot be read.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The lines cannot be written.
    #[error("the log lines cannot be written: {0}. Free some space, or write elsewhere")]
    Write(#[from] io::Error),
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Lines read.
    pub read: u64,
    /// Lines written.
    pub written: u64,
}

/// Writes the lines of a source that pass the filter, in order, each exactly once, until the
/// window ends, everything was read (`once`), or the reader of `out` goes away (as `head` does).
///
/// When following, trouble is told to `notice` and tried again for ever; a source that has not
/// answered at all, or is read once, is given up with its error.
pub async fn follow_to_writer(
    access: LogAccess,
    options: FollowOptions,
    out: &mut impl Write,
    notice: &mut dyn FnMut(&str),
) -> Result<Followed, FollowError> {
    let handle = Tail::start(access, options.tail.clone());
    follow(handle, options, out, notice).await
}

/// As [`follow_to_writer`], with a budget of calls of one's own.
pub async fn follow_with_budget(
    access: LogAccess,
    budget: std::sync::Arc<Budget>,
    options: FollowOptions,
    out: &mut impl Write,
    notice: &mut dyn FnMut(&str),
) -> Result<Followed, FollowError> {
    let handle = Tail::poll(access.pages().clone(), options.tail.clone(), budget);
    follow(handle, options, out, notice).await
}

async fn follow(
    mut handle: TailHandle,
    options: FollowOptions,
    out: &mut impl Write,
    notice: &mut dyn FnMut(&str),
) -> Result<Followed, FollowError> {
    let mut done = Followed::default();
    let mut patience = Patience::new(options.tail.once);
    let mut sources = Sources::default();
    loop {
        tokio::select! {
            biased;
            event = handle.events.recv() => match event {
                None => break,
                Some(TailEvent::Lines(lines)) => {
                    match write(&lines, &options, out, &mut done) {
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(done),
                        result => result?,
                    }
                }
                Some(TailEvent::GapOpened { .. }) => {}
                Some(TailEvent::GapEnded { .. }) => notice("reading again; filling the gap"),
                Some(TailEvent::GapFilled) => notice("the gap is filled; no line is missing"),
            },
            Ok(()) = handle.state.changed() => {
                let state = handle.state.borrow_and_update().clone();
                patience.look(&state.phase, notice)?;
                sources.look(&state, notice);
            }
        }
    }
    Ok(done)
}

/// What was told of sources that are not followed live.
#[derive(Default)]
struct Sources {
    in_turns: usize,
    failure: Option<PlatformError>,
}

impl Sources {
    fn look(&mut self, state: &TailState, notice: &mut dyn FnMut(&str)) {
        let Some(now) = &state.sources else { return };
        if now.in_turns > 0 && self.in_turns == 0 {
            notice(&format!(
                "{} sources are followed live and {} read in turns, some seconds late: more streams at once are not opened",
                now.followed, now.in_turns
            ));
        }
        let is_alone = !matches!(state.phase, TailPhase::Trouble { .. });
        if let (Some(failure), true, None) = (&now.failure, is_alone, &self.failure) {
            notice(&format!(
                "{} of the sources cannot be read: {failure} Trying again.",
                now.failing
            ));
        }
        self.in_turns = now.in_turns;
        self.failure.clone_from(&now.failure);
    }
}

/// When to tell of trouble, and when to give up.
struct Patience {
    once: bool,
    has_answered: bool,
    in_trouble_since: Option<Instant>,
    told: Option<String>,
}

impl Patience {
    fn new(once: bool) -> Self {
        Self {
            once,
            has_answered: false,
            in_trouble_since: None,
            told: None,
        }
    }

    fn look(
        &mut self,
        phase: &TailPhase,
        notice: &mut dyn FnMut(&str),
    ) -> Result<(), PlatformError> {
        match phase {
            TailPhase::Starting | TailPhase::Ended => {}
            TailPhase::CatchingUp | TailPhase::Following => {
                self.has_answered = true;
                self.in_trouble_since = None;
                self.told = None;
            }
            TailPhase::Trouble { error, .. } => {
                let since = *self.in_trouble_since.get_or_insert_with(Instant::now);
                let may_give_up = self.once || !self.has_answered;
                if may_give_up && (!error.is_transient() || since.elapsed() >= PATIENCE) {
                    return Err(error.clone());
                }
                // Throttling names another delay each time; it is told once.
                let text = match error {
                    PlatformError::Throttled { operation, .. } => {
                        format!("the platform throttles {operation}; going on more slowly")
                    }
                    error => format!("{error} Trying again."),
                };
                if self.told.as_ref() != Some(&text) {
                    notice(&text);
                    self.told = Some(text);
                }
            }
        }
        Ok(())
    }
}

fn write(
    lines: &[TailLine],
    options: &FollowOptions,
    out: &mut impl Write,
    done: &mut Followed,
) -> io::Result<()> {
    for line in lines {
        done.read += 1;
        let received = line.text.trim_end_matches(['\n', '\r']);
        let cleaned = clean(received);
        let shown = Line {
            id: LineId(done.read - 1),
            at_ms: line.at_ms,
            stream: &line.stream,
            level: parse_level(&cleaned),
            late: line.late,
            text: &cleaned,
            truncated_from: None,
        };
        if !options.filter.passes(&shown) {
            continue;
        }
        let text: Cow<'_, str> = if options.clean {
            cleaned.clone()
        } else {
            Cow::Borrowed(received)
        };
        let printed = Printed {
            at_ms: line.at_ms,
            stream: &line.stream,
            level: shown.level,
            late: line.late,
            text: &text,
        };
        options.format.write(printed, out)?;
        done.written += 1;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            fake::{FakeLogPages, access},
            tail::TailStart,
        },
        *,
    };
    use std::sync::Arc;

    const NOON_MS: i64 = 1_750_000_000_000;

    fn options() -> FollowOptions {
        let mut tail = TailOptions::from(TailStart::At(NOON_MS));
        tail.once = true;
        tail.poll_every = Duration::from_millis(5);
        FollowOptions {
            tail,
            filter: Filter::default(),
            format: LineFormat::Raw,
            clean: false,
        }
    }

    struct Run {
        result: Result<Followed, FollowError>,
        out: String,
        notices: Vec<String>,
    }

    async fn run(pages: &Arc<FakeLogPages>, options: FollowOptions) -> Run {
        let budget = Arc::new(Budget::new(1_000.0, 1_000.0));
        let (mut out, mut notices) = (Vec::new(), Vec::new());
        let mut notice = |text: &str| notices.push(text.to_owned());
        let result =
            follow_with_budget(access(pages), budget, options, &mut out, &mut notice).await;
        Run {
            result,
            out: String::from_utf8(out).unwrap(),
            notices,
        }
    }

    fn pages() -> Arc<FakeLogPages> {
        let pages = FakeLogPages::new(2);
        for (at, stream, text) in [
            (0, "a", "INFO one"),
            (1, "b", "ERROR \x1b[31mtwo\x1b[0m"),
            (2, "a", "GET /livez"),
            (3, "b", "ERROR three"),
        ] {
            pages.add(stream, NOON_MS + at, 0, text);
        }
        Arc::new(pages)
    }

    #[tokio::test]
    async fn what_is_there_is_written_once_in_order_and_then_it_ends() {
        let run = run(&pages(), options()).await;
        assert_eq!(
            run.out,
            "INFO one\nERROR \x1b[31mtwo\x1b[0m\nGET /livez\nERROR three\n"
        );
        assert_eq!(
            run.result.unwrap(),
            Followed {
                read: 4,
                written: 4
            }
        );
    }

    #[tokio::test]
    async fn a_terminal_gets_no_escape_sequences_and_the_filter_sees_none() {
        let filter = "^ERROR t !three".parse().unwrap();
        let run = run(
            &pages(),
            FollowOptions {
                filter,
                clean: true,
                ..options()
            },
        )
        .await;
        assert_eq!(run.out, "ERROR two\n");
        assert_eq!(
            run.result.unwrap(),
            Followed {
                read: 4,
                written: 1
            }
        );
    }

    #[tokio::test]
    async fn the_last_lines_and_the_end_of_a_window_are_kept_to() {
        let mut last = options();
        last.tail.start = TailStart::LastLines(2);
        last.tail.end_ms = Some(NOON_MS + 3);
        let run = run(&pages(), last).await;
        assert_eq!(run.out, "ERROR \x1b[31mtwo\x1b[0m\nGET /livez\n");
    }

    #[tokio::test]
    async fn what_cannot_be_read_once_fails_with_the_way_out() {
        let pages = pages();
        pages.fail_next([FakeLogPages::throttled(), FakeLogPages::expired()]);
        let run = run(&pages, options()).await;
        let error = run.result.unwrap_err();
        assert!(error.to_string().contains("aws sso login"), "{error}");
        assert_eq!(run.notices.len(), 1, "{:?}", run.notices);
        assert!(run.notices[0].contains("throttles"), "{:?}", run.notices);
    }

    #[tokio::test]
    async fn following_goes_on_through_trouble_and_ends_with_its_reader() {
        /// A reader that goes away after so many lines.
        struct Head(usize, Vec<u8>);
        impl Write for Head {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if self.1.iter().filter(|byte| **byte == b'\n').count() >= self.0 {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                self.1.extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let pages = pages();
        let mut follow = options();
        follow.tail.once = false;
        let budget = Arc::new(Budget::new(1_000.0, 1_000.0));
        let (mut out, mut notices) = (Head(5, Vec::new()), Vec::new());
        let mut notice = |text: &str| notices.push(text.to_owned());
        let later = async {
            while pages.requests().len() < 4 {
                tokio::task::yield_now().await;
            }
            pages.fail_next([FakeLogPages::expired()]);
            for n in 0..3 {
                pages.add("a", jiff::Timestamp::now().as_millisecond() + n, 0, "later");
            }
        };
        let following = follow_with_budget(access(&pages), budget, follow, &mut out, &mut notice);
        let (followed, ()) = tokio::join!(following, later);
        assert!(followed.is_ok());
        assert!(
            String::from_utf8(out.1)
                .unwrap()
                .ends_with("ERROR three\nlater\n")
        );
        assert!(
            notices.iter().any(|text| text.contains("aws sso login")),
            "{notices:?}"
        );
    }
}
