//! Where lines wait to be written several at a time: a write for each would cost a busy service more than the
//! line itself.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// What a line waits for others at most. Of a process that is killed outright, so much is lost.
const WAIT_MAX: Duration = Duration::from_millis(10);
/// Whoever makes it more writes it out, so that a slow reader slows the service and costs no memory.
const BYTES_MAX: usize = 64 * 1024;

static OF_THIS_PROCESS: OnceLock<&'static Lines> = OnceLock::new();

/// The lines that wait for standard output.
pub(super) struct Lines {
    waiting: Mutex<Vec<u8>>,
    is_waiting: Condvar,
    /// Held from taking the lines to having written them, so that they stay in order. Holds the room of the
    /// lines that were written last.
    writing: Mutex<Vec<u8>>,
}

impl Lines {
    /// Those of this process. The first call starts the thread that writes them.
    pub(super) fn of_this_process() -> &'static Self {
        OF_THIS_PROCESS.get_or_init(|| {
            let lines: &'static Self = Box::leak(Box::new(Self {
                waiting: Mutex::default(),
                is_waiting: Condvar::new(),
                writing: Mutex::default(),
            }));
            let keep_writing = move || {
                loop {
                    let waiting = lock(&lines.waiting);
                    let waiting = lines
                        .is_waiting
                        .wait_while(waiting, |lines| lines.is_empty());
                    drop(waiting);
                    thread::sleep(WAIT_MAX);
                    lines.write_out();
                }
            };
            let thread = thread::Builder::new()
                .name("log".into())
                .spawn(keep_writing);
            if let Err(error) = thread {
                // Lines of less than a buffer then wait for the end.
                eprintln!("cannot start the thread that writes the log: {error}");
            }
            lines
        })
    }

    /// Writes what this process still has, where it has a log.
    pub(super) fn finish() {
        if let Some(lines) = OF_THIS_PROCESS.get() {
            lines.write_out();
        }
    }

    /// Writes all that waits. Never fails: a service whose log reader is gone keeps serving.
    fn write_out(&self) {
        let mut written = lock(&self.writing);
        written.clear();
        std::mem::swap(&mut *written, &mut *lock(&self.waiting));
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(&written).and_then(|()| stdout.flush());
    }

    fn add(&self, line: &[u8]) -> usize {
        let mut waiting = lock(&self.waiting);
        if waiting.is_empty() {
            self.is_waiting.notify_one();
        }
        waiting.extend_from_slice(line);
        waiting.len()
    }
}

/// Bytes are whole lines whatever a thread that held them did.
fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> MakeWriter<'a> for &'static Lines {
    type Writer = OneLine;

    fn make_writer(&'a self) -> OneLine {
        OneLine {
            lines: self,
            is_urgent: true,
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> OneLine {
        OneLine {
            lines: self,
            is_urgent: *about.level() <= Level::WARN,
        }
    }
}

/// Takes one line.
pub(super) struct OneLine {
    lines: &'static Lines,
    /// What tells of trouble may be the last that this process says.
    is_urgent: bool,
}

impl Write for OneLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.add(line) > BYTES_MAX || self.is_urgent {
            self.lines.write_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
