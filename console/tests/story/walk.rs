//! The walk of the command table over ECS, on the local cloud.

use super::{
    door::Door,
    laboratory::Laboratory,
    walked::{self, Ground, Ran},
};
use opsconsole::model::LockRecord;
use std::{fs, path::PathBuf};

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
}

impl Ground for Account {
    /// What `init` wrote, with the line added to each environment and guards gone.
    fn configure(&self, name: &str, line: &str) {
        let plain = fs::read_to_string(self.file("plain")).expect("init wrote it");
        let mut text = String::new();
        for written in plain.lines().filter(|line| !line.starts_with("guard")) {
            text.push_str(written);
            text.push('\n');
            if written.starts_with("[environment.") {
                text.push_str(line);
                text.push('\n');
            }
        }
        fs::write(self.file(name), text).expect("written");
    }

    fn lock_line(&self) -> &str {
        "lock = { bucket = \"locks\" }"
    }

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

    fn forget(&self) {
        self.door.forget();
    }

    fn mutations(&self) -> Vec<String> {
        self.door.mutations()
    }

    fn is_of_the_lock(&self, call: &str) -> bool {
        call.starts_with("s3:")
    }

    fn lock(&self, record: &LockRecord) {
        let record = serde_json::to_string(record).expect("JSON");
        self.door.put_object("/locks", "");
        self.door.put_object("/locks/opsconsole/dev.lock", &record);
    }

    /// Only the configuration `locked` looks there.
    fn unlock(&self) {}

    fn audited(&self) -> usize {
        self.laboratory
            .json(&["history"])
            .as_array()
            .map_or(0, Vec::len)
    }
}

#[test]
fn a_command_that_reads_changes_nothing_and_one_that_changes_passes_guard_freeze_lock_and_audit() {
    walked::walk(&Account::new());
}
