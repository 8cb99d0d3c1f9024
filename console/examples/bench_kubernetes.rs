//! Measures the program on a cluster of many pods, beside kubectl where that has the same job:
//! `KUBECONFIG_TEST_BENCH=… cargo run --release --example bench_kubernetes -- target/release/opsconsole`.
//!
//! The cluster has kwok's nodes: 2,000 pods run nothing, and their logs are what this program
//! writes, so that what arrives can be counted against what was written. It makes a namespace of
//! its own and takes it away again. Kwok watches the file of each follower: for 200 of them
//! `sysctl fs.inotify.max_user_instances` must be above its usual 128.

mod common;

use common::{Outcome, Screen, cpu_seconds, resident_mb, spread};
use futures::{StreamExt, stream};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Pods of the environment that is looked at, and of the one whose logs are followed.
const BIG: usize = 1_800;
const LOGGED: usize = 200;
const STARTS: usize = 5;
const IDLE: Duration = Duration::from_secs(20);
const CHURN: Duration = Duration::from_secs(20);
/// Changes under way at once.
const WRITERS: usize = 8;
/// Lines for each followed container, in so many rounds a second.
const LINES: usize = 500;
const ROUNDS_PER_SECOND: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(300);

struct Bench {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
    home: tempfile::TempDir,
    client: Client,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let program = std::env::args()
        .nth(1)
        .ok_or("name the program to measure")?;
    let kubeconfig = PathBuf::from(
        std::env::var_os("KUBECONFIG_TEST_BENCH")
            .ok_or("KUBECONFIG_TEST_BENCH names no cluster")?,
    );
    let file = Kubeconfig::read_from(&kubeconfig)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    let number = uuid::Uuid::new_v4().simple().to_string();
    let bench = Bench {
        program: std::path::absolute(program)?,
        kubeconfig,
        namespace: format!("bench-{}", &number[..8]),
        home: tempfile::TempDir::with_prefix("opsconsole-bench-")?,
        client: Client::try_from(config)?,
    };
    let result = bench.measure().await;
    let namespaces: Api<Namespace> = Api::all(bench.client.clone());
    namespaces
        .delete(&bench.namespace, &DeleteParams::default())
        .await?;
    result
}

