//! Every headless command against guard, freeze, lock and audit, judged by the calls that really
//! arrived at the local cloud.

use super::{
    door::Door,
    laboratory::{Laboratory, Ran},
};
use opsconsole::model::{Author, LockRecord, RunId};
use std::{collections::BTreeSet, fs, path::PathBuf};

/// Commands that only look, with arguments that make them look at `dev`.
const READING: &[(&str, &[&str])] = &[
    ("envs", &[]),
    ("status", &["--env", "dev"]),
    ("logs", &["--env", "dev", "--tail", "5"]),
    ("cost", &["--env", "dev"]),
    ("releases", &["--env", "dev"]),
    ("history", &["--env", "dev"]),
    ("doctor", &[]),
    ("config", &["check"]),
    ("completions", &["bash"]),
    ("local", &["status"]),
    ("docs", &["reference", "--out"]),
    ("init", &["--dry-run", "--region", "us-east-1"]),
];

/// Commands that change something, in an order in which each has something to change.
/// `TASK` stands for a task that runs.
const MUTATING: &[(&str, &[&str])] = &[
    ("scale", &["3"]),
    ("restart", &[]),
    ("stop-task", &["TASK"]),
    ("deploy", &["1.4.0"]),
    ("rollback", &[]),
    ("promote", &["--from", "staging"]),
];

/// A laboratory whose environments are written in a file, as those of an account are.
struct Account {
    laboratory: Laboratory,
    door: Door,
}

impl Account {
    fn new() -> Self {
        let laboratory = Laboratory::new();
        laboratory.up();
        let door = Door::of(&laboratory);
        let account = Self { laboratory, door };
        let file = account.file("plain");
        let file = file.to_str().expect("UTF-8");
        let endpoint = account.door.url();
        let arguments = [
            "init",
            "--region",
            "us-east-1",
            "--endpoint-url",
            endpoint,
            "--config",
            file,
        ];
        let ran = account.run_plain(&arguments);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
        account
    }

    fn file(&self, name: &str) -> PathBuf {
        self.laboratory.data_dir().join(format!("{name}.toml"))
    }

    /// The configuration that `init` wrote, with lines added to each environment and guards gone.
    fn configure(&self, name: &str, lines: &str) {
        let plain = fs::read_to_string(self.file("plain")).expect("init wrote it");
        let mut text = String::new();
        for line in plain.lines().filter(|line| !line.starts_with("guard")) {
            text.push_str(line);
            text.push('\n');
            if line.starts_with("[environment.") {
                text.push_str(lines);
                text.push('\n');
            }
        }
        fs::write(self.file(name), text).expect("written");
    }

