//! What the measuring programs share: a terminal to look at, and what a process costs.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::{
    error::Error,
    fs,
    io::{Read, Write},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// The program on a pseudo-terminal. Dropping it ends the program.
pub struct Screen {
    parser: Arc<Mutex<vt100::Parser>>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Screen {
    pub fn open(program: &Path, variables: &[(String, String)]) -> Outcome<Self> {
        let (rows, cols) = (36, 120);
        let pair = native_pty_system().openpty(PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        })?;
        let mut command = CommandBuilder::new(program);
        command.env("TERM", "xterm-256color");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(cols), 0)));
        let mut reader = pair.master.try_clone_reader()?;
        let sink = parser.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                if let Ok(mut parser) = sink.lock() {
                    parser.process(&bytes[..read]);
                }
            }
        });
        let writer = pair.master.take_writer()?;
        Ok(Self {
            parser,
            writer,
            child,
            _master: pair.master,
        })
    }

    pub fn text(&self) -> String {
        let parser = self.parser.lock();
        parser.map_or_else(|_| String::new(), |parser| parser.screen().contents())
    }

    pub fn pid(&self) -> Outcome<u32> {
        Ok(self.child.process_id().ok_or("no process")?)
    }

    pub fn wait_for(&self, text: &str, limit: Duration) -> Outcome<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if self.text().contains(text) {
                return Ok(begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!("{text:?} did not appear:\n{}", self.text()).into())
    }

    /// Types keys and waits for the screen to be another than before.
    pub fn key_to_frame(&mut self, keys: &str, limit: Duration) -> Outcome<Duration> {
        let before = self.text();
        let begun = Instant::now();
        self.writer.write_all(keys.as_bytes())?;
        self.writer.flush()?;
        while begun.elapsed() < limit {
            if self.text() != before {
                return Ok(begun.elapsed());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Err(format!("{keys:?} changed nothing:\n{before}").into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process so far.
pub fn cpu_seconds(pid: u32) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields.get(11).ok_or("no utime")?.parse::<f64>()?
        + fields.get(12).ok_or("no stime")?.parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// Memory that a process holds.
pub fn resident_mb(pid: u32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .ok_or("no VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kilobytes / 1024.0)
}

/// Least, median and greatest.
pub fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let text = |time: Option<&Duration>| {
        time.map_or_else(
            || "–".to_owned(),
            |time| format!("{:.0} ms", time.as_secs_f64() * 1000.0),
        )
    };
    format!(
        "min {} median {} max {} of {}",
        text(times.first()),
        text(times.get(times.len() / 2)),
        text(times.last()),
        times.len()
    )
}

/// A terminal's side is never zero.
fn cells(count: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(count).unwrap_or(std::num::NonZeroU16::MIN)
}
