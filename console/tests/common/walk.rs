//! Every headless command against guard, freeze, lock and audit, written once: run by the ECS tests
//! and the Kubernetes tests, and judged by the calls that really arrived at the platform.

use jiff::{SignedDuration, Timestamp};
use opsconsole::model::{Author, LockRecord, RunId};
use serde_json::Value;
use std::collections::BTreeSet;

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

/// What a command printed, and its exit code.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A platform to walk on: the environments `dev` and `staging`, and a journal of what changed them.
pub trait Ground {
    /// Writes a configuration of that name, its environments without a guard, with a line added.
    fn configure(&self, name: &str, line: &str);

    /// The line that makes the environments share a lock, where they do not anyway.
    fn lock_line(&self) -> &str;

    /// Runs a command with the configuration of this name.
    fn run(&self, configuration: &str, command: &str, arguments: &[&str]) -> Ran;

    /// A task of dev that runs.
    fn task(&self) -> String {
        let ran = self.run("free", "status", &["--env", "dev", "--output", "json"]);
        let status: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr));
        status["observation"]["service"]["instances"][0]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no task in {status}"))
            .to_owned()
    }

    /// Forgets the mutating calls so far.
    fn forget(&self);

    /// The mutating calls that arrived since.
    fn mutations(&self) -> Vec<String>;

    /// Whether that call is the lock's.
    fn is_of_the_lock(&self, call: &str) -> bool;

    /// Somebody else has dev's lock.
    fn lock(&self, record: &LockRecord);

    /// Nobody has it any more.
    fn unlock(&self);

    /// Runs in the history.
    fn audited(&self) -> usize;
}

fn change(ground: &dyn Ground, configuration: &str, command: &str, arguments: &[&str]) -> Ran {
    let task = ground.task();
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
    ground.run(configuration, command, &all)
}

/// The mutating calls that arrived, but those of the lock.
fn changes(ground: &dyn Ground) -> Vec<String> {
    let mut calls = ground.mutations();
    calls.retain(|call| !ground.is_of_the_lock(call));
    calls
}

fn of_somebody_else() -> LockRecord {
    let now = Timestamp::now();
    LockRecord {
        run: RunId::new("r-elsewhere"),
        owner: Author {
            name: "ben".to_owned(),
            host: Some("elsewhere".to_owned()),
        },
        purpose: "deploy 1.4.0".to_owned(),
        taken_at: now,
        expires_at: now + SignedDuration::from_hours(1),
        version: None,
    }
}

/// The tables above name every command that there is.
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

/// A command that reads changes nothing; one that changes passes guard, freeze, lock and audit.
pub fn walk(ground: &dyn Ground) {
    every_headless_command_is_walked();
    let none = Vec::<String>::new();
    ground.configure("free", "");
    ground.forget();
    for (command, arguments) in READING {
        let ran = ground.run("free", command, arguments);
        assert!(
            [0, 5].contains(&ran.code),
            "{command}: {} {}",
            ran.code,
            ran.stderr
        );
        assert_eq!(ground.mutations(), none, "{command}");
    }
    for (command, arguments) in MUTATING {
        let mut dry = arguments.to_vec();
        dry.push("--dry-run");
        change(ground, "free", command, &dry);
        assert_eq!(ground.mutations(), none, "{command} --dry-run");
    }

    // Refused by the guard, by a freeze, and by somebody else's lock: nothing is sent.
    ground.configure("read-only", "guard = \"read-only\"");
    ground.configure(
        "frozen",
        "freeze = [{ reason = \"the sale\", start = \"2020-01-01T00:00:00Z\", end = \"2099-01-01T00:00:00Z\" }]",
    );
    ground.configure("locked", ground.lock_line());
    let refusals = [
        ("read-only", "read-only"),
        ("frozen", "the sale"),
        ("locked", "ben"),
    ];
    ground.forget();
    for (configuration, why) in refusals {
        if configuration == "locked" {
            ground.lock(&of_somebody_else());
            ground.forget();
        }
        // A rollback has nothing to go back to yet.
        let with_effect = MUTATING
            .iter()
            .filter(|(command, _)| *command != "rollback");
        for (command, arguments) in with_effect {
            let ran = change(ground, configuration, command, arguments);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert_eq!(ran.code, 4, "{configuration} {command}: {said}");
            assert!(said.contains(why), "{configuration} {command}: {said}");
            assert_eq!(changes(ground), none, "{configuration} {command}");
        }
    }
    ground.unlock();

    // Allowed: it is sent, and the audit has it.
    for (command, arguments) in MUTATING {
        ground.forget();
        let before = ground.audited();
        let ran = change(ground, "free", command, arguments);
        assert_eq!(ran.code, 0, "{command}: {}\n{}", ran.stdout, ran.stderr);
        assert_ne!(changes(ground), none, "{command}");
        assert_eq!(ground.audited(), before + 1, "{command}");
    }

    // With a way back to refuse, the rollback is refused too.
    for (configuration, _) in refusals {
        if configuration == "locked" {
            ground.lock(&of_somebody_else());
        }
        ground.forget();
        for (command, arguments) in [("deploy", &["1.4.0"][..]), ("rollback", &[])] {
            let ran = change(ground, configuration, command, arguments);
            assert_eq!(ran.code, 4, "{configuration} {command}: {}", ran.stderr);
        }
        assert_eq!(changes(ground), none, "{configuration}");
    }
    ground.unlock();
}
