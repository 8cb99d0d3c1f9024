//! The end of a terminal that went away: a closed window, a lost SSH connection.
//!
//! crossterm 0.29 goes on reading from a terminal that is gone: it takes the end of input, and every
//! error, for nothing to read yet. So the loop that would hear SIGHUP may be the one that reads for
//! ever, and somebody else has to watch.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::{
    io::{IsTerminal, stdin},
    os::fd::AsFd,
    process, thread,
    time::Duration,
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What the loop gets to end by itself, by SIGHUP or the failed write.
const GRACE: Duration = Duration::from_secs(3);
/// As a shell tells of a process that SIGHUP ended.
const EXIT_CODE: i32 = 129;

/// Ends the process once its terminal is gone and nothing else has. A rollout goes on, and the next
/// console takes it up.
pub fn watch() {
    if !stdin().is_terminal() {
        return;
    }
    let watching = || {
        while !is_gone() {
            thread::sleep(LOOK_EVERY);
        }
        thread::sleep(GRACE);
        process::exit(EXIT_CODE);
    };
    if let Err(error) = thread::Builder::new().name("hangup".into()).spawn(watching) {
        tracing::warn!(%error, "nobody watches for the end of the terminal");
    }
}

fn is_gone() -> bool {
    let input = stdin();
    let mut asked = [PollFd::new(input.as_fd(), PollFlags::empty())];
    // These are told without being asked for (poll(2)).
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    poll(&mut asked, PollTimeout::ZERO).is_ok()
        && asked[0].revents().is_some_and(|told| told.intersects(gone))
}
