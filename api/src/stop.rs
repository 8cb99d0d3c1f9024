//! What tells this process to stop.

use std::io::Read;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// One call to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTERM, from an orchestrator.
    Terminated,
    /// SIGINT, from a keyboard.
    Interrupted,
    /// Standard input ended: the parent is gone, and so is everyone it sent here.
    ParentGone,
}

impl Stop {
    /// The call in words.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Terminated => "SIGTERM",
            Self::Interrupted => "SIGINT",
            Self::ParentGone => "the end of standard input",
        }
    }
}

/// Calls to stop, from now on. Each signal is one call; the end of standard input is only
/// listened for when `with_parent`.
///
/// # Errors
/// The system has no room for signal handlers or a thread.
pub(crate) fn listen(with_parent: bool) -> std::io::Result<mpsc::Receiver<Stop>> {
    let (sender, receiver) = mpsc::channel(4);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let signals = sender.clone();
    tokio::spawn(async move {
        loop {
            let stop = tokio::select! {
                _ = terminate.recv() => Stop::Terminated,
                _ = interrupt.recv() => Stop::Interrupted,
            };
            if signals.send(stop).await.is_err() {
                return;
            }
        }
    });
    if with_parent {
        // A thread of its own: a runtime would wait for its blocking read at the end.
        std::thread::Builder::new()
            .name("parent-watch".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                wait_for_end(std::io::stdin().lock());
                // Nobody listens any more when the process is ending already.
                let _ = sender.blocking_send(Stop::ParentGone);
            })?;
    }
    Ok(receiver)
}

fn wait_for_end(mut input: impl Read) {
    let mut ignored = [0; 64];
    loop {
        match input.read(&mut ignored) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
