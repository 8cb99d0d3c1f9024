//! Measures the program from outside, on a pseudo-terminal and its own local cloud:
//! `cargo run --release --example bench_start -- target/release/opsconsole`.
//!
//! Start to first frame without and with cached state; memory and CPU when idle with 3 and with
//! 100 environments; from the confirmed plan to the answered UpdateService.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::{
    error::Error,
    fmt::Write as _,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How long the idle figures are measured.
const IDLE: Duration = Duration::from_secs(20);
const STARTS: usize = 5;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Bench {
    program: PathBuf,
    data_dir: PathBuf,
}

fn main() -> Outcome<()> {
    let program = std::env::args()
        .nth(1)
        .ok_or("name the program to measure")?;
    let home = tempfile::TempDir::with_prefix("opsconsole-bench-")?;
    let bench = Bench {
        program: std::path::absolute(program)?,
        data_dir: home.path().to_owned(),
    };
    let result = bench.measure();
    bench.run(&["local", "down"])?;
    result
}

impl Bench {
    fn measure(&self) -> Outcome<()> {
        self.run(&["local", "up"])?;
        self.wait_until_healthy()?;
        let uncached = self.first_frames(true, "")?;
        println!("first frame     nothing cached: {}", spread(uncached));
        self.idle("", 3)?;
        let cached = self.first_frames(false, "")?;
        println!("first frame     cached state:   {}", spread(cached));
        let file = self.hundred_environments()?;
        self.idle(file.to_str().ok_or("a path that is not UTF-8")?, 100)?;
        self.confirm_to_sent()
    }

    fn run(&self, arguments: &[&str]) -> Outcome<String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .env("OPSCONSOLE_DATA_DIR", &self.data_dir)
            .env("OPSCONSOLE_CONFIG", "")
            .output()?;
        Ok(String::from_utf8(output.stdout)?)
    }

    fn wait_until_healthy(&self) -> Outcome<()> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(120) {
            let rows: serde_json::Value =
                serde_json::from_str(&self.run(&["envs", "--output", "json"])?)?;
            let all = rows.as_array().map_or(&[][..], Vec::as_slice);
            if all.len() == 3 && all.iter().all(|row| row["health"] == "healthy") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Err("the local cloud did not become healthy".into())
    }

    fn first_frames(&self, forget: bool, config: &str) -> Outcome<Vec<Duration>> {
        let mut times = Vec::new();
        for _ in 0..STARTS {
            if forget {
                for entry in fs::read_dir(&self.data_dir)?.flatten() {
                    if entry
                        .file_name()
                        .to_string_lossy()
                        .starts_with("console.db")
                    {
                        fs::remove_file(entry.path())?;
                    }
                }
            }
            let begun = Instant::now();
            let screen = Screen::open(self, config)?;
            screen.wait_for("staging")?;
            times.push(begun.elapsed());
        }
        Ok(times)
    }

    fn idle(&self, config: &str, environments: usize) -> Outcome<()> {
        let screen = Screen::open(self, config)?;
        screen.wait_for("healthy")?;
        std::thread::sleep(Duration::from_secs(30));
        let pid = screen.child.process_id().ok_or("no process")?;
        let before = cpu_seconds(pid)?;
        std::thread::sleep(IDLE);
        let share = (cpu_seconds(pid)? - before) / IDLE.as_secs_f64() * 100.0;
        println!(
            "idle            {environments} environments: {share:.2} % of a core, {:.1} MB resident",
            resident_mb(pid)?
        );
        Ok(())
    }

    /// A configuration of a hundred environments, all of them the local cloud's three services.
    fn hundred_environments(&self) -> Outcome<PathBuf> {
        let state: serde_json::Value =
            serde_json::from_str(&self.run(&["local", "status", "--output", "json"])?)?;
        let endpoint = state["endpoint"].as_str().ok_or("no endpoint")?;
        let mut text = String::new();
        for number in 0..100 {
            let cluster = ["dev", "staging", "prod"][number % 3];
            write!(
                text,
                "[environment.e{number:02}]\nregion = \"us-east-1\"\nendpoint_url = \"{endpoint}\"\n\
                 cluster = \"{cluster}\"\nservice = \"api\"\nrefresh_s = 30\n\n"
            )?;
        }
        let path = self.data_dir.join("hundred.toml");
        fs::write(&path, text)?;
        Ok(path)
    }

    /// From the history: the time between the audit record and the platform's answer.
    fn confirm_to_sent(&self) -> Outcome<()> {
        let mut times = Vec::new();
        for release in ["1.4.1", "1.5.0", "1.4.1"] {
            self.run(&["deploy", release, "--env", "dev", "--yes"])?;
        }
        let records: serde_json::Value =
            serde_json::from_str(&self.run(&["history", "--env", "dev", "--output", "json"])?)?;
        for record in records.as_array().into_iter().flatten() {
            let started: Option<jiff::Timestamp> = record["started_at"]
                .as_str()
                .and_then(|text| text.parse().ok());
            let sent: Option<jiff::Timestamp> = record["ticket"]["sent_at"]
                .as_str()
                .and_then(|text| text.parse().ok());
            if let (Some(started), Some(sent)) = (started, sent) {
                times.push(Duration::try_from(sent.duration_since(started))?);
            }
        }
        println!("confirm to sent {}", spread(times));
        Ok(())
    }
}

struct Screen {
    parser: Arc<Mutex<vt100::Parser>>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Screen {
    fn open(bench: &Bench, config: &str) -> Outcome<Self> {
        let (rows, cols) = (36, 120);
        let pair = native_pty_system().openpty(PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        })?;
        let mut command = CommandBuilder::new(&bench.program);
        command.env("OPSCONSOLE_DATA_DIR", &bench.data_dir);
        command.env("OPSCONSOLE_CONFIG", config);
        command.env("TERM", "xterm-256color");
        // A file names the local cloud by its endpoint only, so its keys come as AWS's would.
        for line in bench.run(&["local", "env"])?.lines() {
            let pair = line
                .strip_prefix("export ")
                .and_then(|rest| rest.split_once('='));
            if let Some((name, value)) = pair.filter(|(name, _)| name.starts_with("AWS_")) {
                command.env(name, value);
            }
        }
        for (name, value) in credentials(&bench.data_dir) {
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
        Ok(Self {
            parser,
            child,
            _master: pair.master,
        })
    }

    fn wait_for(&self, text: &str) -> Outcome<()> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if self
                .parser
                .lock()
                .is_ok_and(|parser| parser.screen().contents().contains(text))
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!("{text:?} did not appear").into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The local cloud's key, as variables that the SDK reads.
fn credentials(data_dir: &Path) -> Vec<(&'static str, String)> {
    let text =
        fs::read_to_string(data_dir.join("local-cloud/credentials.json")).unwrap_or_default();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    [
        ("AWS_ACCESS_KEY_ID", "access_key_id"),
        ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
    ]
    .into_iter()
    .filter_map(|(variable, key)| {
        Some((variable, document["credentials"][key].as_str()?.to_owned()))
    })
    .collect()
}

/// User and system time of a process so far.
fn cpu_seconds(pid: u32) -> Outcome<f64> {
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

fn resident_mb(pid: u32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .ok_or("no VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kilobytes / 1024.0)
}

fn spread(mut times: Vec<Duration>) -> String {
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