impl Bench {
    async fn measure(&self) -> Outcome<()> {
        self.fill().await?;
        let (mut uncached, mut cached, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..STARTS {
            for (times, forget) in [(&mut uncached, true), (&mut cached, false)] {
                if forget {
                    self.forget()?;
                }
                let screen = self.screen()?;
                times.push(screen.wait_for("logged", PATIENCE)?);
                let counted = screen.wait_for(&format!("{BIG}/{BIG}"), PATIENCE)?;
                if forget {
                    whole.push(*times.last().ok_or("no time")? + counted);
                }
            }
        }
        println!("first frame     nothing cached: {}", spread(uncached));
        println!("first frame     cached state:   {}", spread(cached));
        println!("all pods seen   nothing cached: {}", spread(whole));
        self.idle()?;
        self.churn().await?;
        self.logs().await
    }

    /// The pods, all ready.
    async fn fill(&self) -> Outcome<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"name": self.namespace}}))?;
        namespaces
            .create(&PostParams::default(), &namespace)
            .await?;
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        for (name, replicas) in [("big", BIG), ("logged", LOGGED)] {
            let deployment: Deployment = serde_json::from_value(json!({
                "metadata": {"name": name},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": {"app": name}},
                    "template": {
                        "metadata": {"labels": {"app": name}},
                        "spec": {"containers": [{
                            "name": "api", "image": "registry.example/api:1.0.0",
                            "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}}
                        }]}
                    }
                }
            }))?;
            deployments
                .create(&PostParams::default(), &deployment)
                .await?;
        }
        let begun = Instant::now();
        loop {
            let all = deployments.list(&ListParams::default()).await?;
            let ready: i32 = all
                .iter()
                .filter_map(|one| one.status.as_ref()?.ready_replicas)
                .sum();
            if ready as usize == BIG + LOGGED {
                println!(
                    "{ready} pods ready after {:.0} s",
                    begun.elapsed().as_secs_f64()
                );
                return Ok(());
            }
            if begun.elapsed() > PATIENCE * 2 {
                return Err(format!("only {ready} pods are ready").into());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn variables(&self) -> Outcome<Vec<(String, String)>> {
        let config = self.home.path().join("config.toml");
        let mut text = String::new();
        for name in ["big", "logged"] {
            text.push_str(&format!(
                "[environment.{name}]\nplatform = \"kubernetes\"\nkubeconfig = {:?}\nnamespace = {:?}\ndeployment = {name:?}\nrefresh_s = 5\n\n",
                self.kubeconfig, self.namespace
            ));
        }
        std::fs::write(&config, text)?;
        Ok(vec![
            (
                "OPSCONSOLE_DATA_DIR".to_owned(),
                self.home.path().display().to_string(),
            ),
            ("OPSCONSOLE_CONFIG".to_owned(), config.display().to_string()),
        ])
    }

    fn screen(&self) -> Outcome<Screen> {
        Screen::open(&self.program, &self.variables()?)
    }

    fn forget(&self) -> Outcome<()> {
        for entry in std::fs::read_dir(self.home.path())?.flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("console.db") {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn kubectl(&self, arguments: &[&str], out: Stdio) -> Outcome<Process> {
        let child = Command::new("kubectl")
            .args(arguments)
            .args(["--namespace", &self.namespace])
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(out)
            .spawn()?;
        Ok(Process(child))
    }

    fn idle(&self) -> Outcome<()> {
        let screen = self.screen()?;
        screen.wait_for(&format!("{BIG}/{BIG}"), PATIENCE)?;
        let kubectl = self.kubectl(&["get", "pods", "-w"], Stdio::null())?;
        std::thread::sleep(Duration::from_secs(30));
        let pids = [
            ("opsconsole", screen.pid()?),
            ("kubectl get pods -w", kubectl.pid()),
        ];
        let mut before = Vec::new();
        for (_, pid) in pids {
            before.push(cpu_seconds(pid)?);
        }
        std::thread::sleep(IDLE);
        for ((name, pid), before) in pids.into_iter().zip(before) {
            let share = (cpu_seconds(pid)? - before) / IDLE.as_secs_f64() * 100.0;
            println!(
                "idle            {name}: {share:.2} % of a core, {:.1} MB resident",
                resident_mb(pid)?
            );
        }
        Ok(())
    }

    /// Pods change as fast as the API server takes it, while somebody types.
    async fn churn(&self) -> Outcome<()> {
        let mut screen = self.screen()?;
        screen.wait_for(&format!("{BIG}/{BIG}"), PATIENCE)?;
        // Into the service, whose list has all the pods.
        screen.key_to_frame("\r", PATIENCE)?;
        screen.wait_for("Tasks", PATIENCE)?;
        let kubectl = self.kubectl(&["get", "pods", "-w"], Stdio::null())?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let names: Vec<String> = pods
            .list(&ListParams::default().labels("app=big"))
            .await?
            .into_iter()
            .filter_map(|pod| pod.metadata.name)
            .collect();
        let pids = [
            ("opsconsole", screen.pid()?),
            ("kubectl get pods -w", kubectl.pid()),
        ];
        let mut before = Vec::new();
        for (_, pid) in pids {
            before.push(cpu_seconds(pid)?);
        }
        let (sent, over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let typing = {
            let over = over.clone();
            std::thread::spawn(move || -> Result<Vec<Duration>, String> {
                let mut times = Vec::new();
                let mut down = true;
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(100));
                    let key = if down { "j" } else { "k" };
                    let took = screen.key_to_frame(key, PATIENCE);
                    times.push(took.map_err(|error| error.to_string())?);
                    down = !down;
                }
                drop(screen);
                Ok(times)
            })
        };
        let begun = Instant::now();
        stream::iter(names.iter().cycle().enumerate())
            .take_while(|_| futures::future::ready(begun.elapsed() < CHURN))
            .map(|(number, name)| {
                let (pods, sent) = (pods.clone(), sent.clone());
                async move {
                    let patch = json!({"metadata": {"annotations": {"churn": number.to_string()}}});
                    let done = pods
                        .patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch))
                        .await;
                    sent.fetch_add(usize::from(done.is_ok()), Ordering::Relaxed);
                }
            })
            .buffer_unordered(WRITERS)
            .collect::<Vec<()>>()
            .await;
        let took = begun.elapsed();
        let mut after = Vec::new();
        for (_, pid) in pids {
            after.push((cpu_seconds(pid)?, resident_mb(pid)?));
        }
        over.store(true, Ordering::Relaxed);
        let typed = typing.join().map_err(|_| "the typist is gone")?;
        let mut times = typed?;
        let sent = sent.load(Ordering::Relaxed);
        println!(
            "churn           {:.0} pod events/s for {:.0} s",
            sent as f64 / took.as_secs_f64(),
            took.as_secs_f64()
        );
        for (((name, _), before), (cpu, memory)) in pids.iter().zip(before).zip(after) {
            println!(
                "churn           {name}: {:.0} µs of CPU an event, {memory:.1} MB resident",
                (cpu - before) * 1e6 / sent.max(1) as f64
            );
        }
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64();
        println!(
            "churn           key to frame, terminal included: p50 {:.1} ms p99 {:.1} ms of {} keys",
            at(0.5) * 1e3,
            at(0.99) * 1e3,
            times.len()
        );
        Ok(())
    }

    /// Two followers, one after the other, so that neither has the other's lines to wait for.
    async fn logs(&self) -> Outcome<()> {
        let logs = self.kubeconfig.parent().ok_or("no folder")?.join("logs");
        let logs = logs.join(&self.namespace);
        if !logs.is_dir() {
            println!("logs            not measured: nobody feeds this cluster's logs");
            return Ok(());
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let pods = pods
            .list(&ListParams::default().labels("app=logged"))
            .await?;
        let files: Vec<PathBuf> = pods
            .iter()
            .filter_map(|pod| pod.metadata.name.as_deref())
            .map(|name| logs.join(name).join("api.log"))
            .collect();
        let heard = self.home.path().join("heard");
        let ours = || -> Outcome<Process> {
            let mut command = Command::new(&self.program);
            command
                .args([
                    "logs", "--env", "logged", "--follow", "--tail", "0", "--output", "raw",
                ])
                .envs(self.variables()?)
                .stdin(Stdio::null())
                .stdout(File::create(&heard)?)
                .stderr(Stdio::inherit());
            Ok(Process(command.spawn()?))
        };
        self.follow("opsconsole logs -f", "a", ours()?, &heard, &files)?;
        let theirs = self.kubectl(
            &[
                "logs",
                "-f",
                "-l",
                "app=logged",
                "--max-log-requests",
                "250",
                "--tail",
                "0",
            ],
            File::create(&heard)?.into(),
        )?;
        self.follow("kubectl logs -f", "b", theirs, &heard, &files)
    }

    fn follow(
        &self,
        name: &str,
        round: &str,
        process: Process,
        heard: &Path,
        files: &[PathBuf],
    ) -> Outcome<()> {
        // Each container says hello until it is heard: then it is followed.
        let begun = Instant::now();
        loop {
            for (number, file) in files.iter().enumerate() {
                write_line(file, &format!("hello {round} {number}"))?;
            }
            std::thread::sleep(Duration::from_secs(2));
            let text = std::fs::read_to_string(heard)?;
            let known: std::collections::HashSet<&str> = text
                .lines()
                .filter(|line| line.starts_with("hello"))
                .collect();
            if known.len() == files.len() {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!(
                    "{name} follows {} containers only; is fs.inotify.max_user_instances above 256?",
                    known.len()
                )
                .into());
            }
        }
        let before = cpu_seconds(process.pid())?;
        let begun = Instant::now();
        for line in 0..LINES {
            for (number, file) in files.iter().enumerate() {
                write_line(
                    file,
                    &format!("line {round} {number} {line} {}", "x".repeat(80)),
                )?;
            }
            let due = begun + Duration::from_millis(1000 / ROUNDS_PER_SECOND) * (line as u32 + 1);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let wrote = begun.elapsed();
        let written = files.len() * LINES;
        let (mut lost, mut doubled) = (written, 0);
        while lost > 0 && begun.elapsed() < wrote + Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(500));
            let text = std::fs::read_to_string(heard)?;
            let mut counts: HashMap<&str, usize> = HashMap::new();
            for line in text.lines().filter(|line| line.starts_with("line ")) {
                *counts.entry(line).or_default() += 1;
            }
            lost = written.saturating_sub(counts.len());
            doubled = counts.values().map(|count| count - 1).sum();
        }
        println!(
            "logs            {name}: {} containers, {written} lines at {:.0}/s: {lost} lost, {doubled} doubled, {:.0} µs of CPU a line, {:.1} MB resident",
            files.len(),
            written as f64 / wrote.as_secs_f64(),
            (cpu_seconds(process.pid())? - before) * 1e6 / written as f64,
            resident_mb(process.pid())?
        );
        Ok(())
    }
}

fn write_line(file: &Path, text: &str) -> Outcome<()> {
    let line = format!("{:.9} stdout F {text}\n", jiff::Timestamp::now());
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(line.as_bytes())?;
    Ok(())
}

/// Ends with the value.
struct Process(Child);

impl Process {
    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
