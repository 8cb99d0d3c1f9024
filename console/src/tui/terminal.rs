//! The terminal, taken over and given back: whatever happens, the shell gets it as it was.

use crossterm::{
    ExecutableCommand, QueueableCommand,
    cursor::{Hide, Show},
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    style::ResetColor,
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
        disable_raw_mode, enable_raw_mode,
    },
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ratatui::{Terminal, backend::CrosstermBackend, buffer::Buffer, layout::Rect};
use std::{
    io::{self, BufWriter, Stdout, Write, stdout},
    mem::ManuallyDrop,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

/// A frame of a large terminal fits, so that it is written in one go.
const WRITE_BYTES: usize = 256 * 1024;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives it back.
pub struct Session {
    /// Never dropped: ratatui's own clean-up prints where it fails, which is a panic in a terminal
    /// that is gone. [`give_back`] does all of it.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
}

impl Session {
    /// Takes the terminal over: raw mode, second screen, mouse, bracketed paste. A panic anywhere
    /// gives it back before its message is printed.
    ///
    /// # Errors
    /// When standard output is no terminal.
    pub fn enter() -> io::Result<Self> {
        give_back_on_panic();
        take()?;
        let writer = BufWriter::with_capacity(WRITE_BYTES, stdout());
        let terminal = Terminal::new(CrosstermBackend::new(writer)).inspect_err(|_| give_back())?;
        Ok(Self {
            terminal: ManuallyDrop::new(terminal),
        })
    }

    /// Its size in columns and rows.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Draws one frame. The terminal shows it whole or not at all, where it knows synchronized
    /// updates.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, view: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        self.terminal.backend_mut().queue(BeginSynchronizedUpdate)?;
        self.terminal
            .draw(|frame| view(frame.area(), frame.buffer_mut()))?;
        self.terminal.backend_mut().execute(EndSynchronizedUpdate)?;
        Ok(())
    }

    /// Puts text on the clipboard by OSC 52, which works over ssh and in tmux as well.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        self.terminal.backend_mut().execute(
            crossterm::clipboard::CopyToClipboard::to_clipboard_from(text),
        )?;
        Ok(())
    }

    /// Gives the terminal back, stops this process and all of its pipeline, and takes the
    /// terminal again when `fg` wakes it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        // The whole group, as the terminal's own Ctrl-Z would: else `make run` hangs.
        kill(Pid::from_raw(0), Signal::SIGTSTP).map_err(io::Error::from)?;
        self.resume()
    }

    /// Takes the terminal again and draws everything anew: after `fg`.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        take()?;
        self.terminal.clear()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = stdout();
    out.queue(EnterAlternateScreen)?
        .queue(EnableMouseCapture)?
        .queue(EnableBracketedPaste)?
        .queue(Hide)?
        .flush()
}

/// Undoes [`take`], once. Errors are of no use to anybody here: the terminal may be gone.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    let _ = out.execute(DisableBracketedPaste);
    let _ = out.execute(DisableMouseCapture);
    let _ = out.execute(ResetColor);
    let _ = out.execute(LeaveAlternateScreen);
    let _ = out.execute(Show);
    let _ = disable_raw_mode();
}

fn give_back_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            print(panic);
        }));
    });
}
