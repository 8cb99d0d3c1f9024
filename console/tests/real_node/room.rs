//! A namespace of its own on the real node, with helm, kubectl and the console pointed at it.

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../helm/opsconsole-api");

/// Pods of a busy machine need so long at most.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The chart's waits, as short as its schema takes them.
const QUICK: [&str; 4] = [
    "api.preStopSeconds=2",
    "api.drainSeconds=5",
    "probes.periodSeconds=1",
    "progressDeadlineSeconds=15",
];

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// One line of `helm history`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub revision: u64,
    pub status: String,
    pub description: String,
}

/// One test's namespace; dropping it takes it away, unless the test failed.
pub struct Room {
    pub namespace: String,
    kubeconfig: PathBuf,
    image: String,
    home: TempDir,
}

impl Room {
    /// An empty one; `None` without a real node, which CI does not allow.
    pub fn new(test: &str) -> Option<Self> {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(kubeconfig) = named("KUBECONFIG_TEST_REAL") else {
            assert!(
                named("CI").is_none(),
                "CI needs a node that runs pods: set KUBECONFIG_TEST_REAL. {}",
                named("KUBECONFIG_TEST_REAL_WHY_NOT").unwrap_or_default()
            );
            eprintln!("not run: KUBECONFIG_TEST_REAL names no cluster with the API's images");
            return None;
        };
        let number = uuid::Uuid::new_v4().simple().to_string();
        let room = Self {
            namespace: format!("r-{test}-{}", &number[..8]),
            kubeconfig: PathBuf::from(kubeconfig),
            image: named("OPSCONSOLE_TEST_IMAGE").unwrap_or_else(|| "opsconsole-api".to_owned()),
            home: TempDir::with_prefix("opsconsole-real-").expect("a directory"),
        };
        let config = format!(
            "[environment.real]\nplatform = \"kubernetes\"\nkubeconfig = {:?}\nnamespace = {:?}\nhelm_release = \"shop\"\n",
            room.kubeconfig, room.namespace
        );
        std::fs::write(room.home().join("config.toml"), config).expect("a configuration");
        room.kubectl(&["create", "namespace", &room.namespace]).ok();
        Some(room)
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn run(&self, mut command: Command) -> Ran {
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Ran {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// kubectl in the namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new("kubectl");
        command
            .args(["--namespace", &self.namespace])
            .args(arguments);
        self.run(command)
    }

    /// An object or a list, as JSON.
    pub fn objects(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["get", "--output", "json"];
        all.extend(arguments);
        let ran = self.kubectl(&all).ok();
        serde_json::from_str(&ran.stdout).expect("JSON")
    }

    /// helm in the namespace.
    pub fn helm(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new("helm");
        command
            .args(["--namespace", &self.namespace])
            .args(arguments);
        self.run(command)
    }

    /// Installs or upgrades the release `shop` to that tag, and waits until it is ready.
    pub fn upgrade(&self, tag: &str, values: &[&str]) -> Ran {
        let repository = format!("image.repository={}", self.image);
        let tag = format!("image.tag={tag}");
        let mut arguments = vec!["upgrade", "--install", "shop", CHART, "--wait"];
        arguments.extend([
            "--timeout",
            "2m",
            "--set-string",
            &tag,
            "--set",
            &repository,
        ]);
        for value in QUICK.iter().chain(values) {
            arguments.extend(["--set", value]);
        }
        self.helm(&arguments)
    }

    /// `helm history`, oldest first.
    pub fn helm_history(&self) -> Vec<Entry> {
        let ran = self.helm(&["history", "shop", "--output", "json"]).ok();
        let entries: Vec<Value> = serde_json::from_str(&ran.stdout).expect("a history");
        let word = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        entries
            .iter()
            .map(|entry| Entry {
                revision: entry["revision"].as_u64().unwrap_or_default(),
                status: word(entry, "status"),
                description: word(entry, "description"),
            })
            .collect()
    }

    /// The last line of `helm history`.
    pub fn helm_now(&self) -> Entry {
        self.helm_history().pop().expect("a revision")
    }

    /// The console's program.
    pub fn console_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsconsole"));
        command
            .args(arguments)
            .args(["--env", "real"])
            .env("OPSCONSOLE_DATA_DIR", self.home().join("data"))
            .env("OPSCONSOLE_CONFIG", self.home().join("config.toml"))
            .env("OPSCONSOLE_AUTHOR", "ana")
            .env_remove("GITHUB_ACTOR")
            .stdin(Stdio::null());
        command
    }

    /// The console, to its end.
    pub fn console(&self, arguments: &[&str]) -> Ran {
        self.run(self.console_command(arguments))
    }

    /// What the console prints as one JSON document.
    pub fn told(&self, command: &str) -> Value {
        let ran = self.console(&[command, "--output", "json"]).ok();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
    }

    /// The release that the console says is live.
    pub fn release(&self) -> String {
        let release = self.told("envs")[0]["release"].clone();
        release.as_str().unwrap_or_default().to_owned()
    }

    /// Names and addresses of the API's pods that are ready and are to stay.
    pub fn serving(&self) -> Vec<(String, String)> {
        let pods = self.objects(&["pods", "--selector", "app.kubernetes.io/component=api"]);
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        pods.iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .filter(|pod| {
                let conditions = pod["status"]["conditions"].as_array();
                conditions
                    .into_iter()
                    .flatten()
                    .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
            })
            .filter_map(|pod| {
                Some((
                    pod["metadata"]["name"].as_str()?.to_owned(),
                    pod["status"]["podIP"].as_str()?.to_owned(),
                ))
            })
            .collect()
    }

    /// The address of the only pod that serves.
    pub fn address(&self) -> String {
        let serving = self.serving();
        assert_eq!(serving.len(), 1, "{serving:?}");
        serving[0].1.clone()
    }

    /// Waits until the pods that serve, and no others, say that they are that release.
    pub fn serves(&self, release: &str) {
        eventually(&format!("{release} alone serves"), || {
            let serving = self.serving();
            !serving.is_empty()
                && serving.iter().all(|(_, address)| {
                    super::api::ask(address, "GET", "/version", "test", "")
                        .is_some_and(|answer| answer.json()["release"] == release)
                })
        });
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let namespace = self.namespace.clone();
            self.kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
        }
    }
}

/// Waits for a condition, and fails with its name when it does not come true in time.
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {} s: {what}",
            PATIENCE.as_secs()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}