    fn run_plain(&self, arguments: &[&str]) -> Ran {
        let output = self
            .laboratory
            .command(arguments)
            .envs(&self.door.exports)
            .output()
            .expect("the console starts");
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command with the configuration of this name.
    fn run(&self, configuration: &str, command: &str, arguments: &[&str]) -> Ran {
        let file = self.file(configuration);
        let out = self.laboratory.data_dir().join("pages");
        let mut all = vec![command, "--config", file.to_str().expect("UTF-8")];
        all.extend(arguments);
        match command {
            "docs" => all.push(out.to_str().expect("UTF-8")),
            "init" => all.extend(["--endpoint-url", self.door.url()]),
            _ => {}
        }
        self.run_plain(&all)
    }

    /// A task of dev that runs.
    fn task(&self) -> String {
        let status = self.laboratory.json(&["status", "--env", "dev"]);
        status["observation"]["service"]["tasks"]
            .as_array()
            .or_else(|| status["observation"]["service"]["instances"].as_array())
            .and_then(|tasks| tasks.first()?["id"].as_str())
            .unwrap_or_else(|| panic!("no task in {status}"))
            .to_owned()
    }

    fn change(&self, configuration: &str, command: &str, arguments: &[&str]) -> Ran {
        let task = self.task();
        let mut all: Vec<&str> = arguments
            .iter()
            .map(|argument| {
                if *argument == "TASK" {
                    task.as_str()
                } else {
                    argument
                }
            })
            .collect();
        all.extend(["--env", "dev", "--yes", "--timeout", "3m"]);
        self.run(configuration, command, &all)
    }

    /// The mutating calls that arrived, but those of the lock.
    fn changes(&self) -> Vec<String> {
        let mut calls = self.door.mutations();
        calls.retain(|call| !call.starts_with("s3:"));
        calls
    }

    fn audited(&self) -> usize {
        self.laboratory
            .json(&["history"])
            .as_array()
            .map_or(0, Vec::len)
    }
}

#[test]
fn every_headless_command_is_walked() {
    let known: BTreeSet<&str> = READING
        .iter()
        .chain(MUTATING)
        .map(|(name, _)| *name)
        .collect();
    let command_line = opsconsole::cli::command_line();
    let there: BTreeSet<&str> = command_line
        .get_subcommands()
        .map(|command| command.get_name())
        .collect();
    assert_eq!(known, there);
}

#[test]
fn a_command_that_reads_changes_nothing_and_one_that_changes_passes_guard_freeze_lock_and_audit() {
    let account = Account::new();
    account.configure("free", "");
    account.door.forget();
    for (command, arguments) in READING {
        let ran = account.run("free", command, arguments);
        assert!(
            [0, 5].contains(&ran.code),
            "{command}: {} {}",
            ran.code,
            ran.stderr
        );
        assert_eq!(account.door.mutations(), Vec::<String>::new(), "{command}");
    }
    for (command, arguments) in MUTATING {
        let mut dry = arguments.to_vec();
        dry.push("--dry-run");
        account.change("free", command, &dry);
        assert_eq!(
            account.door.mutations(),
            Vec::<String>::new(),
            "{command} --dry-run"
        );
    }

    // Refused by the guard, by a freeze, and by somebody else's lock: nothing is sent.
    account.configure("read-only", "guard = \"read-only\"");
    account.configure(
        "frozen",
        "freeze = [{ reason = \"the sale\", start = \"2020-01-01T00:00:00Z\", end = \"2099-01-01T00:00:00Z\" }]",
    );
    account.configure("locked", "lock = { bucket = \"locks\" }");
    let now = jiff::Timestamp::now();
    let lock = LockRecord {
        run: RunId::new("r-elsewhere"),
        owner: Author {
            name: "ben".to_owned(),
            host: Some("elsewhere".to_owned()),
        },
        purpose: "deploy 1.4.0".to_owned(),
        taken_at: now,
        expires_at: now + jiff::SignedDuration::from_hours(1),
        version: None,
    };
    let lock = serde_json::to_string(&lock).expect("JSON");
    account.door.put_object("/locks", "");
    account.door.put_object("/locks/opsconsole/dev.lock", &lock);
    account.door.forget();
    for (configuration, why) in [
        ("read-only", "read-only"),
        ("frozen", "the sale"),
        ("locked", "ben"),
    ] {
        for (command, arguments) in MUTATING
            .iter()
            .filter(|(command, _)| *command != "rollback")
        {
            let ran = account.change(configuration, command, arguments);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert_eq!(ran.code, 4, "{configuration} {command}: {said}");
            assert!(said.contains(why), "{configuration} {command}: {said}");
            assert_eq!(
                account.changes(),
                Vec::<String>::new(),
                "{configuration} {command}"
            );
        }
    }

    // Allowed: it is sent, and the audit has it.
    for (command, arguments) in MUTATING {
        account.door.forget();
        let before = account.audited();
        let ran = account.change("free", command, arguments);
        assert_eq!(ran.code, 0, "{command}: {}\n{}", ran.stdout, ran.stderr);
        assert_ne!(account.changes(), Vec::<String>::new(), "{command}");
        assert_eq!(account.audited(), before + 1, "{command}");
    }

    // With a way back to refuse, the rollback is refused too.
    account.door.forget();
    for configuration in ["read-only", "frozen", "locked"] {
        let ran = account.change(configuration, "deploy", &["1.4.0"]);
        assert_eq!(ran.code, 4, "{configuration}: {}", ran.stderr);
        let ran = account.change(configuration, "rollback", &[]);
        assert_eq!(ran.code, 4, "{configuration}: {}", ran.stderr);
    }
    assert_eq!(account.changes(), Vec::<String>::new());
}
