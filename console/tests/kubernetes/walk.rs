//! The walk of the command table over Kubernetes.

use super::{
    cluster::{Bench, deployment, read},
    recorder::Recorder,
    walked::{self, Ground, Ran},
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use opsconsole::model::LockRecord;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::Mutex,
};
use tokio::runtime::Handle;

/// `dev` is the Deployment `api`, `staging` the Deployment `next`, behind a wire that records.
struct Namespace {
    bench: Bench,
    recorder: Recorder,
    runtime: Handle,
    forgotten: Mutex<usize>,
}

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

impl Namespace {
    async fn new(bench: Bench) -> Self {
        let mut next = deployment(&format!("registry.example/api:1.3.0@{DIGEST}"), 1);
        next["metadata"]["name"] = json!("next");
        next["spec"]["selector"]["matchLabels"]["app"] = json!("next");
        next["spec"]["template"]["metadata"]["labels"]["app"] = json!("next");
        bench.make(next).await;
        Self {
            recorder: Recorder::start(bench.home(), "walk", bench.kubeconfig()),
            bench,
            runtime: Handle::current(),
            forgotten: Mutex::new(0),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.bench.home().join(format!("{name}.toml"))
    }

    fn console(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_opsconsole"))
            .args(arguments)
            .env("OPSCONSOLE_DATA_DIR", self.bench.home().join("data"))
            .env("OPSCONSOLE_CONFIG", "")
            .env("OPSCONSOLE_AUTHOR", "ana")
            .env_remove("GITHUB_ACTOR")
            .stdin(Stdio::null())
            .output()
            .expect("the console starts");
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn json(&self, command: &str, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        let ran = self.run("free", command, &all);
        serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{command}: {error}: {}{}", ran.stdout, ran.stderr))
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.bench.client.clone(), &self.bench.namespace)
    }
}

impl Ground for Namespace {
    fn configure(&self, name: &str, line: &str) {
        let mut text = String::new();
        for (environment, of) in [("dev", "api"), ("staging", "next")] {
            text.push_str(&format!(
                "[environment.{environment}]\n{line}\nplatform = \"kubernetes\"\n\
                 kubeconfig = {:?}\nnamespace = {:?}\ndeployment = {of:?}\n\n",
                self.recorder.kubeconfig(),
                self.bench.namespace
            ));
        }
        std::fs::write(self.file(name), text).expect("written");
    }

    /// A Lease is always there to be taken.
    fn lock_line(&self) -> &str {
        ""
    }

    fn run(&self, configuration: &str, command: &str, arguments: &[&str]) -> Ran {
        let file = self.file(configuration);
        let out = self.bench.home().join("pages");
        let mut all = vec![command, "--config", file.to_str().expect("UTF-8")];
        all.extend(arguments);
        match command {
            "docs" => all.push(out.to_str().expect("UTF-8")),
            // It looks for environments in AWS, and here is none.
            "init" => all.extend(["--endpoint-url", "http://127.0.0.1:9"]),
            _ => {}
        }
        self.console(&all)
    }

    fn forget(&self) {
        let now = self.recorder.changes(&self.bench.namespace).len();
        *self.forgotten.lock().expect("no panic") = now;
    }

    fn mutations(&self) -> Vec<String> {
        let all = self.recorder.changes(&self.bench.namespace);
        let forgotten = *self.forgotten.lock().expect("no panic");
        all[forgotten..].to_vec()
    }

    fn is_of_the_lock(&self, call: &str) -> bool {
        call.contains(" leases")
    }

    fn lock(&self, record: &LockRecord) {
        let text = serde_json::to_string(record).expect("JSON");
        let lease = read(json!({"metadata": {
            "name": "opsconsole-api", "annotations": {"opsconsole.io/lock": text}
        }}));
        let made = self.leases();
        self.runtime
            .block_on(made.create(&PostParams::default(), &lease))
            .expect("a lease");
    }

    fn unlock(&self) {
        let leases = self.leases();
        self.runtime
            .block_on(leases.delete("opsconsole-api", &DeleteParams::default()))
            .expect("the lease goes");
    }

    fn audited(&self) -> usize {
        self.json("history", &[]).as_array().map_or(0, Vec::len)
    }
}

#[tokio::test]
async fn a_command_that_reads_changes_nothing_and_one_that_changes_passes_guard_freeze_lock_and_audit()
 {
    let found = Command::new("kubectl")
        .args(["version", "--client"])
        .output();
    if found.is_err() {
        eprintln!("not run: no kubectl program");
        return;
    }
    let Some(bench) = Bench::with_api("walk").await else {
        return;
    };
    let ground = Namespace::new(bench).await;
    let ground = tokio::task::spawn_blocking(move || {
        walked::walk(&ground);
        ground
    });
    ground.await.expect("it is walked").bench.clear().await;
}
