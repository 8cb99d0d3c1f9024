//! Measures the program from outside, on a pseudo-terminal and its own local cloud:
//! `cargo run --release --example bench_start -- target/release/opsconsole`.
//!
//! Start to first frame without and with cached state; memory and CPU when idle with 3 and with
//! 100 environments; from the confirmed plan to the answered UpdateService.

mod common;

use common::{Outcome, Screen, cpu_seconds, resident_mb, spread};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// How long the idle figures are measured.
const IDLE: Duration = Duration::from_secs(20);
const STARTS: usize = 5;
const KEYS: usize = 20;

/// A first frame that takes longer than this is none.
const PATIENCE: Duration = Duration::from_secs(30);

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

    fn screen(&self, config: &str) -> Outcome<Screen> {
        let mut variables = vec![
            (
                "OPSCONSOLE_DATA_DIR".to_owned(),
                self.data_dir.display().to_string(),
            ),
            ("OPSCONSOLE_CONFIG".to_owned(), config.to_owned()),
        ];
        // A file names the local cloud by its endpoint only, so its keys come as AWS's would.
        for line in self.run(&["local", "env"])?.lines() {
            let pair = line
                .strip_prefix("export ")
                .and_then(|rest| rest.split_once('='));
            if let Some((name, value)) = pair.filter(|(name, _)| name.starts_with("AWS_")) {
                variables.push((name.to_owned(), value.to_owned()));
            }
        }
        for (name, value) in credentials(&self.data_dir) {
            variables.push((name.to_owned(), value));
        }
        Screen::open(&self.program, &variables)
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
            let screen = self.screen(config)?;
            screen.wait_for("staging", PATIENCE)?;
            times.push(begun.elapsed());
        }
        Ok(times)
    }

    fn idle(&self, config: &str, environments: usize) -> Outcome<()> {
        let mut screen = self.screen(config)?;
        screen.wait_for("healthy", PATIENCE)?;
        let mut keys = Vec::new();
        for number in 0..KEYS {
            let key = if number % 2 == 0 { "j" } else { "k" };
            keys.push(screen.key_to_frame(key, PATIENCE)?);
        }
        println!(
            "key to frame    {environments} environments, terminal included: {}",
            spread(keys)
        );
        std::thread::sleep(Duration::from_secs(30));
        let pid = screen.pid()?;
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
