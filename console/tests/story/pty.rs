//! A screen to type at and to read: the console on a pseudo-terminal, its output through vt100.

use super::laboratory::Laboratory;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::{
    io::{Read, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Esc.
const ESC: &str = "\u{1b}";
/// Enter.
pub const ENTER: &str = "\r";
/// Ctrl-C.
pub const CTRL_C: &str = "\u{3}";

/// The console on a terminal of its own. Dropping it ends the program.
pub struct Screen {
    parser: Arc<Mutex<vt100::Parser>>,
    writer: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

/// A terminal's side is never zero.
fn cells(count: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(count).unwrap_or(std::num::NonZeroU16::MIN)
}

impl Screen {
    /// Opens the console of this laboratory on a terminal of so many columns and rows.
    pub fn open(laboratory: &Laboratory, columns: u16, rows: u16) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_opsconsole"));
        command.env("OPSCONSOLE_DATA_DIR", laboratory.data_dir());
        command.env("OPSCONSOLE_CONFIG", "");
        command.env("OPSCONSOLE_AUTHOR", "ana");
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        let child = pair
            .slave
            .spawn_command(command)
            .expect("the console starts");
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(
            cells(rows),
            cells(columns),
            0,
        )));
        let mut reader = pair
            .master
            .try_clone_reader()
            .expect("the terminal's output");
        let sink = parser.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                sink.lock()
                    .expect("no reader panics")
                    .process(&bytes[..read]);
            }
        });
        let writer = pair.master.take_writer().expect("the terminal's input");
        Self {
            parser,
            writer,
            master: pair.master,
            child,
        }
    }

    /// What the terminal shows.
    pub fn text(&self) -> String {
        self.parser
            .lock()
            .expect("no reader panics")
            .screen()
            .contents()
    }

    /// True while the program has the alternate screen.
    fn is_full_screen(&self) -> bool {
        self.parser
            .lock()
            .expect("no reader panics")
            .screen()
            .alternate_screen()
    }

    /// Types keys.
    pub fn type_keys(&mut self, keys: &str) {
        self.writer
            .write_all(keys.as_bytes())
            .and_then(|()| self.writer.flush())
            .expect("the terminal takes keys");
    }

    /// Waits until the screen shows a text.
    pub fn wait_for(&self, text: &str, limit: Duration) {
        self.wait_until(text, limit, |screen| screen.contains(text));
    }

    /// Waits until the screen is as it should be.
    pub fn wait_until(&self, what: &str, limit: Duration, is_so: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if is_so(&text) {
                return;
            }
            assert!(
                begun.elapsed() < limit,
                "not within {} s: {what}\n{text}",
                limit.as_secs()
            );
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    /// Presses Esc until the screen shows a text. One Esc at a time: two in one read are another key.
    pub fn back_to(&mut self, text: &str, limit: Duration) {
        let begun = Instant::now();
        while !self.text().contains(text) {
            assert!(
                begun.elapsed() < limit,
                "no way back to {text}\n{}",
                self.text()
            );
            self.type_keys(ESC);
            let pressed = Instant::now();
            while pressed.elapsed() < Duration::from_millis(400) && !self.text().contains(text) {
                std::thread::sleep(Duration::from_millis(25));
            }
        }
    }

    /// Changes the terminal's size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.parser
            .lock()
            .expect("no reader panics")
            .screen_mut()
            .set_size(cells(rows), cells(columns));
        self.master
            .resize(PtySize {
                rows,
                cols: columns,
                pixel_width: 0,
                pixel_height: 0,
            })
            .expect("the terminal is resized");
    }

    /// The program's process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// Waits for the program to end and to give the terminal back, which its last bytes do; its
    /// exit code.
    pub fn wait_for_end(&mut self, limit: Duration) -> u32 {
        let begun = Instant::now();
        loop {
            let ended = self
                .child
                .try_wait()
                .expect("the console can be waited for");
            match ended {
                Some(status) if !self.is_full_screen() => return status.exit_code(),
                _ => {}
            }
            assert!(
                begun.elapsed() < limit,
                "the console did not end, or kept the terminal\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(25));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
